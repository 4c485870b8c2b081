//! The time of the last backup, in a file beside the database. A backup is made by another process, so the service learns of it from this file.
//! It is not in the database itself: a restore would bring back the time of an older backup.

use super::Writer;
use mcp_contracts::metric;
use parking_lot::Mutex;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Pause between two looks at the file.
const PERIOD: Duration = Duration::from_secs(5);

/// Notes that a backup of `database` is complete.
pub(super) fn note(database: &Path) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let partial = beside(database, ".last-backup.partial");
    // The owner alone reads the files of a database.
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    writeln!(file, "{now}")?;
    std::fs::rename(partial, beside(database, ".last-backup"))
}

/// Returns the time of the last backup in seconds since 1970; 0 if there was none, or if the file cannot be read.
pub(super) fn last(database: &Path) -> u64 {
    let text = std::fs::read_to_string(beside(database, ".last-backup")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// Publishes the time of the last backup until the database is closed.
pub(super) async fn publish(database: PathBuf, writer: Arc<Mutex<Option<Writer>>>) {
    let gauge = metrics::gauge!(metric::LAST_BACKUP_TIMESTAMP_SECONDS);
    while writer.lock().is_some() {
        let file = database.clone();
        // A file system that hangs must not block a thread of the runtime.
        if let Ok(time) = tokio::task::spawn_blocking(move || last(&file)).await {
            gauge.set(time as f64);
        }
        tokio::time::sleep(PERIOD).await;
    }
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::{beside, last, note};

    #[test]
    fn the_time_of_a_backup_is_0_until_one_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("x.db");
        assert_eq!(last(&database), 0);
        note(&database).unwrap();
        assert!(last(&database) > 1_700_000_000);
        std::fs::write(beside(&database, ".last-backup"), "soon").unwrap();
        assert_eq!(last(&database), 0);
        assert!(note(&folder.path().join("missing/x.db")).is_err());
    }
}
