//! `erase`, a subcommand of every service that stores data of users.

use crate::database::{OpenError, Portions, Schema, file_of};
use crate::settings::Settings;
use clap::Args;
use rusqlite::{Transaction, params};
use std::io::Write;

/// Rows that one transaction erases, so that a running service waits only for some milliseconds.
pub const ERASED_ROWS: usize = 64;

/// Whose data is erased.
#[derive(Debug, Clone, Args)]
pub struct Erase {
    /// The organisation, as `orgId` in its tokens.
    #[arg(long)]
    pub organisation: String,
    /// Only this user of it, as `sub` in the user's tokens; default is everything of the organisation.
    #[arg(long)]
    pub user: Option<String>,
}

impl Erase {
    /// Erases what `portion` deletes, in transactions of their own, and prints the number of deleted rows.
    ///
    /// # Errors
    /// Returns the text for stderr.
    pub fn run(
        &self,
        settings: &Settings,
        schema: &Schema<'_>,
        portion: impl Fn(&Transaction<'_>, &Self) -> rusqlite::Result<usize>,
    ) -> Result<(), String> {
        let erase = || {
            let file = file_of(settings.database_url.reveal())?;
            schema.in_portions(&file, |transaction| portion(transaction, self))
        };
        let Portions { changes, is_log_empty } = erase().map_err(|error: OpenError| error.to_string())?;
        let log = if is_log_empty {
            ""
        } else {
            "; the running service still has the texts in its `-wal` file, until it has written some more or restarts"
        };
        let text = format!("{changes} rows erased{log}\n");
        std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("cannot write the output: {error}"))
    }

    /// Runs statements that each delete some rows: `?1` is the organisation, `?2` the user or NULL, `?3` the number of rows.
    ///
    /// # Errors
    /// Fails as SQLite does.
    pub fn delete(&self, transaction: &Transaction<'_>, statements: &[&str]) -> rusqlite::Result<usize> {
        let values = params![self.organisation, self.user, ERASED_ROWS as i64];
        statements.iter().map(|statement| transaction.prepare_cached(statement)?.execute(values)).sum()
    }
}
