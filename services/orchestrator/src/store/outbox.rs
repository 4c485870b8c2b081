//! Deliveries that a peer has not accepted yet. Their number is limited for each organisation and in total, and so is their age; beyond a limit the
//! oldest are deleted. An execution has at most one delivery of a kind, however often it is written.

use super::{Store, StoreError, now_us};
use mcp_contracts::Claims;
use mcp_kit::database::Turn;
use rusqlite::{Connection, Row, Transaction, params};
use std::time::Duration;

/// Maximum number of deliveries of one organisation, so that it cannot displace those of the others.
pub const MAX_PER_ORGANISATION: u32 = 1_000;
pub const MAX_WAITING: u32 = 10_000;
pub const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3_600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryKind {
    Remember,
    LogUsage,
}

impl DeliveryKind {
    pub const ALL: [Self; 2] = [Self::Remember, Self::LogUsage];

    /// Returns the name in the table and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Remember => "remember",
            Self::LogUsage => "log_usage",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub kind: DeliveryKind,
    pub claims: Claims,
    pub execution_id: String,
    /// Arguments of the peer's tool, as JSON.
    pub payload: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PendingDelivery {
    pub id: i64,
    /// Number of failed deliveries.
    pub attempts: u32,
    /// `None` if this release cannot read the entry.
    pub delivery: Option<Delivery>,
}

/// Writes deliveries; returns the kinds of the older ones that had to make room.
pub(super) fn put(transaction: &Transaction<'_>, deliveries: &[Delivery]) -> rusqlite::Result<Vec<DeliveryKind>> {
    let mut displaced = Vec::new();
    for delivery in deliveries {
        let claims = serde_json::to_string(&delivery.claims)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let now = now_us();
        transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO outbox (org, workspace, user, kind, execution, claims, payload, stored_us, due_us, attempts)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 0)",
            )?
            .execute(params![
                delivery.claims.org_id,
                delivery.claims.workspace_slug,
                delivery.claims.sub,
                delivery.kind.name(),
                delivery.execution_id,
                claims,
                delivery.payload,
                now
            ])?;
        // `LIMIT -1` is no limit: SQLite has no `OFFSET` without `LIMIT`.
        let over = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE org = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2) RETURNING kind";
        displaced.extend(removed(transaction, over, params![delivery.claims.org_id, MAX_PER_ORGANISATION])?);
        let over =
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id DESC LIMIT -1 OFFSET ?1) RETURNING kind";
        displaced.extend(removed(transaction, over, params![MAX_WAITING])?);
    }
    Ok(displaced)
}

fn removed(
    transaction: &Transaction<'_>,
    text: &str,
    values: impl rusqlite::Params,
) -> rusqlite::Result<Vec<DeliveryKind>> {
    let mut statement = transaction.prepare_cached(text)?;
    let kinds = statement.query_map(values, |row| row.get::<_, String>(0))?;
    kinds.map(|kind| Ok(DeliveryKind::of(&kind?))).filter_map(Result::transpose).collect()
}

fn pending(kind: DeliveryKind, row: &Row<'_>) -> rusqlite::Result<PendingDelivery> {
    let (execution_id, payload) = (row.get(3)?, row.get(4)?);
    let claims = serde_json::from_str(&row.get::<_, String>(2)?).ok();
    let delivery = claims.map(|claims| Delivery { kind, claims, execution_id, payload });
    Ok(PendingDelivery { id: row.get(0)?, attempts: row.get(1)?, delivery })
}

impl Store {
    /// Returns the deliveries of a kind that are due, the oldest first.
    pub async fn due(&self, kind: DeliveryKind, limit: u32) -> Result<Vec<PendingDelivery>, StoreError> {
        let read = move |connection: &Connection| {
            let text = "SELECT id, attempts, claims, execution, payload FROM outbox WHERE kind = ?1 AND due_us <= ?2 ORDER BY id LIMIT ?3";
            let mut statement = connection.prepare_cached(text)?;
            let rows = statement.query_map(params![kind.name(), now_us(), limit], |row| pending(kind, row))?;
            rows.collect()
        };
        self.database.read(read).await
    }

    /// Returns the number of deliveries of all kinds, and the time until the next one of a kind is due.
    pub async fn depth(&self, kind: DeliveryKind) -> Result<(u64, Option<Duration>), StoreError> {
        let read = move |connection: &Connection| {
            let text = "SELECT count(*), min(CASE kind WHEN ?1 THEN due_us END) FROM outbox";
            let mut statement = connection.prepare_cached(text)?;
            statement.query_row([kind.name()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)))
        };
        let (count, first) = self.database.read(read).await?;
        let wait = first.map(|due| Duration::from_micros((due - now_us()).max(0).unsigned_abs()));
        Ok((count.unsigned_abs(), wait))
    }

    pub async fn remove(&self, id: i64) -> Result<(), StoreError> {
        // On a full disk as well: what is delivered and stays would be delivered again.
        let turn = Turn { frees: true, ..Turn::default() };
        self.database
            .write_for(turn, move |transaction| transaction.execute("DELETE FROM outbox WHERE id = ?1", [id]).map(drop))
            .await
    }

    pub async fn postpone(&self, id: i64, pause: Duration) -> Result<(), StoreError> {
        let pause = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
        self.database
            .write(move |transaction| {
                let text = "UPDATE outbox SET due_us = ?2, attempts = attempts + 1 WHERE id = ?1";
                transaction.execute(text, params![id, now_us().saturating_add(pause)]).map(drop)
            })
            .await
    }

    /// Postpones all deliveries of an organisation to one peer, because the peer counts its calls and refuses more.
    pub async fn postpone_organisation(
        &self,
        kind: DeliveryKind,
        org: String,
        pause: Duration,
    ) -> Result<(), StoreError> {
        let pause = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
        self.database
            .write(move |transaction| {
                // A longer pause of an entry stays, and no attempt is counted: a used-up quota says nothing about the deliveries.
                let text = "UPDATE outbox SET due_us = max(due_us, ?2) WHERE org = ?1 AND kind = ?3";
                transaction.execute(text, params![org, now_us().saturating_add(pause), kind.name()]).map(drop)
            })
            .await
    }

    /// Deletes deliveries that are too old; returns their kinds.
    pub async fn delete_older_than(&self, age: Duration) -> Result<Vec<DeliveryKind>, StoreError> {
        let oldest = now_us().saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX));
        self.database
            .write(move |transaction| {
                removed(transaction, "DELETE FROM outbox WHERE stored_us < ?1 RETURNING kind", params![oldest])
            })
            .await
    }
}
