//! The row of an organisation, which each of its writes locks first. The writes of an organisation therefore run one after the other, in all instances.

use super::identity::Caller;
use crate::store::kept::KEY_LIFETIME_US;
use crate::store::quota::ROW_BYTES;
use crate::time::now_us;
use mcp_kit::database::postgres::{PostgresTransaction, pipelined};
use tokio_postgres::Error;

/// Maximum number of expired keys, and of forgotten texts, that one group of writes removes.
// More than one, so that the tables shrink; few, so that no write takes long.
const REMOVED: i64 = 64;
/// Minimum time for which the terms of an earlier text are kept, so that a search that began before the change can go on: one hour.
const EARLIER_US: i64 = 3_600_000_000;

/// What an organisation has given out and stored.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    pub(super) org: String,
    /// Stored bytes.
    pub(super) bytes: i64,
    /// Number of the newest memory.
    pub(super) newest: i64,
    /// Number of the last change of a text.
    pub(super) changes: i64,
    /// Bytes, memory and change as they are in the row.
    written: (i64, i64, i64),
    /// Time of the writes. It is taken under the lock, so that creation times have the order of the numbers.
    pub(super) now: i64,
}

impl Ledger {
    /// Locks the organisation, and removes what has expired in it.
    pub(super) async fn lock(transaction: &PostgresTransaction<'_>, org: &str) -> Result<Self, Error> {
        let sql = "SELECT o.bytes, o.newest, o.changes,
            EXISTS (SELECT 1 FROM memory_idempotency i WHERE i.org = $1 AND i.stored_us < $2),
            EXISTS (SELECT 1 FROM memory_earlier e WHERE e.org = $1 AND e.stored_us < $3)
            FROM memory_organisation o WHERE o.org = $1 FOR UPDATE OF o";
        let new = "INSERT INTO memory_organisation (org) VALUES ($1) ON CONFLICT DO NOTHING";
        let caller = Caller::organisation(org);
        let (key_time, earlier_time) = (now_us() - KEY_LIFETIME_US, now_us() - EARLIER_US);
        let mut results =
            pipelined(transaction, &[caller.identity().set(), (sql, &[&org, &key_time, &earlier_time])]).await?;
        if results[1].is_empty() {
            results = pipelined(transaction, &[(new, &[&org]), (sql, &[&org, &key_time, &earlier_time])]).await?;
        }
        let record = &results[1][0];
        let written = (record.try_get(0)?, record.try_get(1)?, record.try_get(2)?);
        let (bytes, newest, changes) = written;
        let mut ledger = Self { org: org.to_owned(), bytes, newest, changes, written, now: now_us() };
        if record.try_get(3)? {
            ledger.remove_keys(transaction, key_time).await?;
        }
        if record.try_get(4)? {
            forget_earlier(transaction, org, earlier_time).await?;
        }
        Ok(ledger)
    }

    async fn remove_keys(&mut self, transaction: &PostgresTransaction<'_>, before: i64) -> Result<(), Error> {
        let sql = "DELETE FROM memory_idempotency WHERE (org, workspace, owner, key) IN
            (SELECT org, workspace, owner, key FROM memory_idempotency WHERE org = $1 AND stored_us < $2 LIMIT $3)
            RETURNING octet_length(reply)";
        let results = pipelined(transaction, &[(sql, &[&self.org, &before, &REMOVED])]).await?;
        for record in &results[0] {
            self.bytes -= i64::from(record.try_get::<_, i32>(0)?) + ROW_BYTES as i64;
        }
        Ok(())
    }

    /// Returns the stored bytes as the quota counts them.
    pub(super) fn used(&self) -> u64 {
        self.bytes.max(0).unsigned_abs()
    }

    /// Writes the row back if it has changed. Under any identity of the organisation.
    pub(super) async fn write(&self, transaction: &PostgresTransaction<'_>) -> Result<(), Error> {
        if self.written == (self.bytes, self.newest, self.changes) {
            return Ok(());
        }
        let sql = "UPDATE memory_organisation SET bytes = $2, newest = $3, changes = $4 WHERE org = $1";
        pipelined(transaction, &[(sql, &[&self.org, &self.bytes, &self.newest, &self.changes])]).await?;
        Ok(())
    }
}

/// Removes some earlier texts that are too old. A search that needs them has expired then.
async fn forget_earlier(transaction: &PostgresTransaction<'_>, org: &str, before: i64) -> Result<(), Error> {
    let sql = "WITH gone AS (DELETE FROM memory_earlier WHERE org = $1 AND id IN
            (SELECT id FROM memory_earlier WHERE org = $1 AND stored_us < $2 ORDER BY id LIMIT $3) RETURNING id, scope)
        UPDATE memory_scope s SET forgotten = greatest(s.forgotten, g.id)
        FROM (SELECT scope, max(id) AS id FROM gone GROUP BY scope) g WHERE s.id = g.scope AND s.org = $1";
    pipelined(transaction, &[(sql, &[&org, &before, &REMOVED])]).await?;
    Ok(())
}
