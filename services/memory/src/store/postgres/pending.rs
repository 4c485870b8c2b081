//! The inserts of a group, and each of their memories as it will be stored.

use crate::store::NewMemory;
use crate::store::text::Text;
use uuid::Uuid;

/// An insert of one call.
pub(super) struct Insert<'a> {
    pub(super) memories: &'a [NewMemory],
    /// In the order of the memories.
    pub(super) texts: &'a [Text],
    /// Bytes that the plan of the caller allows.
    pub(super) allowed: u64,
}

/// A memory to store: its insert, its number in it, and what the store adds.
#[derive(Debug, Clone)]
pub(super) struct PendingRow {
    pub(super) insert: usize,
    pub(super) at: usize,
    pub(super) sequence: i64,
    pub(super) id: Uuid,
    pub(super) scope: i64,
    pub(super) created_us: i64,
}
