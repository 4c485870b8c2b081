//! What the service and one organisation may hold at once: running requests, bytes of requests, and bytes of replies that their clients have
//! not read. The bound of an organisation is below that of the service, so that no organisation takes all of it.

use super::failure::Failure;
use bytes::Bytes;
use http::{StatusCode, header};
use mcp_contracts::rpc;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of requests and of unread replies that the service holds, each.
// Together 192 MiB of the 512 MiB of a container. A reply of the largest page of memories has 14 MiB.
const SERVICE_BYTES: usize = 96 << 20;
/// Bytes of requests and of unread replies that one organisation may hold, each.
const ORGANISATION_BYTES: usize = 32 << 20;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Running,
    RequestBytes,
    ReplyBytes,
}

impl Kind {
    const COUNT: usize = 3;

    fn text(self) -> &'static str {
        match self {
            Self::Running => "concurrent requests",
            Self::RequestBytes => "bytes of requests at once",
            Self::ReplyBytes => "bytes of replies that are not read",
        }
    }
}

type Amounts = [usize; Kind::COUNT];

#[derive(Clone)]
pub(super) struct RequestCapacity {
    inner: Arc<Inner>,
}

struct Inner {
    service: Amounts,
    organisation: Amounts,
    held: Mutex<Totals>,
}

#[derive(Default)]
struct Totals {
    service: Amounts,
    // Only organisations that hold something, so that their number is bounded by that of the requests.
    organisations: HashMap<Arc<str>, Amounts>,
}

/// A part of a bound, held until it is dropped.
pub(super) struct CapacityHold {
    inner: Arc<Inner>,
    organisation: Arc<str>,
    kind: Kind,
    amount: usize,
}

/// The bound that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Service(Kind),
    Organisation(Kind),
}

impl RequestCapacity {
    /// Creates the bounds of a service with this number of concurrent requests; an organisation may have three quarters of them.
    pub(super) fn new(concurrent_requests: usize) -> Self {
        let organisation = (concurrent_requests - concurrent_requests / 4).max(1);
        Self::with(
            [concurrent_requests, SERVICE_BYTES, SERVICE_BYTES],
            [organisation, ORGANISATION_BYTES, ORGANISATION_BYTES],
        )
    }

    fn with(service: Amounts, organisation: Amounts) -> Self {
        Self { inner: Arc::new(Inner { service, organisation, held: Mutex::default() }) }
    }

    /// Takes a place; fails at once if it is above a bound, so that the client or the load balancer can choose another instance.
    pub(super) fn take(&self, organisation: &str, kind: Kind, amount: usize) -> Result<CapacityHold, Full> {
        let at = kind as usize;
        let mut held = self.inner.held.lock();
        let (name, own) = match held.organisations.get_key_value(organisation) {
            Some((name, amounts)) => (Arc::clone(name), amounts[at]),
            None => (Arc::from(organisation), 0),
        };
        // The organisation's bound first, because its client can do something about it.
        if own + amount > self.inner.organisation[at] {
            return Err(Full::Organisation(kind));
        }
        if held.service[at] + amount > self.inner.service[at] {
            return Err(Full::Service(kind));
        }
        held.service[at] += amount;
        held.organisations.entry(Arc::clone(&name)).or_default()[at] += amount;
        Ok(CapacityHold { inner: Arc::clone(&self.inner), organisation: name, kind, amount })
    }

    /// Returns what all organisations hold together.
    pub(super) fn total(&self, kind: Kind) -> usize {
        self.inner.held.lock().service[kind as usize]
    }

    /// Counts the bytes of a reply until they are written or the connection ends. Fails if they are above a bound.
    pub(super) fn hold(&self, organisation: &str, reply: Bytes) -> Result<Bytes, Full> {
        let place = self.take(organisation, Kind::ReplyBytes, reply.len())?;
        Ok(Bytes::from_owner(CountedReply { reply, _place: place }))
    }
}

struct CountedReply {
    reply: Bytes,
    _place: CapacityHold,
}

