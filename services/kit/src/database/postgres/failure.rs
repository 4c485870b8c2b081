//! What an error of a Postgres server means: for the caller, for `/readyz`, and for a repetition.

use super::target::PostgresTarget;
use crate::database::error::DatabaseError;
use crate::database::trouble::Trouble;
use std::error::Error as _;
use std::fmt::Display;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Why a database cannot be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PostgresOpenError {
    #[error("`DATABASE_URL` {0}")]
    Url(String),
    #[error(
        "the database `{place}` cannot be reached: {why}\nhint: check `DATABASE_URL`, and that the server accepts connections from this machine"
    )]
    Unreachable { place: String, why: String },
    #[error(
        "the database `{place}` refuses the user `{user}`: {why}\nhint: check the user, the password and `pg_hba.conf`"
    )]
    Refused { place: String, user: String, why: String },
    #[error(
        "the server has no database of the name in `{place}`: {why}\nhint: create it: `CREATE DATABASE … OWNER {user}`"
    )]
    NoDatabase { place: String, user: String, why: String },
    #[error(
        "every server of `{place}` is read-only\nhint: it is a replica, or `default_transaction_read_only` is on; name the primary in `DATABASE_URL`, or all servers"
    )]
    ReadOnly { place: String },
    #[error(
        "the user `{user}` lacks a right in `{place}`: {why}\nhint: make the user the owner of the database: `ALTER DATABASE … OWNER TO {user}`"
    )]
    Rights { place: String, user: String, why: String },
    #[error(
        "the user `{user}` of `{place}` is not subject to row-level security\nhint: use a role without SUPERUSER and BYPASSRLS, such as from `CREATE ROLE mcp LOGIN`"
    )]
    Bypass { place: String, user: String },
    #[error(
        "the database `{place}` has the encoding {encoding}, but texts need UTF8\nhint: create it with `ENCODING 'UTF8' TEMPLATE template0`"
    )]
    Encoding { place: String, encoding: String },
    #[error(
        "the database `{place}` has tables of another program: {why}\nhint: set `DATABASE_URL` to another database"
    )]
    Foreign { place: String, why: String },
    #[error(
        "the database `{place}` has version {version}, but this release supports versions up to {newest}\nhint: run the release that wrote it, or a newer one"
    )]
    Newer { place: String, version: usize, newest: usize },
    #[error(
        "the database `{place}` cannot be migrated from version {from} to the next: {why}\nhint: it still has version {from}, which the previous \
         release can use"
    )]
    Migration { place: String, from: usize, why: String },
}

impl PostgresOpenError {
    pub(super) fn unreachable(target: &PostgresTarget, why: &impl Display) -> Self {
        Self::Unreachable { place: target.place(), why: why.to_string() }
    }

    /// Returns the error of a connection that was refused or failed.
    pub(super) fn connecting(target: &PostgresTarget, error: &Error) -> Self {
        let (place, user, why) = (target.place(), target.user().to_owned(), text(error));
        match error.code() {
            Some(code)
                if is_one_of(code, &[SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION]) =>
            {
                Self::Refused { place, user, why }
            }
            Some(code) if *code == SqlState::INVALID_CATALOG_NAME => Self::NoDatabase { place, user, why },
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => Self::Rights { place, user, why },
            Some(_) => Self::Unreachable { place, why },
            // The driver connects to each server and reports this if none accepts writes.
            None if why.contains("does not allow writes") => Self::ReadOnly { place },
            None if why.contains("password") => Self::Refused { place, user, why },
            None => Self::Unreachable { place, why },
        }
    }

    /// Returns the error of the migration of a database of this version.
    pub(super) fn migrating(target: &PostgresTarget, from: usize, error: &Error) -> Self {
        let (place, user, why) = (target.place(), target.user().to_owned(), text(error));
        match error.code() {
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => Self::Rights { place, user, why },
            Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Self::ReadOnly { place },
            Some(code) if *code == SqlState::DUPLICATE_TABLE && from == 0 => Self::Foreign { place, why },
            Some(_) | None => Self::Migration { place, from, why },
        }
    }
}

/// Returns the text of an error with its causes. The text of the driver alone is `db error`.
pub(super) fn text(error: &Error) -> String {
    if let Some(reported) = error.as_db_error() {
        return format!("{} ({})", reported.message(), reported.code().code());
    }
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(why) = cause {
        text = format!("{text}: {why}");
        cause = why.source();
    }
    text
}

