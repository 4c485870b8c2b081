//! The log of pattern uses, by organisation. An entry is on disk before the reply is sent. A pattern counts once for each execution, even if its use
//! is logged several times.

use crate::score::{Histories, History};
use mcp_contracts::metric;
use mcp_contracts::patterns::UsageOutcome;
use mcp_kit::database::{Database, DatabaseError, OpenError, Schema, Turn};
use mcp_kit::{Erase, Readiness, Settings};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// Time for which entries are kept, in microseconds (400 days). After it, only the counts remain.
const KEPT_US: i64 = 400 * 86_400 * 1_000_000;
/// Maximum number of old entries that a new one deletes.
// More than one, so that old entries disappear faster than new ones are added; few, so that no write takes long.
const CLEARED: i64 = 16;

// `tally` and `total` keep the counts, because entries are deleted after `KEPT_US`. A search reads only `tally`.
// `total` has one row, so that the metric of all organisations does not need a sum over all of them for every use.
// `counted` is 0 for a use that changed no recommendation, because the token that logged it does not have the scope `patterns.rank`.
const MIGRATIONS: [&str; 2] = [
    "
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
",
    "ALTER TABLE usage ADD COLUMN counted INTEGER NOT NULL DEFAULT 1;",
];

/// Statements that `erase` repeats until they delete nothing. The counts in `tally` name no user, so they stay if one user is erased.
const ERASURE: [&str; 2] = [
    "DELETE FROM usage WHERE (org, execution, pattern) IN
     (SELECT org, execution, pattern FROM usage WHERE org = ?1 AND (?2 IS NULL OR user = ?2) LIMIT ?3)",
    "DELETE FROM tally WHERE ?2 IS NULL AND (org, pattern) IN (SELECT org, pattern FROM tally WHERE org = ?1 LIMIT ?3)",
];

/// Erases the uses that an organisation, or one user of it, has logged.
pub(crate) fn erase(erase: &Erase, settings: &Settings) -> Result<(), String> {
    let portion = |transaction: &Transaction<'_>, erase: &Erase| erase.delete(transaction, &ERASURE);
    erase.run(settings, &Schema::new(&MIGRATIONS), portion)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternUse {
    pub org: String,
    pub user: String,
    pub execution: String,
    pub pattern: String,
    pub outcome: UsageOutcome,
    pub note: Option<String>,
    /// True if the use may change recommendations.
    pub counts: bool,
    /// Time in microseconds since the epoch.
    pub at_us: i64,
}

/// The log of uses. Clones share it.
#[derive(Clone)]
pub struct UsageLog {
    database: Database,
}

impl UsageLog {
    /// # Errors
    /// Fails if the database cannot be opened.
    pub fn open(url: &str) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(url, &MIGRATIONS)? })
    }

    /// Shows the state of the database in `/readyz`.
    pub fn watch(&self, readiness: &Readiness) {
        self.database.watch(readiness);
    }

    /// Logs a use. Returns the organisation's history of the pattern, and true if the use was recorded. It is false if the use changed nothing,
    /// because its execution had logged the pattern before.
    ///
    /// # Errors
    /// Fails if the use cannot be logged.
    pub async fn log(&self, used: PatternUse) -> Result<(bool, History), DatabaseError> {
        let (org, outcome) = (used.org.clone(), outcome_name(used.outcome));
        let work = move |transaction: &Transaction<'_>| write(transaction, &used);
        let Written { recorded, is_first, history, total } = self.database.write_for(Turn::of(&org), work).await?;
        if is_first {
            metrics::counter!(metric::PATTERN_USAGE_TOTAL, "outcome" => outcome).increment(1);
        }
        publish_ratio(total);
        Ok((recorded, history))
    }

    /// Returns the histories of all patterns in `org`.
    ///
    /// # Errors
    /// Fails if the database cannot be read.
    pub async fn histories(&self, org: &str) -> Result<Histories, DatabaseError> {
        let of = org.to_owned();
        self.database.read_short_for(org, move |connection| histories(connection, &of)).await
    }

    /// Publishes the acceptance ratio of the uses that were logged before this process started.
    ///
    /// # Errors
    /// Fails if the database cannot be read.
    pub async fn publish_metrics(&self) -> Result<(), DatabaseError> {
        publish_ratio(self.database.read(total).await?);
        Ok(())
    }

    /// Finishes queued writes and closes the file.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

