//! What counts against the bytes that an organisation may store.

use super::{Change, NewMemory, StoreError};
use serde_json::{Map, Value};

/// Bytes that a row counts besides its texts: the row itself and its entries in the indexes.
pub(super) const ROW_BYTES: u64 = 512;

/// Returns about the bytes that a memory needs.
pub(super) fn added_by(new: &NewMemory) -> u64 {
    // The kept reply of an insert holds no text, so it is left out here. It counts when it is stored.
    let tags: usize = new.tags.iter().map(|tag| tag.len() + 3).sum();
    ROW_BYTES + (new.content.len() + tags + json_bytes(&new.metadata)) as u64
}

/// Returns the bytes that a change needs; 0 if it does not grow the memory, which is always admitted.
pub(super) fn added_by_change(content: &str, metadata: &Map<String, Value>, change: &Change) -> u64 {
    let before = content.len() + json_bytes(metadata);
    let content = change.content.as_deref().unwrap_or(content).len();
    let metadata = json_bytes(change.metadata.as_ref().unwrap_or(metadata));
    // The reply that is kept for a key holds the whole memory.
    let kept = if change.idempotency.is_some() { content + metadata } else { 0 };
    (content + metadata + kept).saturating_sub(before) as u64
}

/// Fails if an organisation that uses `used` bytes may not store more.
pub(super) fn check(used: u64, added: u64, allowed: u64) -> Result<(), StoreError> {
    if used.saturating_add(added) <= allowed { Ok(()) } else { Err(StoreError::StorageQuota { used, added, allowed }) }
}

fn json_bytes(metadata: &Map<String, Value>) -> usize {
    serde_json::to_string(metadata).map_or(0, |text| text.len())
}
