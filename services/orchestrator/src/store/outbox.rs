//! What was promised to peers and not yet taken by them. Bounded by count and by age, for each organisation and for all; the oldest goes
//! first. An execution promises a thing once, however often it is written.

use super::{Store, StoreError, now_us};
use mcp_contracts::Claims;
use rusqlite::{Connection, Row, Transaction, params};
use std::time::Duration;

/// Most that waits for one organisation.
pub const MAX_PER_ORGANISATION: u32 = 1_000;
/// Most that waits at all.
pub const MAX_WAITING: u32 = 10_000;
/// Oldest that is still delivered.
pub const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryKind {
    /// Memories to store.
    Remember,
    /// Use of a pattern to log.
    LogUsage,
}

impl DeliveryKind {
    /// The word in the table and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Remember => "remember",
            Self::LogUsage => "log_usage",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Remember, Self::LogUsage].into_iter().find(|kind| kind.name() == name)
    }
}

/// Something to deliver.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// What it is.
    pub kind: DeliveryKind,
    /// On whose behalf.
    pub claims: Claims,
    /// The execution that promised it.
    pub execution_id: String,
    /// Arguments of the peer's tool, as JSON.
    pub payload: String,
}

/// Something that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingDelivery {
    /// Its place.
    pub id: i64,
    /// How often its delivery failed.
    pub attempts: u32,
    /// What it is.
    pub delivery: Delivery,
}

/// Writes entries; answers what had to go for them.
pub(super) fn put(transaction: &Transaction<'_>, deliveries: &[Delivery]) -> rusqlite::Result<Vec<DeliveryKind>> {
    let mut gone = Vec::new();
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
        let over = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE org = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2) RETURNING kind";
        gone.extend(removed(transaction, over, params![delivery.claims.org_id, MAX_PER_ORGANISATION])?);
        let over =
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id DESC LIMIT -1 OFFSET ?1) RETURNING kind";
        gone.extend(removed(transaction, over, params![MAX_WAITING])?);
    }
    Ok(gone)
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

fn pending(row: &Row<'_>) -> rusqlite::Result<Option<PendingDelivery>> {
    let (kind, claims): (String, String) = (row.get(2)?, row.get(3)?);
    let (Some(kind), Ok(claims)) = (DeliveryKind::of(&kind), serde_json::from_str(&claims)) else { return Ok(None) };
    let delivery = Delivery { kind, claims, execution_id: row.get(4)?, payload: row.get(5)? };
    Ok(Some(PendingDelivery { id: row.get(0)?, attempts: row.get(1)?, delivery }))
}

impl Store {
    /// What is due, the longest waiting first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn due(&self, limit: u32) -> Result<Vec<PendingDelivery>, StoreError> {
        let read = move |connection: &Connection| {
            let text = "SELECT id, attempts, kind, claims, execution, payload FROM outbox WHERE due_us <= ?1 ORDER BY id LIMIT ?2";
            let mut statement = connection.prepare_cached(text)?;
            let rows = statement.query_map(params![now_us(), limit], pending)?;
            rows.filter_map(Result::transpose).collect()
        };
        self.database.read(read).await
    }

    /// How much waits, and how long until the first of it is due.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn depth(&self) -> Result<(u64, Option<Duration>), StoreError> {
        let read = |connection: &Connection| {
            let mut statement = connection.prepare_cached("SELECT count(*), min(due_us) FROM outbox")?;
            statement.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)))
        };
        let (count, first) = self.database.read(read).await?;
        let wait = first.map(|due| Duration::from_micros((due - now_us()).max(0).unsigned_abs()));
        Ok((count.unsigned_abs(), wait))
    }

    /// Takes an entry out: it was delivered, or never can be.
    ///
    /// # Errors
    /// It is still there.
    pub async fn remove(&self, id: i64) -> Result<(), StoreError> {
        self.database
            .write(move |transaction| transaction.execute("DELETE FROM outbox WHERE id = ?1", [id]).map(drop))
            .await
    }

    /// Puts an entry off.
    ///
    /// # Errors
    /// It is due as before.
    pub async fn postpone(&self, id: i64, pause: Duration) -> Result<(), StoreError> {
        let pause = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
        self.database
            .write(move |transaction| {
                let text = "UPDATE outbox SET due_us = ?2, attempts = attempts + 1 WHERE id = ?1";
                transaction.execute(text, params![id, now_us().saturating_add(pause)]).map(drop)
            })
            .await
    }

    /// Puts everything of an organisation off: a peer counts its calls and has had enough of them.
    ///
    /// # Errors
    /// It is due as before.
    pub async fn postpone_organisation(&self, org: String, pause: Duration) -> Result<(), StoreError> {
        let pause = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
        self.database
            .write(move |transaction| {
                let text = "UPDATE outbox SET due_us = max(due_us, ?2) WHERE org = ?1";
                transaction.execute(text, params![org, now_us().saturating_add(pause)]).map(drop)
            })
            .await
    }

    /// Lets go what is too old; answers what that was.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn delete_older_than(&self, age: Duration) -> Result<Vec<DeliveryKind>, StoreError> {
        let oldest = now_us().saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX));
        self.database
            .write(move |transaction| {
                removed(transaction, "DELETE FROM outbox WHERE stored_us < ?1 RETURNING kind", params![oldest])
            })
            .await
    }
}
