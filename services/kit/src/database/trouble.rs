//! What is wrong with a database as a whole, and which errors of SQLite show it.

use rusqlite::ErrorCode as SqliteCode;

/// Why a database cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Its file was removed or replaced, so that a restart would not find what is written.
    Removed,
    /// It cannot be read, or what is read is no database.
    Unreadable,
    /// Its server does not answer.
    Unreachable,
    ReadOnly,
    /// Another process has held its lock for seconds.
    Locked,
    /// Its disk is full. Reads and deletions go on.
    Full,
}

impl Trouble {
    /// The name in `/readyz`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Removed => "store-removed",
            Self::Unreadable => "store-unreadable",
            Self::Unreachable => "store-unreachable",
            Self::ReadOnly => "store-read-only",
            Self::Locked => "store-locked",
            Self::Full => "store-full",
        }
    }

    /// Returns the trouble that an error shows; an error of a statement shows none.
    pub(super) fn of(error: &rusqlite::Error) -> Option<Self> {
        match error.sqlite_error_code()? {
            SqliteCode::DiskFull => Some(Self::Full),
            SqliteCode::SystemIoFailure if reads(error) => Some(Self::Unreadable),
            // A file at its size limit (`ulimit -f`) or quota fails with an I/O error, not with `SQLITE_FULL`.
            SqliteCode::SystemIoFailure => Some(Self::Full),
            SqliteCode::DatabaseBusy | SqliteCode::DatabaseLocked => Some(Self::Locked),
            SqliteCode::ReadOnly => Some(Self::ReadOnly),
            SqliteCode::DatabaseCorrupt
            | SqliteCode::NotADatabase
            | SqliteCode::CannotOpen
            | SqliteCode::PermissionDenied => Some(Self::Unreadable),
            _ => None,
        }
    }
}

/// Returns true if an I/O error is one of reading.
fn reads(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_IOERR_CORRUPTFS, SQLITE_IOERR_DATA, SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ};
    let codes = [SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ, SQLITE_IOERR_CORRUPTFS, SQLITE_IOERR_DATA];
    error.sqlite_error().is_some_and(|error| codes.contains(&error.extended_code))
}

#[cfg(test)]
mod tests {
    use super::Trouble;

    #[test]
    fn the_error_of_a_statement_is_no_trouble() {
        let of = |code| Trouble::of(&rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
        use rusqlite::ffi;
        assert_eq!(of(ffi::SQLITE_CONSTRAINT), None);
        assert_eq!(of(ffi::SQLITE_INTERRUPT), None);
        assert_eq!(of(ffi::SQLITE_IOERR_READ), Some(Trouble::Unreadable));
        assert_eq!(of(ffi::SQLITE_IOERR_WRITE), Some(Trouble::Full));
        assert_eq!(of(ffi::SQLITE_NOTADB), Some(Trouble::Unreadable));
        assert_eq!(of(ffi::SQLITE_BUSY), Some(Trouble::Locked));
    }
}
