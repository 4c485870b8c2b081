//! The time of the last backup, in a file beside the database. A backup is made by another process, so the service learns of it from this file.
//! It is not in the database itself: a restore would bring back the time of an older backup.

use super::Writer;
use mcp_contracts::metric;
use parking_lot::Mutex;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Pause between two looks at the file.
const PERIOD: Duration = Duration::from_secs(5);

/// Notes that a backup of `database` is complete.
pub(super) fn note(database: &Path) -> io::Result<()> {
    // A name of its own, so that two backups at once do not write the same file, and none follows a link that waits there.
    let partial = beside(database, &format!(".last-backup.{}.partial", uuid::Uuid::new_v4()));
    let noted = write(database, &partial).and_then(|()| std::fs::rename(&partial, beside(database, ".last-backup")));
    if noted.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    noted
}

fn write(database: &Path, partial: &Path) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let owner = std::fs::metadata(database)?;
    // The owner alone reads the files of a database.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(partial)?;
    // A backup that root makes is noted for the service, which could not read a file of root.
    fchown(&file, Some(owner.uid()), None)?;
    writeln!(file, "{now}")
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
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn the_time_of_a_backup_is_0_until_one_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("x.db");
        std::fs::write(&database, "").unwrap();
        assert_eq!(last(&database), 0);
        note(&database).unwrap();
        assert!(last(&database) > 1_700_000_000);
        std::fs::write(beside(&database, ".last-backup"), "soon").unwrap();
        assert_eq!(last(&database), 0);
        assert!(note(&folder.path().join("missing/x.db")).is_err());
    }

    #[test]
    fn the_time_belongs_to_the_owner_of_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("x.db");
        std::fs::write(&database, "").unwrap();
        // Only root can give files away. For others, the owner is the one who runs the test.
        let owner = if nix::unistd::geteuid().is_root() { 65_532 } else { nix::unistd::geteuid().as_raw() };
        std::os::unix::fs::chown(&database, Some(owner), None).unwrap();
        note(&database).unwrap();
        let noted = std::fs::metadata(beside(&database, ".last-backup")).unwrap();
        assert_eq!((noted.uid(), noted.mode() & 0o777), (owner, 0o600));
    }

    #[test]
    fn a_note_overwrites_no_other_file_and_leaves_none() {
        let folder = tempfile::tempdir().unwrap();
        let (database, other) = (folder.path().join("x.db"), folder.path().join("other"));
        std::fs::write(&database, "").unwrap();
        std::fs::write(&other, "kept").unwrap();
        std::os::unix::fs::symlink(&other, beside(&database, ".last-backup.partial")).unwrap();
        note(&database).unwrap();
        // A folder cannot be replaced by a file.
        std::fs::remove_file(beside(&database, ".last-backup")).unwrap();
        std::fs::create_dir(beside(&database, ".last-backup")).unwrap();
        assert!(note(&database).is_err());
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "kept");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "{folder:?}");
    }
}
