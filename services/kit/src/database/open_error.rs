//! Why a database cannot be opened, for the operator who starts the service.

use super::postgres::failure::PostgresOpenError;
use rusqlite::ErrorCode as SqliteCode;
use std::fmt::Display;
use std::path::Path;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("`DATABASE_URL` must be like `sqlite://data/name.db` or `sqlite:///var/lib/mcp/name.db`")]
    Url,
    #[error(
        "the database `{path}` cannot be opened: {why}\nhint: check that its folder exists, is writable and not full"
    )]
    Unreachable { path: String, why: String },
    // A restore into a damaged file fails too, so the hint asks to move the file first.
    #[error(
        "the database `{path}` is damaged or not an SQLite database: {why}\nhint: the file was not changed; stop the service, move the file and \
         its `-wal` and `-shm` files away, then restore a backup or start with an empty database"
    )]
    Damaged { path: String, why: String },
    #[error("the database `{path}` belongs to another program\nhint: set `DATABASE_URL` to another file")]
    Foreign { path: String },
    #[error(
        "the database `{path}` has version {version}, but this release supports versions up to {newest}\nhint: run the release that wrote it, or a newer one"
    )]
    Newer { path: String, version: usize, newest: usize },
    #[error(
        "the database `{path}` cannot be migrated from version {from} to the next: {why}\nhint: the file still has version {from}, which the \
         previous release can use"
    )]
    Migration { path: String, from: usize, why: String },
    #[error(
        "`DATABASE_URL` names a Postgres server, which only the memory service supports\nhint: use a file, such as `sqlite://data/name.db`"
    )]
    OnlyFile,
    #[error(transparent)]
    Postgres(#[from] PostgresOpenError),
}

impl OpenError {
    pub(super) fn unreachable(file: &Path, why: &impl Display) -> Self {
        Self::Unreachable { path: file.display().to_string(), why: why.to_string() }
    }

    pub(super) fn sqlite(file: &Path, error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(SqliteCode::DatabaseCorrupt | SqliteCode::NotADatabase) => {
                Self::Damaged { path: file.display().to_string(), why: error.to_string() }
            }
            Some(_) | None => Self::unreachable(file, error),
        }
    }
}
