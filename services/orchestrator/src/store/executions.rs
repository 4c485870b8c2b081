//! The log of executions. Every read is confined to its reader inside the statement. An execution that came with an idempotency key is
//! written down before it begins, so that a repetition finds it whatever happened in between.

use super::outbox::{self, Delivery, DeliveryKind};
use super::{Owner, Store, StoreError, now_us};
use mcp_contracts::orchestrator::{AgentName, Execution, ExecutionSummary};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction, params, params_from_iter};
use std::time::Duration;

/// A run that wants to begin.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Whose it is.
    pub owner: Owner,
    /// The id it would have.
    pub id: String,
    /// True where it goes on with an earlier execution and can have no other id.
    pub resumed: bool,
    /// The agent.
    pub agent: AgentName,
    /// What makes a repetition known.
    pub key: Option<String>,
    /// Digest of the request.
    pub request: String,
}

/// Whether it begins.
#[derive(Debug, Clone, PartialEq)]
pub enum BeginResult {
    /// It does, under this id.
    Fresh(String),
    /// It is a repetition; this was the answer.
    Repeated(Box<Execution>),
    /// The key belongs to another request.
    Conflict,
    /// The execution that it would go on with has ended.
    Finished,
}

/// A run that has ended.
#[derive(Debug, Clone)]
pub struct FinishedRun {
    /// What wanted to begin.
    pub new_run: NewRun,
    /// What is answered.
    pub execution: Execution,
    /// False where a repetition with the same key shall run again.
    pub settled: bool,
    /// What is to be delivered later.
    pub later: Vec<Delivery>,
}

/// Which executions a list is about.
#[derive(Debug, Clone)]
pub struct ExecutionQuery {
    /// Who asks.
    pub reader: Owner,
    /// True where the reader may see the whole organisation.
    pub whole_organisation: bool,
    /// Only this agent.
    pub agent: Option<AgentName>,
    /// Only those older than this place.
    pub before: Option<i64>,
    /// Most to answer.
    pub limit: usize,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Newest first.
    pub executions: Vec<ExecutionSummary>,
    /// Place of the last one where there are more.
    pub next: Option<i64>,
}

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Most executions of one organisation.
    pub per_organisation: u32,
    /// Oldest that is kept.
    pub age: Duration,
}

/// The reader as parameters 1 to 4.
const VISIBLE: &str = "org = ?1 AND (?4 OR (workspace = ?2 AND user = ?3))";
const OWNED: &str = "org = ?1 AND workspace = ?2 AND user = ?3";

impl Store {
    /// Decides whether a run begins. With a key it is on the disk before it does.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn begin(&self, new_run: NewRun) -> Result<BeginResult, StoreError> {
        if new_run.key.is_none() {
            return self.database.read(move |connection| decide(connection, &new_run)).await;
        }
        self.database
            .write(move |transaction| {
                let begun = decide(transaction, &new_run)?;
                if let BeginResult::Fresh(id) = &begun {
                    put(transaction, &new_run, id, false, None)?;
                }
                Ok(begun)
            })
            .await
    }

    /// Writes down how a run ended, and what of it is to be delivered later, in one step; answers what the outbox had to let go.
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn end(&self, finished: FinishedRun) -> Result<Vec<DeliveryKind>, StoreError> {
        self.database
            .write(move |transaction| {
                let id = &finished.execution.execution_id;
                put(transaction, &finished.new_run, id, finished.settled, Some(&finished.execution))?;
                outbox::put(transaction, &finished.later)
            })
            .await
    }

    /// The execution with this id, if `reader` may see it and it has ended.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn execution(
        &self,
        reader: Owner,
        whole_organisation: bool,
        id: String,
    ) -> Result<Option<Execution>, StoreError> {
        let text = format!(
            "SELECT body FROM execution WHERE {VISIBLE} AND id = ?5 AND body IS NOT NULL
             ORDER BY workspace = ?2 AND user = ?3 DESC, sequence DESC LIMIT 1"
        );
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(&text)?;
            let parameters = params![reader.org, reader.workspace, reader.user, whole_organisation, id];
            statement.query_row(parameters, |row| row.get::<_, String>(0)).optional()
        };
        Ok(self.database.read(read).await?.and_then(|body| serde_json::from_str(&body).ok()))
    }

    /// A page of executions.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn executions(&self, listing: ExecutionQuery) -> Result<Page, StoreError> {
        self.database.read(move |connection| list(connection, &listing)).await
    }

    /// Lets go what is past its time or beyond what is kept; answers how many executions that were.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn delete_old_executions(&self, retention: Retention) -> Result<usize, StoreError> {
        let oldest = now_us().saturating_sub(i64::try_from(retention.age.as_micros()).unwrap_or(i64::MAX));
        self.database
            .write(move |transaction| {
                let old = transaction.execute("DELETE FROM execution WHERE started_us < ?1", [oldest])?;
                let beyond = transaction.execute(
                    "DELETE FROM execution WHERE sequence IN (
                         SELECT sequence FROM (
                             SELECT sequence, row_number() OVER (PARTITION BY org ORDER BY sequence DESC) AS place FROM execution
                         ) WHERE place > ?1)",
                    [retention.per_organisation],
                )?;
                Ok(old + beyond)
            })
            .await
    }
}

/// What is known of an execution that may be the same.
struct StoredRun {
    id: String,
    request: String,
    settled: bool,
    body: Option<String>,
}

fn find_run(connection: &Connection, owner: &Owner, column: &str, value: &str) -> rusqlite::Result<Option<StoredRun>> {
    let text = format!("SELECT id, request, settled, body FROM execution WHERE {OWNED} AND {column} = ?4");
    let read = |row: &rusqlite::Row<'_>| {
        Ok(StoredRun { id: row.get(0)?, request: row.get(1)?, settled: row.get(2)?, body: row.get(3)? })
    };
    connection.prepare_cached(&text)?.query_row(params![owner.org, owner.workspace, owner.user, value], read).optional()
}

fn decide(connection: &Connection, new_run: &NewRun) -> rusqlite::Result<BeginResult> {
    if let Some(key) = &new_run.key
        && let Some(known) = find_run(connection, &new_run.owner, "key", key)?
    {
        if known.request != new_run.request || (new_run.resumed && known.id != new_run.id) {
            return Ok(BeginResult::Conflict);
        }
        let body = known.body.filter(|_| known.settled).and_then(|body| serde_json::from_str(&body).ok());
        return Ok(body.map_or(BeginResult::Fresh(known.id), |execution| BeginResult::Repeated(Box::new(execution))));
    }
    match find_run(connection, &new_run.owner, "id", &new_run.id)? {
        None => Ok(BeginResult::Fresh(new_run.id.clone())),
        Some(known) if new_run.resumed && known.settled => Ok(BeginResult::Finished),
        Some(_) if new_run.resumed => Ok(BeginResult::Fresh(new_run.id.clone())),
        // The caller used an id before; an execution has one of its own.
        Some(_) => Ok(BeginResult::Fresh(uuid::Uuid::new_v4().to_string())),
    }
}

fn put(
    transaction: &Transaction<'_>,
    new_run: &NewRun,
    id: &str,
    settled: bool,
    execution: Option<&Execution>,
) -> rusqlite::Result<()> {
    let json = |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let body = execution.map(serde_json::to_string).transpose().map_err(json)?;
    let summary = execution.map(summary).map(|summary| serde_json::to_string(&summary)).transpose().map_err(json)?;
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
        summary,
        body
    ])?;
    Ok(())
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
