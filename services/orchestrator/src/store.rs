//! The orchestrator's data: executions, the outbox, spend on models. One SQLite file; a write is on disk before it is acknowledged.

mod executions;
mod outbox;
mod spend;

pub use executions::{BeginResult, ExecutionQuery, FinishedRun, NewRun, Page, ReadableExecution, Retention};
pub use outbox::{Delivery, DeliveryKind, MAX_AGE, MAX_PER_ORGANISATION, MAX_WAITING, PendingDelivery};
pub use spend::Spend;

use crate::OrchestratorSettings;
use mcp_contracts::Claims;
use mcp_kit::database::{Database, DatabaseError, OpenError, Schema};
use mcp_kit::{Erase, Readiness, ServiceCommand, Settings};
use rusqlite::Transaction;

/// Steps of the schema. A released step never changes.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE execution (
        sequence INTEGER PRIMARY KEY,
        org TEXT NOT NULL, workspace TEXT NOT NULL, user TEXT NOT NULL,
        id TEXT NOT NULL,
        agent TEXT NOT NULL,
        started_us INTEGER NOT NULL,
        settled INTEGER NOT NULL,
        key TEXT,
        request TEXT NOT NULL,
        summary TEXT,
        body TEXT,
        UNIQUE (org, workspace, user, id)
    ) STRICT;
    CREATE UNIQUE INDEX execution_key ON execution (org, workspace, user, key) WHERE key IS NOT NULL;
    CREATE INDEX execution_org ON execution (org, sequence);
    CREATE INDEX execution_owner ON execution (org, workspace, user, sequence);
    CREATE INDEX execution_started ON execution (started_us);

    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY,
        org TEXT NOT NULL, workspace TEXT NOT NULL, user TEXT NOT NULL,
        kind TEXT NOT NULL,
        execution TEXT NOT NULL,
        claims TEXT NOT NULL,
        payload TEXT NOT NULL,
        stored_us INTEGER NOT NULL,
        due_us INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        UNIQUE (org, workspace, user, execution, kind)
    ) STRICT;
    CREATE INDEX outbox_due ON outbox (due_us, id);
    CREATE INDEX outbox_org ON outbox (org, id);

    CREATE TABLE spend (
        org TEXT NOT NULL, day TEXT NOT NULL, amount INTEGER NOT NULL,
        PRIMARY KEY (org, day)
    ) STRICT, WITHOUT ROWID;
"];

/// The owner of an execution; no other user sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    pub org: String,
    pub workspace: String,
    pub user: String,
}

impl Owner {
    pub fn of(claims: &Claims) -> Self {
        Self { org: claims.org_id.clone(), workspace: claims.workspace_slug.clone(), user: claims.sub.clone() }
    }
}

/// What `erase` runs until nothing is left.
const ERASURE: [&str; 3] = [
    "DELETE FROM execution WHERE sequence IN
     (SELECT sequence FROM execution WHERE org = ?1 AND (?2 IS NULL OR user = ?2) LIMIT ?3)",
    "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE org = ?1 AND (?2 IS NULL OR user = ?2) LIMIT ?3)",
    // The spend of a day belongs to the organisation.
    "DELETE FROM spend WHERE ?2 IS NULL AND (org, day) IN (SELECT org, day FROM spend WHERE org = ?1 LIMIT ?3)",
];

/// Subcommands besides `serve`.
#[derive(Debug, clap::Subcommand)]
pub enum OrchestratorCommand {
    /// Erases the executions and the waiting deliveries of an organisation, or of one user of it; the service may be running.
    Erase(Erase),
}

impl ServiceCommand<OrchestratorSettings> for OrchestratorCommand {
    fn run(self, settings: &Settings, _own: &OrchestratorSettings) -> Result<(), String> {
        let Self::Erase(erase) = self;
        let portion = |transaction: &Transaction<'_>, erase: &Erase| erase.delete(transaction, &ERASURE);
        erase.run(settings, &Schema::new(MIGRATIONS), portion)
    }
}

/// Clones share one database.
#[derive(Clone)]
pub struct Store {
    database: Database,
}

impl Store {
    /// Opens the file of `url`, or creates it.
    pub fn open(url: &str) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(url, MIGRATIONS)? })
    }

    /// Shows the state of the database in `/readyz`.
    pub fn watch(&self, readiness: &Readiness) {
        self.database.watch(readiness);
    }

    /// Finishes the queued writes and closes the database.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

/// An error of the database. Failures that an operator must look at are logged already.
pub type StoreError = DatabaseError;

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
