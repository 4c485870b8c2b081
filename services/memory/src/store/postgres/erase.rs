//! Erasure of a user or an organisation, for `mcp-memory erase`.

use super::change;
use super::identity::Caller;
use super::ledger::Ledger;
use super::read;
use crate::store::quota::ROW_BYTES;
use crate::tenant::Tenant;
use mcp_kit::Erase;
use mcp_kit::database::postgres::{PostgresTransaction, pipelined};
use mcp_kit::erase::ERASED_ROWS;
use tokio_postgres::Error;

/// Erases some rows and returns their number; 0 if none is left. A user's memories go, private and shared ones.
pub(super) async fn portion(transaction: &PostgresTransaction<'_>, erase: &Erase) -> Result<u64, Error> {
    let sql = "SELECT m.id, s.workspace, m.owner FROM memory m JOIN memory_scope s ON s.id = m.scope
        WHERE m.org = $1 AND ($2::text IS NULL OR m.owner = $2) LIMIT $3";
    let (org, user, limit) = (&erase.organisation, &erase.user, ERASED_ROWS as i64);
    let mut ledger = Ledger::lock(transaction, org).await?;
    let organisation = Caller::organisation(org);
    let results = pipelined(transaction, &[organisation.identity().set(), (sql, &[org, user, &limit])]).await?;
    for record in &results[1] {
        let id: uuid::Uuid = record.try_get(0)?;
        let owner = Tenant::for_erasure(org, record.try_get(1)?, record.try_get(2)?);
        if let Some(row) = read::owned_row(transaction, &owner, id).await? {
            change::remove(transaction, &mut ledger, &owner, &row).await?;
        }
    }
    let mut erased = results[1].len() as u64;
    // Others may keep replies on memories of the user, so the memories come first.
    if erased == 0 {
        erased = rest(transaction, &mut ledger, erase).await?;
    }
    ledger.write(transaction).await?;
    Ok(erased)
}

/// Erases keys with their kept replies, empty scopes, and the row of an organisation of which nothing is left.
async fn rest(transaction: &PostgresTransaction<'_>, ledger: &mut Ledger, erase: &Erase) -> Result<u64, Error> {
    let keys = "DELETE FROM memory_idempotency WHERE (org, workspace, owner, key) IN
        (SELECT org, workspace, owner, key FROM memory_idempotency WHERE org = $1 AND ($2::text IS NULL OR owner = $2) LIMIT $3)
        RETURNING octet_length(reply)";
    let scopes = "DELETE FROM memory_scope WHERE id IN (SELECT s.id FROM memory_scope s WHERE s.org = $1 AND ($2::text IS NULL OR s.owner = $2)
        AND NOT EXISTS (SELECT 1 FROM memory m WHERE m.org = $1 AND m.scope = s.id) LIMIT $3) RETURNING id";
    let organisation = "DELETE FROM memory_organisation o WHERE o.org = $1 AND $2::text IS NULL
        AND NOT EXISTS (SELECT 1 FROM memory_scope s WHERE s.org = $1) AND NOT EXISTS (SELECT 1 FROM memory_idempotency i WHERE i.org = $1)
        RETURNING org";
    let (org, user, limit) = (&erase.organisation, &erase.user, ERASED_ROWS as i64);
    let caller = Caller::organisation(org);
    let results = pipelined(
        transaction,
        &[
            caller.identity().set(),
            (keys, &[org, user, &limit]),
            (scopes, &[org, user, &limit]),
            (organisation, &[org, user]),
        ],
    )
    .await?;
    for record in &results[1] {
        ledger.bytes -= i64::from(record.try_get::<_, i32>(0)?) + ROW_BYTES as i64;
    }
    // Not the row of the organisation, which the lock of the next portion creates again.
    Ok(results[1..3].iter().map(|rows| rows.len() as u64).sum())
}
