//! What became of patterns, for each organisation apart: durable before it is acknowledged, and once for each execution.

use crate::score::{Histories, History};
use mcp_contracts::metric;
use mcp_contracts::patterns::UsageOutcome;
use mcp_kit::database::{Database, DatabaseError, OpenError};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// How long an execution's uses are known one by one, in microseconds (400 days); after that only their count is left.
const KEPT_US: i64 = 400 * 86_400 * 1_000_000;
/// Most old uses that one new one clears away.
const CLEARED: i64 = 16;

const MIGRATIONS: [&str; 1] = ["
CREATE TABLE usage (
    org TEXT NOT NULL,
    execution TEXT NOT NULL,
    pattern TEXT NOT NULL,
    outcome TEXT NOT NULL,
    note TEXT,
    user TEXT NOT NULL,
    logged_us INTEGER NOT NULL,
    PRIMARY KEY (org, execution, pattern)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_by_time ON usage (logged_us);
CREATE TABLE tally (
    org TEXT NOT NULL,
    pattern TEXT NOT NULL,
    uses INTEGER NOT NULL,
    good INTEGER NOT NULL,
    PRIMARY KEY (org, pattern)
) STRICT, WITHOUT ROWID;
CREATE TABLE total (one INTEGER PRIMARY KEY CHECK (one = 1), uses INTEGER NOT NULL, good INTEGER NOT NULL) STRICT;
INSERT INTO total VALUES (1, 0, 0);
"];

/// A use that somebody tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Organisation.
    pub org: String,
    /// User.
    pub user: String,
    /// Execution.
    pub execution: String,
    /// Pattern.
    pub pattern: String,
    /// What became of it.
    pub outcome: UsageOutcome,
    /// Why.
    pub note: Option<String>,
    /// When, in microseconds since the epoch.
    pub at_us: i64,
}

/// The log of uses. Clones share it.
#[derive(Clone)]
pub struct UsageLog {
    database: Database,
}

impl UsageLog {
    /// Opens the database.
    ///
    /// # Errors
    /// Tells what is wrong with it.
    pub fn open(url: &str) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(url, &MIGRATIONS)? })
    }

    /// Logs a use once: whether it is new, and the organisation's history of the pattern.
    ///
    /// # Errors
    /// Tells why nothing was logged.
    pub async fn log(&self, used: Use) -> Result<(bool, History), DatabaseError> {
        let outcome = outcome_name(used.outcome);
        let (new, history, total) = self.database.write(move |transaction| write(transaction, &used)).await?;
        if new {
            metrics::counter!(metric::PATTERN_USAGE_TOTAL, "outcome" => outcome).increment(1);
        }
        show(total);
        Ok((new, history))
    }

    /// What became of patterns in `org`.
    ///
    /// # Errors
    /// Tells why it cannot be read.
    pub async fn histories(&self, org: &str) -> Result<Histories, DatabaseError> {
        let org = org.to_owned();
        self.database.read(move |connection| histories(connection, &org)).await
    }

    /// Tells the metrics what was logged before this process began.
    ///
    /// # Errors
    /// Tells why it cannot be read.
    pub async fn announce(&self) -> Result<(), DatabaseError> {
        show(self.database.read(total).await?);
        Ok(())
    }

    /// Finishes what is queued and lets the file go.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

fn write(transaction: &Transaction<'_>, used: &Use) -> rusqlite::Result<(bool, History, History)> {
    let insert = "INSERT INTO usage (org, execution, pattern, outcome, note, user, logged_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                  ON CONFLICT DO NOTHING";
    let values =
        params![used.org, used.execution, used.pattern, outcome_name(used.outcome), used.note, used.user, used.at_us];
    let new = transaction.prepare_cached(insert)?.execute(values)? == 1;
    if new {
        let good = i64::from(used.outcome != UsageOutcome::Rejected);
        transaction
            .prepare_cached(
                "INSERT INTO tally VALUES (?1, ?2, 1, ?3) ON CONFLICT DO UPDATE SET uses = uses + 1, good = good + ?3",
            )?
            .execute(params![used.org, used.pattern, good])?;
        transaction.prepare_cached("UPDATE total SET uses = uses + 1, good = good + ?1")?.execute([good])?;
        let clear = "DELETE FROM usage WHERE (org, execution, pattern) IN
                     (SELECT org, execution, pattern FROM usage WHERE logged_us < ?1 ORDER BY logged_us LIMIT ?2)";
        transaction.prepare_cached(clear)?.execute(params![used.at_us.saturating_sub(KEPT_US), CLEARED])?;
    }
    let tally = "SELECT uses, good FROM tally WHERE org = ?1 AND pattern = ?2";
    let history = transaction.prepare_cached(tally)?.query_row(params![used.org, used.pattern], history).optional()?;
    Ok((new, history.unwrap_or_default(), total(transaction)?))
}

