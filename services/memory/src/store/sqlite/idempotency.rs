//! The results of requests with an idempotency key, so that a repeated request returns the same reply.

use super::failure::Failure;
use super::read::{self, Row};
use crate::store::kept::{KEY_LIFETIME_US, StoredResult};
use crate::store::{Idempotency, StoreError};
use crate::tenant::Tenant;
use rusqlite::{OptionalExtension, Transaction, params};

/// Maximum number of expired keys that one write with a key removes.
// More than one, so that the table shrinks; few, so that no write takes long.
const REMOVED_KEYS: i64 = 8;

/// Returns the stored result of an earlier request with the same key. Fails if the earlier request was another one.
pub(super) fn recall(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    key: Option<&Idempotency>,
) -> Result<Option<StoredResult>, Failure> {
    let Some(Idempotency { key, request }) = key else { return Ok(None) };
    let stored: Option<(Vec<u8>, String)> = transaction
        .prepare_cached(
            "SELECT request, reply FROM idempotency WHERE org = ?1 AND workspace = ?2 AND owner = ?3 AND key = ?4",
        )?
        .query_row([tenant.org(), tenant.workspace(), tenant.user(), key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match stored {
        None => Ok(None),
        Some((stored_request, result)) if stored_request == request => Ok(serde_json::from_str(&result).ok()),
        Some(_) => Err(StoreError::IdempotencyConflict(key.clone()).into()),
    }
}

pub(super) fn remember(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    key: Option<&Idempotency>,
    result: &StoredResult,
    now: i64,
) -> rusqlite::Result<()> {
    let Some(Idempotency { key, request }) = key else { return Ok(()) };
    let oldest = now - KEY_LIFETIME_US;
    // Asked first, because nearly every write finds none, and the deletion builds a table in memory.
    let exists = "SELECT EXISTS (SELECT 1 FROM idempotency WHERE stored_us < ?1)";
    if transaction.prepare_cached(exists)?.query_row([oldest], |row| row.get(0))? {
        transaction
            .prepare_cached(
                "DELETE FROM idempotency WHERE (org, workspace, owner, key) IN
                 (SELECT org, workspace, owner, key FROM idempotency WHERE stored_us < ?1 LIMIT ?2)",
            )?
            .execute([oldest, REMOVED_KEYS])?;
    }
    transaction
        .prepare_cached(
            // Not `INSERT OR REPLACE`, which removes the old row without its trigger.
            "INSERT INTO idempotency (org, workspace, owner, key, request, reply, stored_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO UPDATE SET request = excluded.request, reply = excluded.reply, stored_us = excluded.stored_us",
        )?
        .execute(params![
            tenant.org(),
            tenant.workspace(),
            tenant.user(),
            key,
            request.as_slice(),
            serde_json::to_string(result).unwrap_or_default(),
            now
        ])?;
    Ok(())
}

/// Removes the text of a memory that is deleted from the replies that are kept for idempotency keys.
// Only in its organisation: another one may have a memory with the same id.
pub(super) fn forget_replies(transaction: &Transaction<'_>, row: &Row) -> rusqlite::Result<()> {
    // An older release cannot read this result, runs the update again and finds no memory: the same reply.
    let deleted = serde_json::to_string(&StoredResult::Deleted).unwrap_or_default();
    transaction
        .prepare_cached(
            "UPDATE idempotency SET reply = ?1 WHERE json_extract(reply, '$.Updated.id') = ?2 AND org = (SELECT org FROM scope WHERE id = ?3)",
        )?
        .execute(params![deleted, read::id_text(&row.id), row.scope])?;
    Ok(())
}
