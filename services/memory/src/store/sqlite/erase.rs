//! Erasure of a user or an organisation, for `mcp-memory erase`.

use super::write;
use mcp_kit::Erase;
use mcp_kit::erase::ERASED_ROWS;
use rusqlite::{Transaction, params};

/// Keys with their kept replies, and what counts an organisation as a whole. A scope goes only when it is empty.
const REST: [&str; 3] = [
    "DELETE FROM idempotency WHERE (org, workspace, owner, key) IN
     (SELECT org, workspace, owner, key FROM idempotency WHERE org = ?1 AND (?2 IS NULL OR owner = ?2) LIMIT ?3)",
    "DELETE FROM scope WHERE id IN (SELECT id FROM scope s WHERE org = ?1 AND (?2 IS NULL OR owner = ?2)
     AND NOT EXISTS (SELECT 1 FROM memory m WHERE m.scope = s.id) LIMIT ?3)",
    "DELETE FROM storage WHERE org = ?1 AND ?2 IS NULL AND bytes <= 0 AND ?3 > 0",
];

/// Erases some rows and returns their number; 0 if none is left. A user's memories go, private and shared ones.
pub fn erase_portion(transaction: &Transaction<'_>, erase: &Erase) -> rusqlite::Result<usize> {
    let sql = "SELECT m.sequence FROM scope s JOIN memory m ON m.scope = s.id
               WHERE s.org = ?1 AND (?2 IS NULL OR m.owner = ?2) LIMIT ?3";
    let memories: Vec<i64> = transaction
        .prepare_cached(sql)?
        .query_map(params![erase.organisation, erase.user, ERASED_ROWS as i64], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for sequence in &memories {
        write::erase(transaction, *sequence)?;
    }
    // Others may keep replies on memories of the user, so the memories come first.
    if memories.is_empty() { erase.delete(transaction, &REST) } else { Ok(memories.len()) }
}