fn histories(connection: &Connection, org: &str) -> rusqlite::Result<Histories> {
    let mut statement = connection.prepare_cached("SELECT uses, good, pattern FROM tally WHERE org = ?1")?;
    let rows = statement.query_map([org], |row| Ok((row.get(2)?, history(row)?)))?;
    rows.collect()
}

fn total(connection: &Connection) -> rusqlite::Result<History> {
    connection.prepare_cached("SELECT uses, good FROM total")?.query_row([], history)
}

fn history(row: &rusqlite::Row<'_>) -> rusqlite::Result<History> {
    let number = |at| row.get::<_, i64>(at).map(i64::unsigned_abs);
    Ok(History { uses: number(0)?, good: number(1)? })
}

/// The share of all uses that were good; not told before there is one.
fn show(total: History) {
    if total.uses > 0 {
        metrics::gauge!(metric::PATTERN_ACCEPTANCE_RATIO).set(total.good as f64 / total.uses as f64);
    }
}

const fn outcome_name(outcome: UsageOutcome) -> &'static str {
    match outcome {
        UsageOutcome::Accepted => "accepted",
        UsageOutcome::Modified => "modified",
        UsageOutcome::Rejected => "rejected",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(org: &str, execution: &str, outcome: UsageOutcome, at_us: i64) -> Use {
        let text = str::to_owned;
        Use {
            org: text(org),
            user: text("ann"),
            execution: text(execution),
            pattern: text("p"),
            outcome,
            note: None,
            at_us,
        }
    }

    #[tokio::test]
    async fn a_use_counts_once_for_its_execution_and_for_its_organisation_alone() {
        let folder = tempfile::tempdir().unwrap();
        let log = UsageLog::open(&format!("sqlite://{}/p.db", folder.path().display())).unwrap();
        let history = |uses, good| History { uses, good };
        assert_eq!(log.log(used("acme", "e1", UsageOutcome::Accepted, 1)).await, Ok((true, history(1, 1))));
        // The first word stands, whatever is said later.
        assert_eq!(log.log(used("acme", "e1", UsageOutcome::Rejected, 2)).await, Ok((false, history(1, 1))));
        assert_eq!(log.log(used("acme", "e2", UsageOutcome::Rejected, 3)).await, Ok((true, history(2, 1))));
        assert_eq!(log.log(used("acme", "e3", UsageOutcome::Modified, 4)).await, Ok((true, history(3, 2))));
        assert_eq!(log.log(used("zeta", "e1", UsageOutcome::Accepted, 5)).await, Ok((true, history(1, 1))));
        assert_eq!(log.histories("acme").await.unwrap(), Histories::from([("p".to_owned(), history(3, 2))]));
        assert!(log.histories("nobody").await.unwrap().is_empty());
        log.close().await;
        assert_eq!(log.log(used("acme", "e4", UsageOutcome::Accepted, 6)).await, Err(DatabaseError::Closed));
    }

    #[tokio::test]
    async fn uses_of_long_ago_are_cleared_away_and_their_count_stays() {
        let folder = tempfile::tempdir().unwrap();
        let log = UsageLog::open(&format!("sqlite://{}/p.db", folder.path().display())).unwrap();
        for execution in ["old 1", "old 2"] {
            log.log(used("acme", execution, UsageOutcome::Accepted, 1)).await.unwrap();
        }
        let (_, history) = log.log(used("acme", "today", UsageOutcome::Accepted, KEPT_US + 2)).await.unwrap();
        assert_eq!(history.uses, 3);
        let left = |connection: &Connection| {
            connection.query_row("SELECT count(*) FROM usage", [], |row| row.get::<_, i64>(0))
        };
        assert_eq!(log.database.read(left).await, Ok(1));
    }
}
