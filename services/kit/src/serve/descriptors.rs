//! The limit on open files: it is raised at the start, and the number of connections stays below it, so that a service with many silent clients
//! can still open its database and answer its probes.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Open files that a service asks for at most. A hard limit of a billion, as some container runtimes set it, is not used up.
const WANTED: u64 = 65_536;
/// Open files that are not connections: the database, Redis, peers, logs.
const RESERVED: u64 = 256;
/// Maximum number of concurrent connections.
// Eight times the default of `MAX_CONCURRENT_REQUESTS`, because most kept-alive connections are idle.
const MAX_CONNECTIONS: u64 = 8_192;

/// Raises the soft limit as far as allowed, and returns the number of connections that fit below it.
pub(super) fn connections() -> usize {
    // A system without the limit has none.
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((WANTED, WANTED));
    let wanted = hard.min(WANTED);
    let raised = soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok();
    let connections = below(if raised { wanted } else { soft });
    tracing::debug!(soft, hard, raised, connections, "limit on open files");
    connections
}

fn below(descriptors: u64) -> usize {
    // A quarter at most, so that a very low limit still leaves room for connections.
    (descriptors - RESERVED.min(descriptors / 4)).clamp(1, MAX_CONNECTIONS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_stay_below_the_limit() {
        let cases = [(0, 1), (64, 48), (1_024, 768), (4_096, 3_840), (20_000, 8_192), (u64::MAX, 8_192)];
        for (descriptors, expected) in cases {
            assert_eq!(below(descriptors), expected, "{descriptors}");
        }
    }

    #[test]
    fn the_limit_is_raised() {
        connections();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard.min(WANTED).max(soft));
    }
}
