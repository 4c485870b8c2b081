//! What must hold before a file is used: it is ours, of a version we know, not damaged, and brought to the newest version. Nothing is
//! written to a file before it is known to be ours.

use super::error::OpenError;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a connection waits for another process.
const BUSY_DEADLINE: Duration = Duration::from_secs(5);
/// Pause between two attempts at what SQLite does not wait for.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// Prepared statements kept by a connection.
const STATEMENTS: usize = 64;

/// What a file says of itself: whose it is (`PRAGMA application_id`), its version (`PRAGMA user_version`), and how many tables it has.
struct Header {
    application: i32,
    version: usize,
    tables: i64,
}

/// Opens `path` for writing and brings it to the newest version.
pub(super) fn writer(path: &Path, migrations: &[&str]) -> Result<Connection, OpenError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| OpenError::Unreachable { path: path.display().to_string(), why: error.to_string() })?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| explain(path, &error))?;
    connection.busy_timeout(BUSY_DEADLINE).map_err(|error| explain(path, &error))?;
    let ours = application_id(migrations);
    let found = connection.transaction().and_then(|moment| header(&moment)).map_err(|error| explain(path, &error))?;
    if !(found.application == ours || (found.application == 0 && found.version == 0 && found.tables == 0)) {
        return Err(OpenError::Foreign { path: path.display().to_string() });
    }
    if found.version > migrations.len() {
        return Err(newer(path, found.version, migrations.len()));
    }
    configure(&connection).map_err(|error| explain(path, &error))?;
    while migrate_one(path, &mut connection, migrations, ours)? {}
    Ok(connection)
}

/// Opens `path` for reading alone.
pub(super) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| explain(path, &error))?;
    connection.busy_timeout(BUSY_DEADLINE).map_err(|error| explain(path, &error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch("PRAGMA cache_size = -4096").map_err(|error| explain(path, &error))?;
    Ok(connection)
}

/// One step to the next version, in a transaction of its own; false where there is none left. Another process may take the same step
/// at the same time, so the version is read inside.
fn migrate_one(path: &Path, connection: &mut Connection, migrations: &[&str], ours: i32) -> Result<bool, OpenError> {
    let failed = |from: usize, error: &rusqlite::Error| OpenError::Migration {
        path: path.display().to_string(),
        from,
        why: error.to_string(),
    };
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|error| explain(path, &error))?;
    let from = header(&transaction).map_err(|error| explain(path, &error))?.version;
    if from > migrations.len() {
        return Err(newer(path, from, migrations.len()));
    }
    let Some(step) = migrations.get(from) else { return Ok(false) };
    apply(&transaction, step, from + 1, ours).map_err(|error| failed(from, &error))?;
    transaction.commit().map_err(|error| failed(from, &error))?;
    Ok(true)
}

fn apply(transaction: &Transaction<'_>, step: &str, version: usize, ours: i32) -> rusqlite::Result<()> {
    transaction.execute_batch(step)?;
    transaction.execute_batch(&format!("PRAGMA application_id = {ours}; PRAGMA user_version = {version};"))
}

/// The header as of one moment, which a transaction of the caller's makes: another instance may be making the file just now.
fn header(moment: &Transaction<'_>) -> rusqlite::Result<Header> {
    let version: i64 = moment.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(Header {
        application: moment.pragma_query_value(None, "application_id", |row| row.get(0))?,
        // A negative version is none of ours; it counts as one that nobody knows.
        version: usize::try_from(version).unwrap_or(usize::MAX),
        tables: moment.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?,
    })
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    journal(connection)?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -4096;
         PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 16777216;",
    )
}

/// Sets the journal of the file. SQLite does not wait for another instance that is doing the same, so this does.
fn journal(connection: &Connection) -> rusqlite::Result<()> {
    let since = Instant::now();
    loop {
        let set = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
        match set.map_err(|error| (error.sqlite_error_code(), error)) {
            Ok(_) => return Ok(()),
            Err((Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked), _)) if since.elapsed() < BUSY_DEADLINE => {
                std::thread::sleep(BUSY_PAUSE);
            }
            Err((_, error)) => return Err(error),
        }
    }
}

/// Marks a file as made by these migrations: a digest of the first one, which never changes; never 0, which means nobody's.
fn application_id(migrations: &[&str]) -> i32 {
    let digest = Sha256::digest(migrations.first().copied().unwrap_or_default());
    (i32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) & i32::MAX) | 1
}

fn newer(path: &Path, found: usize, known: usize) -> OpenError {
    OpenError::Newer { path: path.display().to_string(), found, known }
}

fn explain(path: &Path, error: &rusqlite::Error) -> OpenError {
    let (path, why) = (path.display().to_string(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => OpenError::Damaged { path, why },
        Some(_) | None => OpenError::Unreachable { path, why },
    }
}
