//! The tables, and what must hold before a file is used: it is ours, of a version we know or can bring up to date, and not damaged.

use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// Marks a database as ours (`PRAGMA application_id`): the letters `mcpm`.
pub(super) const APPLICATION_ID: i32 = 0x6d63_706d;
/// Version of the tables (`PRAGMA user_version`).
pub(super) const VERSION: i32 = 2;
/// What brings a file of version `n` (from 1, by position) to version `n + 1`. A step adds what the release before it can live with,
/// since the two run side by side on one file while instances are replaced one by one.
const STEPS: [&str; VERSION as usize - 1] = [MEMORY_BY_KIND];
/// How long a connection waits for another process.
pub(super) const BUSY_DEADLINE: Duration = Duration::from_secs(5);
/// Pause between two attempts of what SQLite does not wait for itself.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// Prepared statements kept by a connection.
const STATEMENTS: usize = 64;

/// Version 2: a list of one kind, such as the action items of a retrospective, reads no other memories.
const MEMORY_BY_KIND: &str =
    "CREATE INDEX memory_by_kind ON memory (scope, kind, created_us, sequence) WHERE kind IS NOT NULL;";

/// The tables of version 1; [`STEPS`] follow. A scope is who can read: one user in one workspace, or the whole workspace (`owner` empty). Every row of every table
/// carries its scope, and every term of the full-text index begins with it, so that neither the cost nor the ranking of a search
/// depends on other scopes. A changed memory gets a new `sequence`, which is never used again.
const TABLES: &str = "
CREATE TABLE scope (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    org TEXT NOT NULL,
    workspace TEXT NOT NULL,
    owner TEXT NOT NULL,
    documents INTEGER NOT NULL DEFAULT 0,
    terms INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (org, workspace, owner)
) STRICT;
CREATE TABLE memory (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    scope INTEGER NOT NULL REFERENCES scope (id),
    owner TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    terms INTEGER NOT NULL,
    updated_us INTEGER NOT NULL,
    version INTEGER NOT NULL,
    content_hash BLOB NOT NULL,
    kind TEXT,
    tags TEXT NOT NULL,
    metadata TEXT NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE INDEX memory_by_time ON memory (scope, created_us, sequence);
CREATE INDEX memory_by_hash ON memory (scope, content_hash);
CREATE TABLE tag (
    scope INTEGER NOT NULL,
    tag TEXT NOT NULL,
    memory INTEGER NOT NULL,
    PRIMARY KEY (scope, tag, memory)
) STRICT, WITHOUT ROWID;
CREATE TABLE idempotency (
    org TEXT NOT NULL,
    workspace TEXT NOT NULL,
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    request BLOB NOT NULL,
    reply TEXT NOT NULL,
    stored_us INTEGER NOT NULL,
    PRIMARY KEY (org, workspace, owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_time ON idempotency (stored_us);
CREATE VIRTUAL TABLE word USING fts5 (terms, content = '', contentless_delete = 1, tokenize = 'ascii');
CREATE VIRTUAL TABLE word_at USING fts5vocab (word, instance);
";

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or file cannot be reached.
    #[error(
        "the database `{path}` cannot be opened: {why}\nhint: check that its folder exists, is writable and not full"
    )]
    Unreachable {
        /// The file.
        path: String,
        /// What SQLite or the system says.
        why: String,
    },
    /// It is no database, or a damaged one.
    #[error(
        "the database `{path}` is damaged or no SQLite database: {why}\nhint: it was left as it is; restore a backup with \
         `mcp-memory restore FILE`, or move the file away to begin with an empty one"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What SQLite says.
        why: String,
    },
    /// It belongs to another program.
    #[error("the database `{path}` belongs to another program\nhint: set `DATABASE_URL` to a file of its own")]
    Foreign {
        /// The file.
        path: String,
    },
    /// A newer release wrote it.
    #[error(
        "the database `{path}` has version {found}, this release knows {VERSION}\nhint: run the release that wrote it, or a newer one"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its version.
        found: i32,
    },
}

