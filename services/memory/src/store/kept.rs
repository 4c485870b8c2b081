//! What a store keeps for an idempotency key.

use super::Inserted;
use mcp_contracts::memory::Memory;
use serde::{Deserialize, Serialize};

/// Minimum time for which an idempotency key is kept, in microseconds: one day.
pub(super) const KEY_LIFETIME_US: i64 = 86_400_000_000;
/// The result of a request, stored as JSON with its idempotency key.
#[derive(Serialize, Deserialize)]
pub(super) enum StoredResult {
    Inserted(Inserted),
    Updated(Memory),
    /// The memory was deleted, and with it the reply that held its text.
    Deleted,
}
