//! The memory service: long-term memories of many tenants. Tools know requests and the [`store::Store`] trait; a store knows
//! tenants and rows; neither knows how a call arrived.

pub mod confirm;
pub mod cursor;
pub mod ranking;
pub mod store;
pub mod tenant;
pub mod terms;
pub mod tools;

use clap::Subcommand;
use mcp_kit::{Application, OwnCommand, Settings, Start};
use std::path::PathBuf;
use std::sync::Arc;
use store::Store;
use store::sqlite::SqliteStore;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The setting names a kind of database that this release has no store for.
    #[error("`DATABASE_URL` must be like `sqlite://data/memory.db` or `sqlite:///var/lib/mcp/memory.db`")]
    Url,
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] store::sqlite::OpenError),
}

/// Starts the service.
///
/// # Errors
/// Says what is wrong with the database.
pub async fn start(start: Start) -> Result<Application, StartError> {
    let path = database(&start.settings)?;
    let opening = start.readiness.latch("store");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path)?);
    drop(opening);
    let tools = tools::all(&store, confirm::Confirmations::new(start.settings.secret.reveal()));
    Ok(Application::new(tools).with_shutdown(move || store.close()))
}

/// The file that `DATABASE_URL` names.
fn database(settings: &Settings) -> Result<PathBuf, StartError> {
    let url = settings.database_url.reveal();
    url.strip_prefix("sqlite://").filter(|path| !path.is_empty()).map(PathBuf::from).ok_or(StartError::Url)
}

/// Subcommands besides `serve`.
#[derive(Debug, Subcommand)]
pub enum MemoryCommand {
    /// Writes a checked copy of the database to FILE; the service may be running.
    Backup {
        /// The copy; it appears only when it is complete.
        file: PathBuf,
    },
    /// Puts the copy FILE in the place of the database; the service may be running.
    Restore {
        /// A file that `backup` made.
        file: PathBuf,
    },
}

impl OwnCommand for MemoryCommand {
    fn run(self, settings: &Settings, _own: &()) -> Result<(), String> {
        let database = database(settings).map_err(|error| error.to_string())?;
        match self {
            Self::Backup { file } => store::sqlite::backup(&database, &file),
            Self::Restore { file } => store::sqlite::restore(&database, &file),
        }
    }
}
