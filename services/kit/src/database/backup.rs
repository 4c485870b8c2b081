//! Backup and restore while services use the database, with SQLite's online backup.

use super::Schema;
use super::backup_time;
use super::open;
use super::open_error::OpenError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::fmt::Display;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Pages copied in one step, 4 MiB. The deadlines are checked between two steps.
const STEP_PAGES: i32 = 1_024;
/// How long a copy may take. While it runs, no checkpoint can shrink the WAL, because the copy reads one snapshot.
const COPY_DEADLINE: Duration = Duration::from_secs(900);
/// How long a copy waits for a locked database.
// Longer than a call waits (5 s), because no client waits for a backup.
const BUSY_DEADLINE: Duration = Duration::from_secs(30);
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Why a backup or a restore failed. The database is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("`{file}` cannot be {action}: {why}")]
    Failed { file: String, action: &'static str, why: String },
    #[error("`{file}` is the database that the service uses, or a part of it\nhint: name another file")]
    Live { file: String },
    #[error("`{file}` exists\nhint: name a new file, or pass `--replace`")]
    Exists { file: String },
    #[error(
        "`{file}` is a complete backup, but the service cannot report its time, because the time cannot be written next to `{database}`: {why}"
    )]
    Unnoted { file: String, database: String, why: String },
    #[error("`{file}` is not a valid backup: {why}")]
    Invalid { file: String, why: String },
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl BackupError {
    fn failed(file: &Path, action: &'static str, why: &impl Display) -> Self {
        Self::Failed { file: file.display().to_string(), action, why: why.to_string() }
    }

    fn invalid(file: &Path, why: impl Display) -> Self {
        Self::Invalid { file: file.display().to_string(), why: why.to_string() }
    }
}

impl Schema<'_> {
    /// Writes a copy of `database` to `backup`, which appears only when it is complete and checked. An existing file is overwritten only with
    /// `replace`.
    ///
    /// # Errors
    /// Fails if `backup` is a part of the database or exists, a file cannot be read or written, or the copy is damaged.
    pub fn backup(&self, database: &Path, backup: &Path, replace: bool) -> Result<(), BackupError> {
        // Added to the whole name, so that no two names have the same partial file.
        let partial = with_suffix(backup, ".partial");
        for file in [backup, &partial] {
            refuse_live(database, file)?;
        }
        if !replace && backup.symlink_metadata().is_ok() {
            return Err(BackupError::Exists { file: backup.display().to_string() });
        }
        if !database.exists() {
            let why = "it does not exist\nhint: set `DATABASE_URL` as for the service";
            return Err(BackupError::failed(database, "copied", &why));
        }
        // Beside the backup, because a rename is atomic only within one file system.
        let partial = Temporary(partial);
        copy_to_single_file(database, partial.path())?;
        self.check(partial.path())?;
        let written = |error: std::io::Error| BackupError::failed(backup, "written", &error);
        // The content is synced before the rename, so that a power failure cannot leave an incomplete file under the final name.
        std::fs::File::open(partial.path()).and_then(|copy| copy.sync_all()).map_err(written)?;
        std::fs::rename(partial.path(), backup).map_err(written)?;
        backup_time::note(database).map_err(|error| BackupError::Unnoted {
            file: backup.display().to_string(),
            database: database.display().to_string(),
            why: error.to_string(),
        })
    }

    /// Replaces the content of `database` with that of `backup`. A running service continues with the restored content.
    ///
    /// # Errors
    /// Fails if the backup is invalid or a file cannot be read or written.
    pub fn restore(&self, database: &Path, backup: &Path) -> Result<(), BackupError> {
        refuse_live(database, backup)?;
        let version = self.check(backup)?;
        let migrated = if version < self.migrations.len() { Some(self.migrated_copy(database, backup)?) } else { None };
        let source = open_read_only(migrated.as_ref().map_or(backup, Temporary::path))?;
        let mut target = open::writer(database, self)?;
        copy(&source, &mut target).map_err(|why| BackupError::failed(database, "restored", &why))?;
        // A read of a running service can prevent the checkpoint. The restored content is committed in either case.
        let _ = target.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        Ok(())
    }

    /// Migrates a copy of an older backup beside the database, because a running service must never see the older tables.
    fn migrated_copy(&self, database: &Path, backup: &Path) -> Result<Temporary, BackupError> {
        let migrated = Temporary(with_suffix(database, ".restoring"));
        let written = |error: &dyn Display| BackupError::failed(migrated.path(), "written", &error);
        open::create_private(migrated.path()).map_err(|error| written(&error))?;
        std::fs::copy(backup, migrated.path()).map_err(|error| written(&error))?;
        let connection = open::writer(migrated.path(), self)?;
        leave_wal_mode(&connection).map_err(|error| written(&error))?;
        Ok(migrated)
    }

    /// Returns the version of a backup if it belongs to this service, has a supported version and is undamaged.
    fn check(&self, backup: &Path) -> Result<usize, BackupError> {
        if !backup.exists() {
            return Err(BackupError::invalid(backup, "it does not exist"));
        }
        let damaged = |error: rusqlite::Error| BackupError::invalid(backup, error);
        let mut copy = open_read_only(backup)?;
        let header = copy.transaction().and_then(|transaction| open::header(&transaction)).map_err(damaged)?;
        if header.application != self.application_id || header.version == 0 {
            return Err(BackupError::invalid(backup, "it belongs to another program"));
        }
        open::check_version(backup, header.version, self)?;
        // Stops at the first problem, because one is enough to refuse the file.
        let verdict: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(damaged)?;
        if verdict == "ok" { Ok(header.version) } else { Err(BackupError::invalid(backup, verdict)) }
    }
}

