//! The log of executions. Each SQL statement that reads returns only executions that its reader may see. An execution with an idempotency key is
//! written before it begins, so that a retry finds it even if the service crashed in between.

use super::outbox::{self, Delivery, DeliveryKind};
use super::{Owner, Store, StoreError, now_us};
use mcp_contracts::orchestrator::{AgentName, Execution, ExecutionSummary};
use mcp_kit::database::Turn;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction, params, params_from_iter};
use std::sync::Arc;
use std::time::Duration;

/// Executions that one write deletes.
const DELETED_TOGETHER: usize = 200;

#[derive(Debug, Clone)]
pub struct NewRun {
    pub owner: Owner,
    pub id: String,
    /// True if the run continues an earlier execution and must keep its id.
    pub resumed: bool,
    pub agent: AgentName,
    /// Idempotency key.
    pub key: Option<String>,
    pub request: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum BeginResult {
    /// The run begins, under this id.
    Fresh(String),
    /// The call is a retry; this is the execution of the first call.
    Repeated(Box<Execution>),
    Conflict,
    /// The execution that the call wants to continue has ended.
    Finished,
}

#[derive(Debug, Clone)]
pub struct FinishedRun {
    pub new_run: NewRun,
    pub execution: Arc<Execution>,
    /// False if a retry with the same key runs again.
    pub settled: bool,
    pub later: Vec<Delivery>,
}

#[derive(Debug, Clone)]
pub struct ExecutionQuery {
    pub reader: Owner,
    /// True if the reader may see all executions of the organisation.
    pub whole_organisation: bool,
    pub agent: Option<AgentName>,
    /// Only executions before this sequence number.
    pub before: Option<i64>,
    pub limit: usize,
}

/// An execution, and how its reader is related to it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadableExecution {
    pub execution: Execution,
    /// True if it is the reader's own one.
    pub own: bool,
    pub same_workspace: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub executions: Vec<ExecutionSummary>,
    /// Sequence number of the last execution of this page; `None` on the last page.
    pub next: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
pub struct Retention {
    pub per_organisation: u32,
    pub age: Duration,
    /// Maximum number of executions with an idempotency key that are kept for a user apart from `per_organisation`.
    pub keys_per_user: u32,
    /// Time for which a key finds its execution, within `keys_per_user`.
    pub key_age: Duration,
}

/// Executions that the reader may see. Parameters: 1 organisation, 2 workspace, 3 user, 4 true if the reader may see the whole organisation.
const VISIBLE: &str = "org = ?1 AND (?4 OR (workspace = ?2 AND user = ?3))";
const OWNED: &str = "org = ?1 AND workspace = ?2 AND user = ?3";

impl Store {
    /// Decides whether a run begins. A run with an idempotency key is on disk before it begins.
    pub async fn begin(&self, new_run: NewRun) -> Result<BeginResult, StoreError> {
        let org = new_run.owner.org.clone();
        // Without a key no retry can find the run, so nothing is written before it ends.
        if new_run.key.is_none() {
            return self.database.read_short_for(&org, move |connection| decide(connection, &new_run)).await;
        }
        self.database
            .write_for(Turn::of(&org), move |transaction| {
                let begun = decide(transaction, &new_run)?;
                if let BeginResult::Fresh(id) = &begun {
                    put(transaction, &new_run, id, false, None)?;
                }
                Ok(begun)
            })
            .await
    }

    /// Writes the run and its deferred deliveries in one transaction; returns the kinds of the deliveries that they displaced.
    pub async fn end(&self, finished: FinishedRun) -> Result<Vec<DeliveryKind>, StoreError> {
        let FinishedRun { new_run, execution, settled, later } = finished;
        let (org, id) = (new_run.owner.org.clone(), execution.execution_id.clone());
        // On the thread of the call, because the others wait for the only thread that writes.
        let texts = StoredTexts::of(&execution).map_err(|error| StoreError::Failed(error.to_string()))?;
        drop(execution);
        self.database
            .write_for(Turn::of(&org), move |transaction| {
                put(transaction, &new_run, &id, settled, Some(&texts))?;
                outbox::put(transaction, &later)
            })
            .await
    }

