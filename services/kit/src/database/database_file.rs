//! Where a database lies: whether its files are still the ones that were opened, and the room on their disk.

use nix::sys::statvfs::{FsFlags, statvfs};
use rusqlite::Connection;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Bytes of the disk that only deletions may use, so that a full disk can be cleared from inside.
// A deletion writes its changes to the WAL first, which has up to 8 MB between two checkpoints.
const RESERVE_BYTES: u64 = 16 << 20;
/// The reserve is at most this part of the disk.
const RESERVE_SHARE: u64 = 10;

/// The device and the inode of a file.
type Identity = (u64, u64);

#[derive(Debug)]
pub(super) struct DatabaseFile {
    file: PathBuf,
    wal: PathBuf,
    identity: Option<Identity>,
    // Kept when it is first met: SQLite creates the WAL when it needs it, and keeps it while a connection is open.
    wal_identity: OnceLock<Identity>,
}

impl DatabaseFile {
    /// Describes `file`, which must be open.
    pub(super) fn new(file: &Path) -> Self {
        let mut wal = file.as_os_str().to_owned();
        wal.push("-wal");
        Self { file: file.to_owned(), wal: wal.into(), identity: identity(file), wal_identity: OnceLock::new() }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Returns false if the database or its WAL was removed or replaced. What is written then is lost when the process ends.
    pub(super) fn is_unchanged(&self) -> bool {
        let wal = identity(&self.wal);
        let wal_is_unchanged = match (self.wal_identity.get(), wal) {
            (Some(first), now) => now == Some(*first),
            (None, Some(now)) => *self.wal_identity.get_or_init(|| now) == now,
            (None, None) => true,
        };
        wal_is_unchanged && identity(&self.file) == self.identity
    }

    /// Returns true if more than the reserve is free, on the disk or in the file.
    pub(super) fn has_room(&self, connection: &Connection) -> bool {
        // A system that does not tell it fails when it is full.
        let Some((free, size)) = self.disk() else { return true };
        let reserve = reserve(size);
        if free >= reserve {
            return true;
        }
        let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        // Deleted rows leave free pages, which new rows use.
        number("freelist_count")
            .and_then(|pages| Ok(pages * number("page_size")?))
            .is_ok_and(|free| free.unsigned_abs() >= reserve)
    }

    /// Returns the free bytes of the disk and its size; `None` if the system does not report them.
    pub(super) fn disk(&self) -> Option<(u64, u64)> {
        let disk = statvfs(&self.file).ok()?;
        Some((disk.blocks_available() * disk.fragment_size(), disk.blocks() * disk.fragment_size()))
    }

    pub(super) fn is_read_only(&self) -> bool {
        statvfs(&self.file).is_ok_and(|disk| disk.flags().contains(FsFlags::ST_RDONLY))
    }
}

fn reserve(size: u64) -> u64 {
    RESERVE_BYTES.min(size / RESERVE_SHARE)
}

fn identity(file: &Path) -> Option<Identity> {
    file.metadata().ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_or_replaced_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, wal) = (folder.path().join("x.db"), folder.path().join("x.db-wal"));
        std::fs::write(&file, "one").unwrap();
        let place = DatabaseFile::new(&file);
        assert!(place.is_unchanged());
        std::fs::write(&wal, "log").unwrap();
        assert!(place.is_unchanged(), "a new WAL is no change");
        std::fs::remove_file(&wal).unwrap();
        assert!(!place.is_unchanged(), "the WAL is gone");
        std::fs::write(&file, "two").unwrap();
        let place = DatabaseFile::new(&file);
        std::fs::write(folder.path().join("y.db"), "other").unwrap();
        std::fs::rename(folder.path().join("y.db"), &file).unwrap();
        assert!(!place.is_unchanged(), "the file was replaced");
        std::fs::remove_file(&file).unwrap();
        assert!(!place.is_unchanged(), "the file is gone");
    }

    #[test]
    fn the_reserve_is_a_small_part_of_a_small_disk() {
        assert_eq!(reserve(10 << 20), 1 << 20);
        assert_eq!(reserve(1 << 40), RESERVE_BYTES);
    }
}