/// What the write of a use did.
#[derive(Debug, PartialEq)]
struct Written {
    /// True if the use was recorded.
    recorded: bool,
    /// True if the execution had not logged the pattern before, so that the use is one more.
    is_first: bool,
    /// The organisation's history of the pattern.
    history: History,
    /// The history of all patterns and organisations.
    total: History,
}

fn write(transaction: &Transaction<'_>, used: &PatternUse) -> rusqlite::Result<Written> {
    // Asked before, because a use that replaces another one changes one row as well.
    let exists = "SELECT EXISTS (SELECT 1 FROM usage WHERE org = ?1 AND execution = ?2 AND pattern = ?3)";
    let key = params![used.org, used.execution, used.pattern];
    let is_first = !transaction.prepare_cached(exists)?.query_row(key, |row| row.get::<_, bool>(0))?;
    // A use that counts replaces one that does not. Otherwise a client could log a use first and so block the entry of the orchestrator.
    let insert = "INSERT INTO usage (org, execution, pattern, outcome, note, user, logged_us, counted)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                  ON CONFLICT DO UPDATE SET outcome = ?4, note = ?5, user = ?6, logged_us = ?7, counted = 1
                  WHERE ?8 AND NOT counted";
    let outcome = outcome_name(used.outcome);
    let values =
        params![used.org, used.execution, used.pattern, outcome, used.note, used.user, used.at_us, used.counts];
    // 0 rows: this execution has logged the pattern before, so the counts below must not change.
    let recorded = transaction.prepare_cached(insert)?.execute(values)? == 1;
    if recorded {
        let clear = "DELETE FROM usage WHERE (org, execution, pattern) IN
                     (SELECT org, execution, pattern FROM usage WHERE logged_us < ?1 ORDER BY logged_us LIMIT ?2)";
        transaction.prepare_cached(clear)?.execute(params![used.at_us.saturating_sub(KEPT_US), CLEARED])?;
    }
    if recorded && used.counts {
        let good = i64::from(used.outcome != UsageOutcome::Rejected);
        transaction
            .prepare_cached(
                "INSERT INTO tally VALUES (?1, ?2, 1, ?3) ON CONFLICT DO UPDATE SET uses = uses + 1, good = good + ?3",
            )?
            .execute(params![used.org, used.pattern, good])?;
        transaction.prepare_cached("UPDATE total SET uses = uses + 1, good = good + ?1")?.execute([good])?;
    }
    let tally = "SELECT uses, good FROM tally WHERE org = ?1 AND pattern = ?2";
    let history = transaction.prepare_cached(tally)?.query_row(params![used.org, used.pattern], history).optional()?;
    Ok(Written { recorded, is_first, history: history.unwrap_or_default(), total: total(transaction)? })
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

/// Publishes the share of good uses. Publishes nothing before the first use, because 0 would look as if all uses were rejected.
fn publish_ratio(total: History) {
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

    fn used(org: &str, execution: &str, outcome: UsageOutcome, at_us: i64) -> PatternUse {
        let text = str::to_owned;
        PatternUse {
            org: text(org),
            user: text("ann"),
            execution: text(execution),
            pattern: text("p"),
            outcome,
            note: None,
            counts: true,
            at_us,
        }
    }

    #[tokio::test]
    async fn a_use_counts_once_per_execution_and_only_for_its_organisation() {
        let folder = tempfile::tempdir().unwrap();
        let log = UsageLog::open(&format!("sqlite://{}/p.db", folder.path().display())).unwrap();
        let history = |uses, good| History { uses, good };
        assert_eq!(log.log(used("acme", "e1", UsageOutcome::Accepted, 1)).await, Ok((true, history(1, 1))));
        // The first outcome of an execution counts.
        assert_eq!(log.log(used("acme", "e1", UsageOutcome::Rejected, 2)).await, Ok((false, history(1, 1))));
        assert_eq!(log.log(used("acme", "e2", UsageOutcome::Rejected, 3)).await, Ok((true, history(2, 1))));
        assert_eq!(log.log(used("acme", "e3", UsageOutcome::Modified, 4)).await, Ok((true, history(3, 2))));
        assert_eq!(log.log(used("zeta", "e1", UsageOutcome::Accepted, 5)).await, Ok((true, history(1, 1))));
        assert_eq!(log.histories("acme").await.unwrap(), Histories::from([("p".to_owned(), history(3, 2))]));
        assert!(log.histories("unknown").await.unwrap().is_empty());
        log.close().await;
        assert_eq!(log.log(used("acme", "e4", UsageOutcome::Accepted, 6)).await, Err(DatabaseError::Closed));
    }

    #[tokio::test]
    async fn a_use_that_does_not_count_changes_nothing_and_takes_no_place() {
        let folder = tempfile::tempdir().unwrap();
        let log = UsageLog::open(&format!("sqlite://{}/p.db", folder.path().display())).unwrap();
        let history = |uses, good| History { uses, good };
        let uncounted = |at_us| PatternUse { counts: false, ..used("acme", "e1", UsageOutcome::Rejected, at_us) };
        assert_eq!(log.log(uncounted(1)).await, Ok((true, history(0, 0))));
        assert_eq!(log.log(uncounted(2)).await, Ok((false, history(0, 0))), "repeated");
        assert_eq!(log.log(used("acme", "e1", UsageOutcome::Accepted, 3)).await, Ok((true, history(1, 1))));
        assert_eq!(log.log(uncounted(4)).await, Ok((false, history(1, 1))));
        assert_eq!(log.log(used("acme", "e1", UsageOutcome::Rejected, 5)).await, Ok((false, history(1, 1))));
        log.close().await;
    }

    #[tokio::test]
    async fn a_use_that_replaces_another_is_no_further_one() {
        let folder = tempfile::tempdir().unwrap();
        let log = UsageLog::open(&format!("sqlite://{}/p.db", folder.path().display())).unwrap();
        let mut first = Vec::new();
        for counts in [false, true, true] {
            let used = PatternUse { counts, ..used("acme", "e1", UsageOutcome::Accepted, 1) };
            let written = log.database.write(move |transaction| write(transaction, &used)).await.unwrap();
            first.push((written.recorded, written.is_first));
        }
        assert_eq!(first, [(true, true), (true, false), (false, false)]);
        log.close().await;
    }

    #[tokio::test]
    async fn one_organisation_leaves_places_in_the_queue_to_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.db");
        let log = UsageLog::open(&format!("sqlite://{}", file.display())).unwrap();
        // While another connection has the lock, all writes wait.
        let other = Connection::open(&file).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let uses = (0..4_000).map(|number| used("greedy", &number.to_string(), UsageOutcome::Accepted, 1));
        let greedy = futures::future::join_all(uses.map(|used| log.log(used)));
        let calm = log.log(used("calm", "e", UsageOutcome::Accepted, 1));
        let release = async { other.execute_batch("ROLLBACK").unwrap() };
        // Unconstrained, so that each write is in the queue before the lock is released.
        let all = tokio::task::unconstrained(async { tokio::join!(greedy, calm, release) });
        let (greedy, calm, ()) = all.await;
        assert!(greedy.contains(&Err(DatabaseError::Overloaded)));
        assert!(calm.is_ok(), "{calm:?}");
    }

    #[tokio::test]
    async fn old_uses_are_deleted_and_their_count_stays() {
        let folder = tempfile::tempdir().unwrap();
        let log = UsageLog::open(&format!("sqlite://{}/p.db", folder.path().display())).unwrap();
        for execution in ["old 1", "old 2"] {
            log.log(used("acme", execution, UsageOutcome::Accepted, 1)).await.unwrap();
        }
        let (_, history) = log.log(used("acme", "today", UsageOutcome::Accepted, KEPT_US + 2)).await.unwrap();
        assert_eq!(history.uses, 3);
        let remaining = |connection: &Connection| {
            connection.query_row("SELECT count(*) FROM usage", [], |row| row.get::<_, i64>(0))
        };
        assert_eq!(log.database.read(remaining).await, Ok(1));
    }
}
