//! Addresses that the harness never sends anything to, whatever the user lists: they belong to a cloud's metadata, to a whole network or to no machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses at which clouds serve credentials and metadata and that are not link-local.
const METADATA: &[IpAddr] = &[
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), // AWS
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),  // Google Cloud
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),                  // Alibaba Cloud
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),                    // Azure
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),                      // Oracle Cloud
];

/// Returns why an address is never reached; `None` if it may be.
pub(super) fn never_reached(ip: IpAddr) -> Option<&'static str> {
    let ip = ip.to_canonical();
    if METADATA.contains(&ip) {
        return Some("an address of cloud metadata");
    }
    match ip {
        IpAddr::V4(ip) => of_v4(ip),
        IpAddr::V6(ip) => of_v6(ip),
    }
}

fn of_v4(ip: Ipv4Addr) -> Option<&'static str> {
    match ip.octets() {
        [0, ..] => Some("unspecified"),
        [169, 254, 169, 254] => Some("an address of cloud metadata"),
        [169, 254, ..] => Some("link-local"),
        [224..=239, ..] => Some("multicast"),
        [255, 255, 255, 255] => Some("broadcast"),
        [240..=255, ..] => Some("reserved"),
        _ => None,
    }
}

fn of_v6(ip: Ipv6Addr) -> Option<&'static str> {
    if ip.is_unspecified() {
        return Some("unspecified");
    }
    if ip.is_unicast_link_local() {
        return Some("link-local");
    }
    if ip.is_multicast() {
        return Some("multicast");
    }
    embedded_v4(ip).and_then(|inner| never_reached(IpAddr::V4(inner)))
}

/// Returns the IPv4 address to which a translator or a tunnel passes packets for an IPv6 address.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match ip.segments() {
        // NAT64 (RFC 6052, and the local prefix of RFC 8215), and 6to4 (RFC 3056).
        [0x64, 0xff9b, 0 | 1, _, _, _, high, low] => Some(from(high, low)),
        [0x2002, high, low, ..] => Some(from(high, low)),
        // IPv4-compatible addresses (RFC 4291), which are deprecated; `::1` is loopback.
        [0, 0, 0, 0, 0, 0, high, low] if (high, low) != (0, 1) => Some(from(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::never_reached;

    #[test]
    fn addresses_that_no_list_can_allow_are_refused_in_every_notation() {
        for (ip, why) in [
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "unspecified"),
            ("::", "unspecified"),
            ("169.254.169.254", "metadata"),
            ("::ffff:169.254.169.254", "metadata"),
            ("64:ff9b::a9fe:a9fe", "metadata"),
            ("64:ff9b:1::a9fe:a9fe", "metadata"),
            ("2002:a9fe:a9fe::1", "metadata"),
            ("::a9fe:a9fe", "metadata"),
            ("fd00:ec2::254", "metadata"),
            ("fd20:ce::254", "metadata"),
            ("100.100.100.200", "metadata"),
            ("::ffff:168.63.129.16", "metadata"),
            ("192.0.0.192", "metadata"),
            ("169.254.0.1", "link-local"),
            ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"),
            ("::ffff:224.0.0.1", "multicast"),
            ("ff02::1", "multicast"),
            ("255.255.255.255", "broadcast"),
            ("240.0.0.1", "reserved"),
        ] {
            let refused = never_reached(ip.parse().unwrap());
            assert!(refused.is_some_and(|text| text.contains(why)), "{ip}: {refused:?}");
        }
    }

    #[test]
    fn usual_addresses_may_be_reached() {
        for ip in [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "10.0.0.1",
            "192.0.2.7",
            "168.63.129.17",
            "2001:db8::1",
            "fd00:ec2::253",
            "fec0::1",
            "64:ff9b::c000:207",
        ] {
            assert_eq!(never_reached(ip.parse().unwrap()), None, "{ip}");
        }
    }
}
