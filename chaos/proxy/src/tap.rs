//! The tap: a bounded log of the HTTP exchanges of an edge. It never changes a byte and never records a credential.

use crate::http::head::Fields;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Maximum number of bytes of one body that are recorded.
pub const MAX_BODY_BYTES: usize = 256 << 10;
/// Maximum number of exchanges in a log. The oldest ones are dropped.
pub const MAX_EXCHANGES: usize = 10_000;
/// Maximum number of bytes of all bodies in a log.
pub const MAX_LOG_BYTES: usize = 64 << 20;

/// A request and its reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Number of the connection on this edge; the first is 1.
    pub connection: u64,
    /// When the head of the request was complete.
    pub at: Instant,
    /// Time until the last byte of the reply, or until the connection ended.
    pub took: Duration,
    pub method: String,
    pub path: String,
    /// Names are in lower case. The values of credentials are not recorded.
    pub request_headers: Fields,
    /// At most [`MAX_BODY_BYTES`] of the content.
    pub request_body: Bytes,
    /// Length of the whole content.
    pub request_bytes: u64,
    /// True if the request was sent to the upstream.
    pub passed_on: bool,
    /// Status of the reply. `None`: no reply began.
    pub status: Option<u16>,
    pub reply_headers: Fields,
    /// Content as the upstream sent it, at most [`MAX_BODY_BYTES`] of it.
    pub reply_body: Bytes,
    /// Length of the whole content.
    pub reply_bytes: u64,
    /// True if the whole reply of the upstream was received. The recorded body may still be shorter.
    pub complete: bool,
}

impl Exchange {
    pub fn request_header(&self, name: &str) -> Option<&str> {
        find(&self.request_headers, name)
    }

    pub fn reply_header(&self, name: &str) -> Option<&str> {
        find(&self.reply_headers, name)
    }
}

fn find<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The log of an edge. Clones share the log.
#[derive(Clone)]
pub struct Tap {
    inner: Arc<Inner>,
}

struct Inner {
    recording: AtomicBool,
    missed: AtomicU64,
    log: Mutex<Log>,
    added: Notify,
}

#[derive(Default)]
struct Log {
    exchanges: VecDeque<Arc<Exchange>>,
    bytes: usize,
}

impl Tap {
    pub(crate) fn new(recording: bool) -> Self {
        let (missed, log, added) = (AtomicU64::new(0), Mutex::default(), Notify::new());
        Self { inner: Arc::new(Inner { recording: AtomicBool::new(recording), missed, log, added }) }
    }

    /// Starts or stops recording. The log keeps its exchanges.
    pub fn record(&self, on: bool) {
        self.inner.recording.store(on, Relaxed);
    }

    pub(crate) fn is_recording(&self) -> bool {
        self.inner.recording.load(Relaxed)
    }

    /// Returns the log, in the order in which the exchanges ended.
    pub fn exchanges(&self) -> Vec<Arc<Exchange>> {
        self.inner.log.lock().exchanges.iter().cloned().collect()
    }

    /// Returns the log and empties it.
    pub fn take(&self) -> Vec<Arc<Exchange>> {
        let mut log = self.inner.log.lock();
        log.bytes = 0;
        std::mem::take(&mut log.exchanges).into()
    }

    /// Returns the number of exchanges that were dropped to make room for newer ones. The log can prove that a request was never sent only if this
    /// number is 0.
    pub fn missed(&self) -> u64 {
        self.inner.missed.load(Relaxed)
    }

    /// Waits until the log satisfies `enough`. Returns false if it does not within `deadline`.
    pub async fn wait_for(&self, deadline: Duration, enough: impl Fn(&[Arc<Exchange>]) -> bool) -> bool {
        let waiting = async {
            loop {
                // Registered before the log is checked, so that an exchange that is added in between is not missed.
                let added = self.inner.added.notified();
                tokio::pin!(added);
                added.as_mut().enable();
                if enough(&self.exchanges()) {
                    return;
                }
                added.await;
            }
        };
        tokio::time::timeout(deadline, waiting).await.is_ok()
    }

    pub(crate) fn add(&self, exchange: Exchange) {
        let size = weight(&exchange);
        let mut log = self.inner.log.lock();
        log.bytes += size;
        log.exchanges.push_back(Arc::new(exchange));
        while log.exchanges.len() > MAX_EXCHANGES || log.bytes > MAX_LOG_BYTES {
            let Some(oldest) = log.exchanges.pop_front() else { break };
            log.bytes = log.bytes.saturating_sub(weight(&oldest));
            self.inner.missed.fetch_add(1, Relaxed);
        }
        // Unlocked first: a woken waiter takes the lock at once.
        drop(log);
        self.inner.added.notify_waiters();
    }
}

// Heads are not counted: only `MAX_EXCHANGES` limits their memory.
fn weight(exchange: &Exchange) -> usize {
    exchange.request_body.len() + exchange.reply_body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(body: usize) -> Exchange {
        Exchange {
            connection: 1,
            at: Instant::now(),
            took: Duration::ZERO,
            method: "POST".into(),
            path: "/mcp".into(),
            request_headers: vec![("mcp-name".into(), "store_memory".into())],
            request_body: Bytes::from(vec![0; body]),
            request_bytes: body as u64,
            passed_on: true,
            status: Some(200),
            reply_headers: Vec::new(),
            reply_body: Bytes::new(),
            reply_bytes: 0,
            complete: true,
        }
    }

    #[test]
    fn the_log_is_bounded_in_number_and_size_and_counts_dropped_exchanges() {
        let tap = Tap::new(true);
        (0..MAX_EXCHANGES + 3).for_each(|_| tap.add(exchange(0)));
        assert_eq!((tap.exchanges().len(), tap.missed()), (MAX_EXCHANGES, 3));
        tap.take();
        let fit = MAX_LOG_BYTES / MAX_BODY_BYTES;
        (0..fit + 2).for_each(|_| tap.add(exchange(MAX_BODY_BYTES)));
        assert_eq!((tap.take().len(), tap.missed()), (fit, 5));
        assert_eq!(tap.exchanges().len(), 0);
    }

    #[tokio::test]
    async fn a_wait_ends_when_its_condition_holds_or_at_its_deadline() {
        let tap = Tap::new(true);
        assert!(!tap.wait_for(Duration::from_millis(5), |exchanges| !exchanges.is_empty()).await);
        let add = async { tap.add(exchange(1)) };
        let (satisfied, ()) =
            tokio::join!(tap.wait_for(Duration::from_secs(10), |exchanges| exchanges.len() == 1), add);
        assert!(satisfied);
    }

    #[test]
    fn header_names_match_in_any_case() {
        assert_eq!(exchange(0).request_header("Mcp-Name"), Some("store_memory"));
        assert_eq!(exchange(0).reply_header("x"), None);
    }
}