    /// Returns the execution, if `reader` may see it and it has ended.
    pub async fn execution(
        &self,
        reader: Owner,
        whole_organisation: bool,
        id: String,
    ) -> Result<Option<ReadableExecution>, StoreError> {
        // An id is unique only for its owner. The reader's own execution comes before one of another user.
        let text = format!(
            "SELECT body, workspace = ?2 AND user = ?3, workspace = ?2 FROM execution WHERE {VISIBLE} AND id = ?5 AND body IS NOT NULL
             ORDER BY workspace = ?2 AND user = ?3 DESC, sequence DESC LIMIT 1"
        );
        let org = reader.org.clone();
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(&text)?;
            let parameters = params![reader.org, reader.workspace, reader.user, whole_organisation, id];
            let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?));
            statement.query_row(parameters, row).optional()
        };
        Ok(self.database.read_for(&org, read).await?.and_then(|(body, own, same_workspace)| {
            let execution = serde_json::from_str(&body).ok()?;
            Some(ReadableExecution { execution, own, same_workspace })
        }))
    }

    pub async fn executions(&self, listing: ExecutionQuery) -> Result<Page, StoreError> {
        let org = listing.reader.org.clone();
        self.database.read_for(&org, move |connection| list(connection, &listing)).await
    }

    /// Deletes executions that are too old, and the oldest ones of an organisation that has too many. An execution with a recent idempotency key
    /// counts against a limit of its user instead: otherwise the runs of other users could delete it, and a retry would run again. Returns the
    /// number of deleted executions.
    pub async fn delete_old_executions(&self, retention: Retention) -> Result<usize, StoreError> {
        let before = |age: Duration| now_us().saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX));
        let (oldest, oldest_key) = (before(retention.age), before(retention.key_age));
        // Found by a reader and deleted in portions. In one write, workflows waited a second for it at 30,000 executions.
        let find = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "SELECT sequence FROM execution WHERE started_us < ?4
                 UNION
                 SELECT sequence FROM (
                     SELECT sequence, row_number() OVER (PARTITION BY org, owner ORDER BY sequence DESC) AS place, owner
                     FROM (SELECT sequence, org,
                         CASE WHEN key IS NOT NULL AND started_us >= ?3 THEN workspace || char(0) || user END AS owner
                         FROM execution)
                 ) WHERE place > CASE WHEN owner IS NULL THEN ?1 ELSE ?2 END",
            )?;
            let limits = params![retention.per_organisation, retention.keys_per_user, oldest_key, oldest];
            statement.query_map(limits, |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()
        };
        let mut deleted = 0;
        for portion in self.database.read(find).await?.chunks(DELETED_TOGETHER) {
            let portion = portion.to_vec();
            deleted += self
                .database
                .write(move |transaction| {
                    let mut delete = transaction.prepare_cached("DELETE FROM execution WHERE sequence = ?1")?;
                    portion.iter().map(|sequence| delete.execute([sequence])).sum::<rusqlite::Result<usize>>()
                })
                .await?;
        }
        Ok(deleted)
    }
}

struct StoredRun {
    id: String,
    request: String,
    settled: bool,
    body: Option<String>,
}

fn find_run(connection: &Connection, owner: &Owner, column: &str, value: &str) -> rusqlite::Result<Option<StoredRun>> {
    // `column` is always a constant of this file; text from a client is passed only as a parameter.
    let text = format!("SELECT id, request, settled, body FROM execution WHERE {OWNED} AND {column} = ?4");
    let read = |row: &rusqlite::Row<'_>| {
        Ok(StoredRun { id: row.get(0)?, request: row.get(1)?, settled: row.get(2)?, body: row.get(3)? })
    };
    connection.prepare_cached(&text)?.query_row(params![owner.org, owner.workspace, owner.user, value], read).optional()
}