fn copy_to_single_file(database: &Path, target: &Path) -> Result<(), BackupError> {
    let _ = std::fs::remove_file(target);
    let source = open_read_only(database)?;
    open::create_private(target).map_err(|error| BackupError::failed(target, "written", &error))?;
    let written = |error: rusqlite::Error| BackupError::failed(target, "written", &error);
    let mut connection = Connection::open(target).map_err(written)?;
    copy(&source, &mut connection).map_err(|why| BackupError::failed(database, "copied", &why))?;
    leave_wal_mode(&connection).map_err(written)
}

/// Moves the WAL into the database file, so that this one file can be copied or renamed.
fn leave_wal_mode(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA journal_mode = DELETE")
}

/// Copies one snapshot of `source`. Without an open read, SQLite begins the copy again after each write of another connection
/// (`sqlite3_backup_step`): a copy of 260 MiB, which takes 1 s, did not end under 4 writes/s.
fn copy(source: &Connection, target: &mut Connection) -> Result<(), String> {
    let text = |error: rusqlite::Error| error.to_string();
    let snapshot = source.unchecked_transaction().map_err(text)?;
    // A transaction of SQLite takes its snapshot with the first read.
    snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(text)?;
    let backup = Backup::new(source, target).map_err(text)?;
    let (start, mut busy_since) = (Instant::now(), None);
    loop {
        match backup.step(STEP_PAGES).map_err(text)? {
            StepResult::Done => return Ok(()),
            _ if start.elapsed() > COPY_DEADLINE => {
                return Err(format!("the copy did not end within {} s", COPY_DEADLINE.as_secs()));
            }
            StepResult::More => busy_since = None,
            _ if busy_since.get_or_insert_with(Instant::now).elapsed() > BUSY_DEADLINE => {
                return Err("the database stayed locked".to_owned());
            }
            _ => std::thread::sleep(BUSY_PAUSE),
        }
    }
}

/// Fails if `file` is the database, its WAL or its shared memory, by whatever name: overwriting one of them would destroy the database.
fn refuse_live(database: &Path, file: &Path) -> Result<(), BackupError> {
    let live = ["", "-wal", "-shm", "-journal", ".last-backup"].map(|suffix| with_suffix(database, suffix));
    if live.iter().any(|live| is_same_file(live, file)) {
        return Err(BackupError::Live { file: file.display().to_string() });
    }
    Ok(())
}

/// Returns true if both names lead to one file, through symbolic or hard links as well, or would if it existed.
fn is_same_file(one: &Path, other: &Path) -> bool {
    if let (Ok(one), Ok(other)) = (one.metadata(), other.metadata()) {
        return (one.dev(), one.ino()) == (other.dev(), other.ino());
    }
    // A file that does not exist has no inode, so its folder and its name are compared.
    let place = |file: &Path| {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some((folder.canonicalize().ok()?, file.file_name()?.to_owned()))
    };
    place(one).is_some_and(|one| place(other) == Some(one))
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.to_owned().into_os_string();
    name.push(suffix);
    name.into()
}

fn open_read_only(file: &Path) -> Result<Connection, BackupError> {
    Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| BackupError::failed(file, "opened", &error))
}

/// A file that is removed on drop, together with its WAL.
struct Temporary(PathBuf);

impl Temporary {
    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(with_suffix(&self.0, suffix));
        }
    }
}
