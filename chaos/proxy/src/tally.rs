//! Counters: what passed on an edge, and what each toxic did to how much of it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What passed on an edge since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections that were accepted.
    pub connections: u64,
    /// Of these, the ones that are open.
    pub open: u64,
    /// Connections for which there was no upstream.
    pub without_upstream: u64,
    /// Connections whose bytes are not HTTP/1.1, Redis among them, or could not be followed; their bytes passed all the same.
    pub not_followed: u64,
    /// Bytes from clients that were taken in.
    pub bytes_up: u64,
    /// Bytes from the upstream that were taken in.
    pub bytes_down: u64,
    /// Operations: requests of HTTP, commands of Redis, and turns of other protocols while there is a rule.
    pub operations: u64,
    /// Connections that the proxy itself reset.
    pub resets: u64,
}

/// What one toxic did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    /// Connections that it touched.
    pub connections: u64,
    /// Operations that it touched.
    pub operations: u64,
    /// Bytes that it touched.
    pub bytes: u64,
}

/// Live counters behind [`Tally`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) without_upstream: AtomicU64,
    pub(crate) not_followed: AtomicU64,
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
            not_followed: self.not_followed.load(Relaxed),
            bytes_up: self.bytes_up.load(Relaxed),
            bytes_down: self.bytes_down.load(Relaxed),
            operations: self.operations.load(Relaxed),
            resets: self.resets.load(Relaxed),
        }
    }
}

/// Live counters behind [`Hits`].
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

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Relaxed);
}