/// Returns what an error says about the database as a whole; the error of a statement says nothing.
pub(super) fn trouble_of(error: &Error) -> Option<Trouble> {
    match error.code() {
        // Without an answer of the server, unless the driver refused a value before it was sent.
        None if is_about_a_value(error) => None,
        None if text(error).contains("does not allow writes") => Some(Trouble::ReadOnly),
        None => Some(Trouble::Unreachable),
        Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Some(Trouble::ReadOnly),
        Some(code) if *code == SqlState::DISK_FULL => Some(Trouble::Full),
        Some(code) if is_lost(code) => Some(Trouble::Unreachable),
        Some(code) if is_one_of(code, &[SqlState::UNDEFINED_TABLE, SqlState::INSUFFICIENT_PRIVILEGE]) => {
            Some(Trouble::Unreadable)
        }
        Some(_) => None,
    }
}

/// Returns true if the same work can succeed on another connection or in another transaction. Nothing was stored before.
pub(super) fn is_repeatable(error: &Error) -> bool {
    match error.code() {
        None => error.is_closed() || !is_about_a_value(error),
        Some(code) => {
            // The primary may have become a standby: a new connection finds the one that accepts writes. A unique violation is one of two instances
            // that stored the same; the second run finds the row.
            is_lost(code)
                || is_one_of(
                    code,
                    &[
                        SqlState::READ_ONLY_SQL_TRANSACTION,
                        SqlState::T_R_SERIALIZATION_FAILURE,
                        SqlState::T_R_DEADLOCK_DETECTED,
                        SqlState::UNIQUE_VIOLATION,
                    ],
                )
        }
    }
}

/// Returns true if the server of a connection has gone or accepts no writes any more, which its other connections cannot know.
pub(super) fn is_gone(error: &Error) -> bool {
    match error.code() {
        None => !is_about_a_value(error),
        Some(code) => is_lost(code) || *code == SqlState::READ_ONLY_SQL_TRANSACTION,
    }
}

/// Returns the error of a statement. The message of the server may quote a request, so it goes to the log only.
pub(super) fn of_statement(error: &Error) -> DatabaseError {
    let is = |codes: &[SqlState]| error.code().is_some_and(|code| is_one_of(code, codes));
    if is(&[SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED]) {
        return DatabaseError::Locked;
    }
    match trouble_of(error) {
        Some(Trouble::Full) => {
            tracing::error!(error = text(error), "the database cannot write");
            DatabaseError::Full
        }
        // Also read-only: the server may be about to become the primary, or another one is.
        Some(Trouble::Unreachable | Trouble::ReadOnly) => {
            tracing::error!(error = text(error), "the database server is unreachable or read-only");
            DatabaseError::Unreachable(text(error))
        }
        Some(trouble) => {
            tracing::error!(error = text(error), "the database cannot be used");
            DatabaseError::Unusable { trouble, why: text(error) }
        }
        None => {
            tracing::error!(error = text(error), "the database failed");
            DatabaseError::Failed(text(error))
        }
    }
}

/// Returns the error of a commit. Without an answer of the server it may have happened.
pub(super) fn of_commit(error: &Error) -> DatabaseError {
    match error.code() {
        Some(code) if !is_lost(code) => of_statement(error),
        Some(_) | None => {
            tracing::error!(error = text(error), "the connection was lost while a write was committed");
            DatabaseError::Unconfirmed
        }
    }
}

/// Returns true if the connection has ended or the server is about to stop.
fn is_lost(code: &SqlState) -> bool {
    // `57P`: an operator or a limit of the server has ended the session, such as by a shutdown, or because it was idle.
    ["08", "57P"].iter().any(|class| code.code().starts_with(class))
        || is_one_of(code, &[SqlState::TOO_MANY_CONNECTIONS, SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT])
}

/// Returns true if the driver could not turn a value into a parameter or a column into a value.
fn is_about_a_value(error: &Error) -> bool {
    let text = error.to_string();
    !error.is_closed()
        && ["serializing", "deserializing", "parameters", "column"].iter().any(|part| text.contains(part))
}

fn is_one_of(code: &SqlState, codes: &[SqlState]) -> bool {
    codes.contains(code)
}

#[cfg(test)]
mod tests {
    use super::{SqlState, is_lost};

    #[test]
    fn an_ended_session_is_lost_and_a_cancelled_statement_is_not() {
        let lost = |code| is_lost(&SqlState::from_code(code));
        // Shutdown, crash, start, dropped database, idle for too long, idle in a transaction, too many connections.
        for code in ["08006", "08P01", "57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "53300"] {
            assert!(lost(code), "{code}");
        }
        for code in ["57014", "55P03", "40001", "23505", "25006", "53100"] {
            assert!(!lost(code), "{code}");
        }
    }
}