/// Opens `path` for writing; makes the tables where there is no file yet.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    let name = || path.display().to_string();
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| OpenError::Unreachable { path: name(), why: error.to_string() })?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| explain(path, &error))?;
    connection.busy_timeout(BUSY_DEADLINE).map_err(|error| explain(path, &error))?;
    // Nothing is written to a file before it is known to be ours.
    let (application, version, tables) = identity(&connection).map_err(|error| explain(path, &error))?;
    match (application, version, tables) {
        (0, 0, 0) => {
            configure(&connection).and_then(|()| create(&connection)).map_err(|error| explain(path, &error))?;
        }
        (APPLICATION_ID, 1..=VERSION, _) => {
            upgrade(&connection).map_err(|error| explain(path, &error))?;
            configure(&connection).map_err(|error| explain(path, &error))?;
            let usable = "SELECT (SELECT count(*) FROM (SELECT 1 FROM memory LIMIT 1)) + (SELECT count(*) FROM (SELECT 1 FROM scope LIMIT 1))";
            connection.query_row(usable, [], |row| row.get::<_, i64>(0)).map_err(|error| explain(path, &error))?;
        }
        (APPLICATION_ID, found, _) => return Err(OpenError::Newer { path: name(), found }),
        (_, _, _) => return Err(OpenError::Foreign { path: name() }),
    }
    Ok(connection)
}

/// Opens `path` for reading alone.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| explain(path, &error))?;
    connection.busy_timeout(BUSY_DEADLINE).map_err(|error| explain(path, &error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection
        .execute_batch("PRAGMA cache_size = -4096; PRAGMA query_only = 1")
        .map_err(|error| explain(path, &error))?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    journal(connection)?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -8192;
         PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864;",
    )
}

/// Whose file it is, its version, and how many tables it has, as of one moment: another instance may be making it just now.
fn identity(connection: &Connection) -> rusqlite::Result<(i32, i32, i32)> {
    let moment = connection.unchecked_transaction()?;
    let tables = moment.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let number = |pragma: &str| moment.pragma_query_value(None, pragma, |row| row.get(0));
    Ok((number("application_id")?, number("user_version")?, tables))
}

/// Makes the tables, unless another instance that started at the same moment has made them: whether the file is empty is asked again once
/// it is ours to write.
fn create(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = rusqlite::Transaction::new_unchecked(connection, rusqlite::TransactionBehavior::Immediate)?;
    let tables: i32 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 {
        return Ok(());
    }
    let steps = STEPS.concat();
    transaction.execute_batch(&format!(
        "{TABLES} {steps} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
    ))?;
    transaction.commit()
}

/// Sets the journal of the file. SQLite does not wait for another instance that is doing the same, so this does.
fn journal(connection: &Connection) -> rusqlite::Result<()> {
    let since = std::time::Instant::now();
    loop {
        let set = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
        match set.map_err(|error| (error.sqlite_error_code(), error)) {
            Ok(_) => return Ok(()),
            Err((Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked), _))
                if since.elapsed() < BUSY_DEADLINE =>
            {
                std::thread::sleep(BUSY_PAUSE);
            }
            Err((_, error)) => return Err(error),
        }
    }
}

/// Brings an older file up to date, step by step, each as a whole or not at all. Another instance may be doing the same: the
/// version is asked again once the file is ours to write.
fn upgrade(connection: &Connection) -> rusqlite::Result<()> {
    loop {
        let transaction = rusqlite::Transaction::new_unchecked(connection, rusqlite::TransactionBehavior::Immediate)?;
        let version: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let Some(step) = usize::try_from(version - 1).ok().and_then(|at| STEPS.get(at)) else { return Ok(()) };
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
        tracing::info!(from = version, to = version + 1, "the database was brought up to date");
    }
}

pub(super) fn explain(path: &Path, error: &rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode;
    let (path, why) = (path.display().to_string(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => OpenError::Damaged { path, why },
        Some(_) | None => OpenError::Unreachable { path, why },
    }
}