fn decide(connection: &Connection, new_run: &NewRun) -> rusqlite::Result<BeginResult> {
    if let Some(key) = &new_run.key
        && let Some(earlier) = find_run(connection, &new_run.owner, "key", key)?
    {
        if earlier.request != new_run.request || (new_run.resumed && earlier.id != new_run.id) {
            return Ok(BeginResult::Conflict);
        }
        let body = earlier.body.filter(|_| earlier.settled).and_then(|body| serde_json::from_str(&body).ok());
        // An execution that is not settled runs again, under its first id.
        return Ok(body.map_or(BeginResult::Fresh(earlier.id), |execution| BeginResult::Repeated(Box::new(execution))));
    }
    match find_run(connection, &new_run.owner, "id", &new_run.id)? {
        None => Ok(BeginResult::Fresh(new_run.id.clone())),
        Some(earlier) if new_run.resumed && earlier.settled => Ok(BeginResult::Finished),
        Some(_) if new_run.resumed => Ok(BeginResult::Fresh(new_run.id.clone())),
        // Two executions never share an id, even if the client reuses its own.
        Some(_) => Ok(BeginResult::Fresh(uuid::Uuid::new_v4().to_string())),
    }
}

fn put(
    transaction: &Transaction<'_>,
    new_run: &NewRun,
    id: &str,
    settled: bool,
    texts: Option<&StoredTexts>,
) -> rusqlite::Result<()> {
    // `coalesce`: a call without the key must not erase the stored key, and the entry written before a run must not erase the stored result.
    let text =
        "INSERT INTO execution (org, workspace, user, id, agent, started_us, settled, key, request, summary, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (org, workspace, user, id) DO UPDATE SET
             settled = excluded.settled, key = coalesce(excluded.key, key), request = excluded.request,
             summary = coalesce(excluded.summary, summary), body = coalesce(excluded.body, body)";
    let (owner, agent) = (&new_run.owner, new_run.agent.name());
    transaction.prepare_cached(text)?.execute(params![
        owner.org,
        owner.workspace,
        owner.user,
        id,
        agent,
        now_us(),
        settled,
        new_run.key,
        new_run.request,
        texts.map(|texts| &texts.summary),
        texts.map(|texts| &texts.body),
    ])?;
    Ok(())
}

/// An execution as JSON.
struct StoredTexts {
    body: String,
    /// A column of its own, so that a page of a list reads no artefacts.
    summary: String,
}

impl StoredTexts {
    fn of(execution: &Execution) -> serde_json::Result<Self> {
        Ok(Self { body: serde_json::to_string(execution)?, summary: serde_json::to_string(&summary(execution))? })
    }
}

fn summary(execution: &Execution) -> ExecutionSummary {
    ExecutionSummary {
        execution_id: execution.execution_id.clone(),
        agent: execution.agent,
        action: execution.action,
        status: execution.status,
        reasons: execution.reasons.clone(),
        started_at: execution.started_at.clone(),
        duration_ms: execution.duration_ms,
    }
}

fn list(connection: &Connection, listing: &ExecutionQuery) -> rusqlite::Result<Page> {
    let reader = &listing.reader;
    let mut values: Vec<Value> =
        [&reader.org, &reader.workspace, &reader.user].map(|text| text.clone().into()).to_vec();
    values.push(i64::from(listing.whole_organisation).into());
    values.push(listing.before.unwrap_or(i64::MAX).into());
    // One more than the page, to find out if there is a next page.
    values.push(i64::try_from(listing.limit + 1).unwrap_or(i64::MAX).into());
    let mut text =
        format!("SELECT sequence, summary FROM execution WHERE {VISIBLE} AND sequence < ?5 AND summary IS NOT NULL");
    if let Some(agent) = listing.agent {
        text.push_str(" AND agent = ?7");
        values.push(agent.name().to_owned().into());
    }
    text.push_str(" ORDER BY sequence DESC LIMIT ?6");
    let mut statement = connection.prepare_cached(&text)?;
    let rows = statement.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    let rows: Vec<(i64, String)> = rows.collect::<rusqlite::Result<_>>()?;
    let more = rows.len() > listing.limit;
    let shown = &rows[..rows.len().min(listing.limit)];
    Ok(Page {
        executions: shown.iter().filter_map(|(_, summary)| serde_json::from_str(summary).ok()).collect(),
        next: shown.last().map(|(sequence, _)| *sequence).filter(|_| more),
    })
}
