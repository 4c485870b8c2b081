//! The number of connections of each address, so that one client cannot take all places. An IPv6 client chooses the last 64 bits of its address, so
//! they do not count.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Bits of an IPv6 address that a network gives to a client.
const NETWORK: u128 = !0 << 64;

#[derive(Clone)]
pub(super) struct Addresses {
    limit: usize,
    // Only addresses with a connection, so that their number is bounded by that of the connections.
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection that counts until it is dropped.
pub(super) struct Counted {
    address: IpAddr,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Addresses {
    /// Bounds the connections of an address, by default to three quarters of all.
    pub(super) fn new(connections: usize, limit: Option<usize>) -> Self {
        Self { limit: limit.unwrap_or((connections - connections / 4).max(1)), counts: Arc::default() }
    }

    /// Counts a connection; returns `None` if its address has as many as it may.
    pub(super) fn take(&self, address: IpAddr) -> Option<Counted> {
        let address = network(address);
        let mut counts = self.counts.lock();
        let count = counts.entry(address).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Counted { address, counts: Arc::clone(&self.counts) })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & NETWORK).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_part_of_the_connections() {
        let addresses = Addresses::new(8, None);
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut held: Vec<Counted> = (0..6).map(|_| addresses.take(at("192.0.2.1")).unwrap()).collect();
        assert!(addresses.take(at("192.0.2.1")).is_none());
        assert!(addresses.take(at("::ffff:192.0.2.1")).is_none(), "the same address in another form");
        let other = addresses.take(at("192.0.2.2")).unwrap();
        held.pop();
        assert!(addresses.take(at("192.0.2.1")).is_some());
        drop((held, other));
        assert!(addresses.counts.lock().is_empty());
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let addresses = Addresses::new(8, Some(1));
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        let _held = addresses.take(at("2001:db8::1")).unwrap();
        assert!(addresses.take(at("2001:db8::ffff:1")).is_none());
        assert!(addresses.take(at("2001:db8:0:1::1")).is_some());
    }
}
