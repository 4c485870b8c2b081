//! Ports for the parts of a stack: outside the range that the system gives to outgoing connections, so that a part which is started again
//! finds its port free, and nobody who knocks there meanwhile is connected to itself.

use rand::RngExt;
use std::net::TcpListener;
use std::ops::Range;

/// Ports that are tried before the system chooses one.
const ATTEMPTS: usize = 64;
/// Lowest port that is tried.
const LOWEST: u16 = 10_240;

/// A port of loopback that was free a moment ago.
pub(super) fn free_port() -> std::io::Result<u16> {
    let range = quiet_ports(&std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default());
    let mut rng = rand::rng();
    let mut candidates = (0..ATTEMPTS).map(|_| rng.random_range(range.clone()));
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    if let Some(port) = candidates.find(free) {
        return Ok(port);
    }
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The ports below those of outgoing connections, `text` being what the system says of these.
fn quiet_ports(text: &str) -> Range<u16> {
    let lowest_outgoing = text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(32_768);
    if lowest_outgoing > LOWEST + 1_000 { LOWEST..lowest_outgoing } else { LOWEST..u16::MAX }
}

#[cfg(test)]
mod tests {
    use super::{free_port, quiet_ports};

    #[test]
    fn ports_lie_below_those_of_outgoing_connections() {
        assert_eq!(quiet_ports("32768\t60999\n"), 10_240..32_768);
        assert_eq!(quiet_ports(""), 10_240..32_768);
        assert_eq!(quiet_ports("1024 65535"), 10_240..u16::MAX, "where they are everywhere there is no better choice");
    }

    #[test]
    fn a_port_can_be_listened_on() {
        let port = free_port().unwrap();
        std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    }
}
