//! The results of requests with an idempotency key, so that a repeated request returns the same reply.

use super::failure::Failure;
use super::identity::Caller;
use super::ledger::Ledger;
use crate::store::kept::StoredResult;
use crate::store::quota::ROW_BYTES;
use crate::store::{Idempotency, StoreError};
use crate::tenant::Tenant;
use mcp_kit::database::postgres::{PostgresTransaction, Values, pipelined};
use std::collections::HashMap;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

pub(super) const RECALL: &str = "SELECT key, request, reply FROM memory_idempotency
    WHERE org = $1 AND workspace = $2 AND owner = $3 AND key = ANY($4)";

/// A result that is kept for a key.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    request: Vec<u8>,
    reply: String,
    memory: Option<Uuid>,
}

impl Kept {
    pub(super) fn new(request: [u8; 32], result: &StoredResult, memory: Option<Uuid>) -> Self {
        Self { request: request.to_vec(), reply: serde_json::to_string(result).unwrap_or_default(), memory }
    }

    pub(super) fn bytes(&self) -> i64 {
        self.reply.len() as i64 + ROW_BYTES as i64
    }

    /// Returns the result. Fails if the earlier request with the key was another one.
    pub(super) fn recall(&self, key: &Idempotency) -> Result<Option<StoredResult>, StoreError> {
        if self.request != key.request {
            return Err(StoreError::IdempotencyConflict(key.key.clone()));
        }
        Ok(serde_json::from_str(&self.reply).ok())
    }
}

/// Returns the rows of [`RECALL`] by key.
pub(super) fn parse(records: &[Row]) -> Result<HashMap<Vec<u8>, Kept>, Error> {
    let kept = |record: &Row| {
        Ok((record.try_get(0)?, Kept { request: record.try_get(1)?, reply: record.try_get(2)?, memory: None }))
    };
    records.iter().map(kept).collect()
}

/// Sets the identity of the tenant, and returns what is kept for a key.
pub(super) async fn recall(
    transaction: &PostgresTransaction<'_>,
    tenant: &Tenant,
    key: &Idempotency,
) -> Result<Option<Kept>, Failure> {
    let keys = vec![key.key.as_bytes()];
    let caller = Caller::of(tenant);
    let values: Values<'_> = &[&tenant.org(), &tenant.workspace(), &tenant.user(), &keys];
    let results = pipelined(transaction, &[caller.identity().set(), (RECALL, values)]).await?;
    Ok(parse(&results[1])?.remove(key.key.as_bytes()))
}

/// Keeps results of the tenant, whose identity is set. The caller counts their bytes.
pub(super) async fn remember(
    transaction: &PostgresTransaction<'_>,
    tenant: &Tenant,
    results: &[(&[u8], &Kept)],
    now: i64,
) -> Result<(), Error> {
    if results.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO memory_idempotency (org, workspace, owner, key, request, reply, memory, stored_us)
        SELECT $1, $2, $3, u.*, $8 FROM unnest($4::bytea[], $5::bytea[], $6::text[], $7::uuid[]) u
        ON CONFLICT (org, workspace, owner, key)
        DO UPDATE SET request = excluded.request, reply = excluded.reply, memory = excluded.memory, stored_us = excluded.stored_us";
    let keys: Vec<&[u8]> = results.iter().map(|(key, _)| *key).collect();
    let requests: Vec<&[u8]> = results.iter().map(|(_, kept)| &*kept.request).collect();
    let replies: Vec<&str> = results.iter().map(|(_, kept)| &*kept.reply).collect();
    let memories: Vec<Option<Uuid>> = results.iter().map(|(_, kept)| kept.memory).collect();
    let (org, workspace, user) = (tenant.org(), tenant.workspace(), tenant.user());
    pipelined(transaction, &[(sql, &[&org, &workspace, &user, &keys, &requests, &replies, &memories, &now])]).await?;
    Ok(())
}

/// Removes the text of a memory that is deleted from the replies that are kept for the keys of all users of the organisation. Leaves its identity set.
pub(super) async fn forget_replies(
    transaction: &PostgresTransaction<'_>,
    ledger: &mut Ledger,
    memory: Uuid,
) -> Result<(), Error> {
    let sql = "WITH old AS (SELECT workspace, owner, key, octet_length(reply) AS bytes FROM memory_idempotency WHERE org = $1 AND memory = $2)
        UPDATE memory_idempotency i SET reply = $3, memory = NULL FROM old
        WHERE i.org = $1 AND i.workspace = old.workspace AND i.owner = old.owner AND i.key = old.key RETURNING old.bytes";
    let deleted = serde_json::to_string(&StoredResult::Deleted).unwrap_or_default();
    let org = ledger.org.clone();
    let caller = Caller::organisation(&org);
    let results = pipelined(transaction, &[caller.identity().set(), (sql, &[&org, &memory, &deleted])]).await?;
    for record in &results[1] {
        ledger.bytes += deleted.len() as i64 - i64::from(record.try_get::<_, i32>(0)?);
    }
    Ok(())
}
