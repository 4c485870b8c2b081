//! Copies of a database, made and taken back while the service is running (SQLite's online backup).

use super::schema::{self, APPLICATION_ID, VERSION};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Pages copied at once; between two portions writers go on.
const PAGES: i32 = 1_024;
/// How long a copy waits for a busy database before it gives up.
const BUSY_DEADLINE: Duration = Duration::from_secs(30);
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Writes a copy of `database` to `file`, which appears only when it is complete and checked.
///
/// # Errors
/// Says what was attempted, why it failed and what to do.
pub fn backup(database: &Path, file: &Path) -> Result<(), String> {
    if !database.exists() {
        return Err(format!(
            "there is no database `{}` to copy\nhint: set `DATABASE_URL` as the service has it",
            database.display()
        ));
    }
    let partial = file.with_extension("partial");
    let result = copy_out(database, &partial).and_then(|()| {
        check(&partial).map(drop)?;
        let synced = std::fs::File::open(&partial).and_then(|copy| copy.sync_all());
        synced
            .and_then(|()| std::fs::rename(&partial, file))
            .map_err(|error| format!("`{}` cannot be written: {error}", file.display()))
    });
    if result.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    result
}

/// Puts the copy `file` in the place of what `database` holds. A service that runs on it goes on with the copy.
///
/// # Errors
/// Says what was attempted, why it failed and what to do; the database is then as it was.
pub fn restore(database: &Path, file: &Path) -> Result<(), String> {
    let version = check(file)?;
    let current = if version < VERSION { Some(brought_up_to_date(database, file)?) } else { None };
    let source = read_only(current.as_ref().map_or(file, Temporary::path))?;
    let mut target = match schema::open(database) {
        Ok(target) => target,
        Err(schema::OpenError::Damaged { path, .. }) => {
            return Err(format!(
                "`{path}` is damaged, so nothing can be copied into it\nhint: stop the service, move `{path}` and the files beside it away, and restore again"
            ));
        }
        Err(error) => return Err(error.to_string()),
    };
    run(&source, &mut target).map_err(|why| format!("`{}` could not be restored: {why}", database.display()))?;
    let _ = target.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    Ok(())
}

fn copy_out(database: &Path, partial: &Path) -> Result<(), String> {
    let _ = std::fs::remove_file(partial);
    let source = read_only(database)?;
    let mut target =
        Connection::open(partial).map_err(|error| format!("`{}` cannot be written: {error}", partial.display()))?;
    run(&source, &mut target).map_err(|why| format!("`{}` could not be copied: {why}", database.display()))?;
    // One file, without a log beside it.
    target.execute_batch("PRAGMA journal_mode = DELETE").map_err(|error| error.to_string())
}

fn run(source: &Connection, target: &mut Connection) -> Result<(), String> {
    let backup = Backup::new(source, target).map_err(|error| error.to_string())?;
    let start = Instant::now();
    loop {
        match backup.step(PAGES).map_err(|error| error.to_string())? {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ if start.elapsed() > BUSY_DEADLINE => return Err("the database stayed busy".to_owned()),
            _ => std::thread::sleep(BUSY_PAUSE),
        }
    }
}

/// A file that goes away with the value.
struct Temporary(PathBuf);

impl Temporary {
    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        for suffix in ["-wal", "-shm"] {
            let mut name = self.0.clone().into_os_string();
            name.push(suffix);
            let _ = std::fs::remove_file(name);
        }
    }
}

/// A copy of an older backup in the form of this release, beside the database, so that a running service never meets the older form.
fn brought_up_to_date(database: &Path, file: &Path) -> Result<Temporary, String> {
    let copy = Temporary(database.with_extension("restoring"));
    std::fs::copy(file, copy.path())
        .map_err(|error| format!("`{}` cannot be written: {error}", copy.path().display()))?;
    let connection = schema::open(copy.path()).map_err(|error| error.to_string())?;
    connection.execute_batch("PRAGMA journal_mode = DELETE").map_err(|error| error.to_string())?;
    Ok(copy)
}

/// Holds a copy to be one of ours, of this version or an older one, and whole; tells its version.
fn check(file: &Path) -> Result<i32, String> {
    let name = file.display();
    if !file.exists() {
        return Err(format!("there is no file `{name}`"));
    }
    let copy = read_only(file)?;
    let damaged = |error: rusqlite::Error| format!("`{name}` is damaged or no backup: {error}");
    let number = |pragma: &str| copy.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0)).map_err(damaged);
    if number("application_id")? != APPLICATION_ID {
        return Err(format!("`{name}` is no backup of the memory service"));
    }
    let version = number("user_version")?;
    if !(1..=VERSION).contains(&version) {
        return Err(format!(
            "`{name}` has version {version}, this release knows {VERSION}\nhint: use the release that wrote it"
        ));
    }
    let verdict: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(damaged)?;
    if verdict == "ok" { Ok(version) } else { Err(format!("`{name}` is damaged: {verdict}")) }
}

fn read_only(file: &Path) -> Result<Connection, String> {
    Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| format!("`{}` cannot be opened: {error}", file.display()))
}
