//! Opens a file for writing or reading: checks its owner, version and health, sets the pragmas and runs migrations. Nothing is written to a
//! file before its header shows that it belongs to the service.

use super::Schema;
use super::error::is_busy;
use super::open_error::OpenError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a connection waits for a lock of another process, because two instances share a file while one replaces the other.
// Half of the default request deadline, so that a call gets `overloaded` and not `deadline_exceeded`.
const BUSY_DEADLINE: Duration = Duration::from_secs(5);
/// Pause between two attempts to set the journal mode, for which SQLite does not wait by itself.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// Prepared statements that a connection caches; the default of 16 is less than the number of statements of a service.
const STATEMENTS: usize = 64;

// `synchronous = FULL`: each commit is synced before the reply. With `NORMAL`, a power failure loses acknowledged writes. `NORMAL` wrote
// 37,000-51,000 rows/s with one row per transaction, `FULL` 6,600-9,500; group commit (`writer.rs`) makes up for most of that.
// `foreign_keys`: SQLite's own default is off.
// `cache_size`: 8 MiB, in KiB if negative. A service must fit into 0.5 GB.
// `temp_store`: a savepoint that changes more than 64 KiB would need a temporary file, and the file system of a container is read-only.
// `secure_delete`: what is deleted is overwritten, so that it is neither in the file nor in later backups.
// `wal_autocheckpoint`: every 2,000 pages (8 MB). A checkpoint runs in the writer's thread and delays the writes behind it.
// `journal_size_limit`: a checkpoint truncates a WAL that a burst or a long read let grow beyond 64 MiB.
const WRITER_PRAGMAS: &str =
    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;
    PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864;";
const READER_PRAGMAS: &str = "PRAGMA cache_size = -4096";

/// The fields of a file that show which program and release wrote it.
pub(super) struct Header {
    pub(super) application: i32,
    pub(super) version: usize,
    tables: i64,
}

/// Opens `file` for writing and migrates it to the newest version.
pub(super) fn writer(file: &Path, schema: &Schema<'_>) -> Result<Connection, OpenError> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        // Only its owner, because the folder holds the texts of every tenant. An existing folder keeps its mode.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| OpenError::unreachable(file, &error))?;
    }
    create_private(file).map_err(|error| OpenError::unreachable(file, &error))?;
    // No mutex: each connection is used by one thread at a time.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sqlite = |error: rusqlite::Error| OpenError::sqlite(file, &error);
    let mut connection = connect(file, flags).map_err(sqlite)?;
    let header = connection.transaction().and_then(|transaction| header(&transaction)).map_err(sqlite)?;
    // Every file without an id has the id 0, also those of other programs; only one without tables is new.
    let is_new = header.application == 0 && header.version == 0 && header.tables == 0;
    if header.application != schema.application_id && !is_new {
        return Err(OpenError::Foreign { path: file.display().to_string() });
    }
    check_version(file, header.version, schema)?;
    // In one transaction: a migration of another instance may drop a table between the list of the tables and its read.
    connection.transaction().and_then(|transaction| read_every_table(&transaction)).map_err(sqlite)?;
    set_wal_mode(&connection).and_then(|()| connection.execute_batch(WRITER_PRAGMAS)).map_err(sqlite)?;
    while migrate_one(file, &mut connection, schema)? {}
    Ok(connection)
}

/// Creates the file for its owner only, if it does not exist. SQLite gives its WAL the mode of the database.
pub(super) fn create_private(file: &Path) -> std::io::Result<()> {
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

pub(super) fn reader(file: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = connect(file, flags)?;
        connection.execute_batch(READER_PRAGMAS)?;
        Ok(connection)
    };
    open().map_err(|error| OpenError::sqlite(file, &error))
}

fn connect(file: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY_DEADLINE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Without this "query planner stability guarantee", the planner reads the bound values of many statements, and SQLite then compiles a
    // cached statement again each time its parameters are bound: half of the instructions of a search of memories.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// Reads the header within one transaction, because another instance may be creating the tables at the same time.
pub(super) fn header(transaction: &Transaction<'_>) -> rusqlite::Result<Header> {
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(Header {
        application: transaction.pragma_query_value(None, "application_id", |row| row.get(0))?,
        // No release writes a negative version, so it counts as newer than all of them.
        version: usize::try_from(version).unwrap_or(usize::MAX),
        tables: transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?,
    })
}

pub(super) fn check_version(file: &Path, version: usize, schema: &Schema<'_>) -> Result<(), OpenError> {
    let newest = schema.migrations.len();
    if version <= newest { Ok(()) } else { Err(OpenError::Newer { path: file.display().to_string(), version, newest }) }
}

/// Runs the next migration in its own transaction; returns false if there is none. Another instance may run the same one, so the version is
/// read again under the write lock.
fn migrate_one(file: &Path, connection: &mut Connection, schema: &Schema<'_>) -> Result<bool, OpenError> {
    let sqlite = |error: rusqlite::Error| OpenError::sqlite(file, &error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite)?;
    let from = header(&transaction).map_err(sqlite)?.version;
    check_version(file, from, schema)?;
    let Some(migration) = schema.migrations.get(from) else { return Ok(false) };
    // In the transaction of the migration, so that a file never has the tables of one version and the number of
    // another.
    let mark = format!("PRAGMA application_id = {}; PRAGMA user_version = {};", schema.application_id, from + 1);
    let migrated = transaction
        .execute_batch(migration)
        .and_then(|()| (schema.on_migration)(&transaction, from + 1))
        .and_then(|()| transaction.execute_batch(&mark))
        .and_then(|()| transaction.commit());
    migrated.map_err(|error| OpenError::Migration {
        path: file.display().to_string(),
        from,
        why: error.to_string(),
    })?;
    tracing::info!(from, to = from + 1, "the database was migrated");
    Ok(true)
}

/// Sets WAL mode, in which readers and the writer do not block each other. SQLite does not wait for another instance that sets the mode at
/// the same time, so this function retries.
fn set_wal_mode(connection: &Connection) -> rusqlite::Result<()> {
    let start = Instant::now();
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())) {
            Err(error) if is_busy(&error) && start.elapsed() < BUSY_DEADLINE => std::thread::sleep(BUSY_PAUSE),
            result => return result,
        }
    }
}

/// Reads the first row of every table, so that a damaged file is refused at the start and not by the first call that meets the damage.
// Not `PRAGMA quick_check`, which reads the whole file: the start would take longer the more the service stores.
fn read_every_table(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let tables = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    tables.iter().try_for_each(|table| {
        connection.query_row(&format!("SELECT EXISTS (SELECT * FROM \"{table}\")"), [], |_| Ok(()))
    })
}
