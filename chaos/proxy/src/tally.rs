//! Counters of an edge and of each rule.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The traffic of an edge since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Accepted connections.
    pub connections: u64,
    /// Connections that are open now.
    pub open: u64,
    /// Connections that were reset because the upstream could not be reached.
    pub without_upstream: u64,
    /// Connections that use Redis or an unknown protocol, and those whose HTTP/1.1 could no longer be parsed. From then on no HTTP exchange of them
    /// is recorded. The proxy passes their bytes on.
    pub foreign: u64,
    /// Bytes received from clients.
    pub bytes_up: u64,
    /// Bytes received from the upstream.
    pub bytes_down: u64,
    /// HTTP requests, Redis commands and, in an unknown protocol while a rule is active, turns: everything that a client sends until the upstream
    /// replies.
    pub operations: u64,
    /// Connections that ended with RST.
    pub resets: u64,
}

/// Number of connections, operations and bytes that one rule has acted on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    pub connections: u64,
    pub operations: u64,
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) without_upstream: AtomicU64,
    pub(crate) foreign: AtomicU64,
    pub(crate) bytes_up: AtomicU64,
    pub(crate) bytes_down: AtomicU64,
    pub(crate) operations: AtomicU64,
    pub(crate) resets: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> Tally {
        Tally {
            connections: self.connections.load(Relaxed),
            open: self.open.load(Relaxed),
            without_upstream: self.without_upstream.load(Relaxed),
            foreign: self.foreign.load(Relaxed),
            bytes_up: self.bytes_up.load(Relaxed),
            bytes_down: self.bytes_down.load(Relaxed),
            operations: self.operations.load(Relaxed),
            resets: self.resets.load(Relaxed),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct HitCounters {
    pub(crate) connections: AtomicU64,
    pub(crate) operations: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

impl HitCounters {
    pub(crate) fn read(&self) -> Hits {
        Hits {
            connections: self.connections.load(Relaxed),
            operations: self.operations.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }
}

// Relaxed: each counter is read on its own, and no other memory depends on its value.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Relaxed);
}
