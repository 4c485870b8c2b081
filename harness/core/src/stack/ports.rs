//! Chooses the port of a part: the port of the topology, or a free one outside the range that the system uses for
//! outgoing connections. In that range an outgoing connection could take the port of a part while it is restarted. A
//! client that connects to the port at that moment could even get it as its own outgoing port, and would be connected
//! to itself.

pub(super) mod holder;

use super::StackError;
use crate::plan::topology::Part;
use rand::RngExt;
use std::net::TcpListener;
use std::ops::Range;

/// Number of ports that are tried before the system chooses one.
const ATTEMPTS: usize = 64;
/// Lowest port that is tried.
const LOWEST: u16 = 10_240;

/// Returns the part's port in the topology, or one that was free a moment ago: the listener that tried it is closed.
pub(super) fn port_of(part: &Part) -> Result<u16, StackError> {
    let Some(port) = part.port else { return free_port().map_err(|error| StackError::start(&part.name, error)) };
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Ok(port),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Err(StackError::PortTaken { part: part.name.clone(), port, by: holder::of(port) })
        }
        Err(error) => Err(StackError::start(&part.name, format!("port {port}: {error}"))),
    }
}

/// Returns a port of loopback that was free a moment ago.
fn free_port() -> std::io::Result<u16> {
    let range =
        ports_below_outgoing(&std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default());
    // Not seeded by the run, so that two runs with the same seed do not try the same ports at the same time.
    let mut rng = rand::rng();
    let mut candidates = (0..ATTEMPTS).map(|_| rng.random_range(range.clone()));
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    if let Some(port) = candidates.find(free) {
        return Ok(port);
    }
    // A port in the range of outgoing connections is better than no stack.
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Returns the ports below those of outgoing connections; `text` is the content of `ip_local_port_range`.
fn ports_below_outgoing(text: &str) -> Range<u16> {
    // 32,768 is the default of Linux.
    let lowest_outgoing = text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(32_768);
    if lowest_outgoing > LOWEST + 1_000 { LOWEST..lowest_outgoing } else { LOWEST..u16::MAX }
}

#[cfg(test)]
mod tests {
    use super::{StackError, free_port, port_of, ports_below_outgoing};
    use crate::plan::topology::Topology;
    use mcp_contracts::Service;

    #[test]
    fn ports_lie_below_those_of_outgoing_connections() {
        assert_eq!(ports_below_outgoing("32768\t60999\n"), 10_240..32_768);
        assert_eq!(ports_below_outgoing(""), 10_240..32_768);
        assert_eq!(
            ports_below_outgoing("1024 65535"),
            10_240..u16::MAX,
            "if outgoing connections use every port, there is no better choice"
        );
    }

    #[test]
    fn a_port_in_use_is_reported_with_the_process_that_uses_it() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let topology = Topology::memory().with_port(Service::Memory, port);
        let memory = topology.part("memory").unwrap();
        let error = port_of(memory).unwrap_err();
        let StackError::PortTaken { by, .. } = &error else { panic!("{error}") };
        assert!(by.contains(&format!("process {}", std::process::id())), "{by}");
        drop(listener);
        assert_eq!(port_of(memory).unwrap(), port);
    }

    #[test]
    fn a_port_can_be_listened_on() {
        let port = free_port().unwrap();
        std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    }
}
