//! The memory service: long-term memories of many tenants. The tools use requests and the [`store::Store`] trait, and a
//! store uses tenants and rows. Neither can find out how a call arrived.

pub mod confirm;
pub mod cursor;
pub mod ranking;
pub mod store;
pub mod tenant;
pub mod terms;
mod time;
pub mod tools;

use clap::Subcommand;
use mcp_kit::database::{OpenError, file_of};
use mcp_kit::{Application, OwnCommand, Settings, Start};
use std::path::PathBuf;
use std::sync::Arc;
use store::Store;
use store::sqlite::{SCHEMA, SqliteStore};

/// # Errors
/// Fails if the database cannot be opened.
pub async fn start(start: Start) -> Result<Application, OpenError> {
    let file = file_of(start.settings.database_url.reveal())?;
    let opening = start.readiness.latch("store");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&file)?);
    drop(opening);
    let tools = tools::all(
        &store,
        confirm::Confirmations::new(start.settings.accepted_secrets().map(mcp_kit::settings::Secret::reveal)),
    );
    Ok(Application::new(tools).with_shutdown(move || store.close()))
}

/// Subcommands besides `serve`.
#[derive(Debug, Subcommand)]
pub enum MemoryCommand {
    /// Writes a checked copy of the database to FILE; the service may be running.
    Backup {
        /// The backup; it appears only when it is complete.
        file: PathBuf,
        /// Overwrites FILE if it exists.
        #[arg(long)]
        replace: bool,
    },
    /// Replaces the content of the database with the backup FILE; the service may be running.
    Restore {
        /// A file that `backup` wrote.
        file: PathBuf,
    },
}

impl OwnCommand for MemoryCommand {
    fn run(self, settings: &Settings, _own: &()) -> Result<(), String> {
        let database = file_of(settings.database_url.reveal()).map_err(|error| error.to_string())?;
        let done = match self {
            Self::Backup { file, replace } => SCHEMA.backup(&database, &file, replace),
            Self::Restore { file } => SCHEMA.restore(&database, &file),
        };
        done.map_err(|error| error.to_string())
    }
}
