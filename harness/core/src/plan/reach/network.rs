//! The networks to which this machine is attached.

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::sys::socket::SockaddrStorage;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) struct Network {
    pub(super) address: IpAddr,
    pub(super) mask: IpAddr,
}

impl Network {
    pub(super) fn has(&self, ip: IpAddr) -> bool {
        match (self.address, self.mask, ip.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(mask), IpAddr::V4(ip)) => {
                own.to_bits() & mask.to_bits() == ip.to_bits() & mask.to_bits()
            }
            (IpAddr::V6(own), IpAddr::V6(mask), IpAddr::V6(ip)) => {
                own.to_bits() & mask.to_bits() == ip.to_bits() & mask.to_bits()
            }
            _ => false,
        }
    }
}

/// Returns the networks of every interface.
pub(super) fn own() -> Vec<Network> {
    let ip = |address: SockaddrStorage| {
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    let entries = getifaddrs().into_iter().flatten();
    let network = |entry: InterfaceAddress| {
        Some(Network { address: entry.address.and_then(ip)?, mask: entry.netmask.and_then(ip)? })
    };
    // A mask of zero would admit every address.
    let is_narrow = |network: &Network| network.mask != Ipv4Addr::UNSPECIFIED && network.mask != Ipv6Addr::UNSPECIFIED;
    entries.filter_map(network).filter(is_narrow).collect()
}

#[cfg(test)]
mod tests {
    use super::{Network, own};

    #[test]
    fn a_network_has_the_addresses_under_its_mask() {
        let network = Network { address: [172, 18, 0, 5].into(), mask: [255, 255, 0, 0].into() };
        assert!(network.has([172, 18, 9, 1].into()));
        assert!(network.has("::ffff:172.18.9.1".parse().unwrap()));
        assert!(!network.has([172, 19, 0, 5].into()));
        assert!(!network.has("::1".parse().unwrap()));
    }

    #[test]
    fn this_machine_is_attached_to_loopback() {
        assert!(own().iter().any(|network| network.has([127, 0, 0, 1].into())));
    }
}