impl AsRef<[u8]> for CountedReply {
    fn as_ref(&self) -> &[u8] {
        &self.reply
    }
}

impl Drop for CapacityHold {
    fn drop(&mut self) {
        let at = self.kind as usize;
        let mut held = self.inner.held.lock();
        held.service[at] -= self.amount;
        if let Some(own) = held.organisations.get_mut(&self.organisation) {
            own[at] -= self.amount;
            if *own == Amounts::default() {
                held.organisations.remove(&self.organisation);
            }
        }
    }
}

impl From<Full> for Failure {
    /// 429 if the organisation itself holds too much, 503 if all together do.
    fn from(full: Full) -> Self {
        let (status, code, kind, whose) = match full {
            Full::Organisation(kind) => {
                (StatusCode::TOO_MANY_REQUESTS, rpc::QUOTA_EXCEEDED, kind, "your organisation has")
            }
            Full::Service(kind) => (StatusCode::SERVICE_UNAVAILABLE, rpc::UNAVAILABLE, kind, "the service has"),
        };
        Self::new(status, code, format!("{whose} too many {}; retry", kind.text()))
            .with_data(serde_json::json!({ "code": "overloaded", "retryable": true }))
            .with_header(header::RETRY_AFTER, "1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_organisation_is_refused_before_the_service_is_full() {
        let places = RequestCapacity::new(8);
        let mut held: Vec<CapacityHold> = (0..6).map(|_| places.take("acme", Kind::Running, 1).ok().unwrap()).collect();
        assert_eq!(places.take("acme", Kind::Running, 1).err(), Some(Full::Organisation(Kind::Running)));
        held.extend((0..2).map(|_| places.take("zeta", Kind::Running, 1).ok().unwrap()));
        assert_eq!(places.take("zeta", Kind::Running, 1).err(), Some(Full::Service(Kind::Running)));
        held.remove(0);
        assert!(places.take("zeta", Kind::Running, 1).is_ok());
        assert!(RequestCapacity::new(1).take("acme", Kind::Running, 1).is_ok());
    }

    #[test]
    fn a_reply_is_counted_until_its_last_part_is_gone() {
        let places = RequestCapacity::new(8);
        let mut reply = places.hold("acme", Bytes::from(vec![1; 20 << 20])).unwrap();
        assert_eq!(reply.len(), 20 << 20);
        assert_eq!(
            places.hold("acme", Bytes::from(vec![1; 20 << 20])).unwrap_err(),
            Full::Organisation(Kind::ReplyBytes)
        );
        let rest = reply.split_off(100);
        drop(reply);
        assert!(places.hold("acme", Bytes::from(vec![1; 20 << 20])).is_err());
        drop(rest);
        assert!(places.hold("acme", Bytes::from(vec![1; 20 << 20])).is_ok());
        assert!(places.inner.held.lock().organisations.is_empty());
    }

    proptest! {
        #[test]
        fn no_bound_is_ever_exceeded_and_nothing_stays(steps in proptest::collection::vec((0usize..3, 0usize..6, any::<bool>()), 1..200)) {
            let places = RequestCapacity::with([10; 3], [6; 3]);
            let mut held = Vec::new();
            for (organisation, amount, give_back) in steps {
                if give_back && !held.is_empty() {
                    held.remove(amount % held.len());
                } else if let Ok(place) = places.take(["a", "b", "c"][organisation], Kind::Running, amount) {
                    held.push(place);
                }
                let sum = |of: Option<&str>| -> usize {
                    held.iter().filter(|place: &&CapacityHold| of.is_none_or(|of| &*place.organisation == of)).map(|place| place.amount).sum()
                };
                prop_assert!(sum(None) <= 10 && ["a", "b", "c"].iter().all(|of| sum(Some(of)) <= 6));
            }
            held.clear();
            prop_assert!(places.inner.held.lock().organisations.values().all(|amounts| *amounts == [0; 3]));
            prop_assert_eq!(places.inner.held.lock().service, [0; 3]);
        }
    }
}
