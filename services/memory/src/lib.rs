//! The memory service: long-term memories of many tenants. The tools use requests and the [`store::Store`] trait, and a
//! store uses tenants and rows. Neither can find out how a call arrived.

pub mod confirm;
pub mod convert;
pub mod cursor;
pub mod index;
pub mod measure;
pub mod ranking;
pub mod settings;
pub mod store;
pub mod tenant;
pub mod terms;
mod time;
pub mod tools;

use clap::Subcommand;
use convert::Format;
use mcp_contracts::memory::Visibility;
use mcp_kit::database::postgres::PostgresTarget;
use mcp_kit::database::{OpenError, file_of};
use mcp_kit::{Application, Erase, ServiceCommand, Settings, Start};
use settings::MemorySettings;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use store::Store;
use store::postgres::PostgresStore;
use store::sqlite::{SCHEMA, SqliteStore, erase_portion};

/// # Errors
/// Fails if the database cannot be opened.
pub async fn start(start: Start<MemorySettings>) -> Result<Application, OpenError> {
    let opening = start.readiness.latch("store");
    let store: Arc<dyn Store> = match &start.own.postgres {
        Some(server) => {
            let store = PostgresStore::open(server).await?.with_storage_quota(start.own.storage);
            store.watch(&start.readiness);
            Arc::new(store)
        }
        None => {
            let file = file_of(start.settings.database_url.reveal())?;
            let store = SqliteStore::open(&file)?.with_storage_quota(start.own.storage);
            store.watch(&start.readiness);
            Arc::new(store)
        }
    };
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
    /// Measures how well the search finds the evidence for the built-in labelled questions.
    ///
    /// Stores the memories of the set in a temporary database, asks each question through the real search, and prints how often a memory with
    /// the evidence is the first hit and among the first ten, and the mean reciprocal rank (MRR@10): for each group of questions, for all of them,
    /// and for references. Settings and databases of the service are not used.
    ///
    /// Example: `mcp-memory measure --json > figures.json`
    Measure {
        /// Print JSON instead of a table; it also has the ids of the questions that were missed.
        #[arg(long)]
        json: bool,
    },
    /// Turns the export of another memory server into pages for `import_memories`, one on each line of stdout.
    ///
    /// Reads FILE only; nothing is stored. If a line cannot be converted, prints all such lines and no page.
    ///
    /// Example: `mcp-memory convert --from graph memory.jsonl > pages.jsonl`
    Convert {
        /// The server that wrote FILE.
        #[arg(long, value_enum)]
        from: Format,
        /// Makes the memories visible to the whole workspace; private if omitted.
        #[arg(long)]
        shared: bool,
        /// Keeps the ids of the export when the pages are imported.
        #[arg(long)]
        keep_ids: bool,
        /// The export.
        file: PathBuf,
    },
    /// Erases everything of an organisation, or of one user of it; the service may be running. Earlier backups still have it.
    Erase(Erase),
}

impl ServiceCommand<MemorySettings> for MemoryCommand {
    fn run(self, settings: &Settings, own: &MemorySettings) -> Result<(), String> {
        let database = || file_of(settings.database_url.reveal()).map_err(|error| error.to_string());
        if let Some(server) = &own.postgres {
            match &self {
                Self::Erase(erase) => return erase_on_server(server, erase),
                Self::Backup { .. } | Self::Restore { .. } => {
                    return Err(
                        "`backup` and `restore` copy an SQLite file, and `DATABASE_URL` names a Postgres server\n\
                        hint: use `pg_dump` and `pg_restore`"
                            .to_owned(),
                    );
                }
                Self::Measure { .. } | Self::Convert { .. } => {}
            }
        }
        match self {
            Self::Erase(erase) => erase.run(settings, &SCHEMA, erase_portion),
            Self::Backup { file, replace } => {
                let database = database()?;
                SCHEMA.backup(&database, &file, replace).map_err(|error| error.to_string())?;
                write_out("result", &format!("copied `{}` to `{}`\n", database.display(), file.display()))
            }
            Self::Restore { file } => {
                let database = database()?;
                // A wrong `DATABASE_URL` is no error, because a restore into an empty folder is as common as one over a database.
                let new = if database.exists() { "" } else { ", which did not exist," };
                SCHEMA.restore(&database, &file).map_err(|error| error.to_string())?;
                write_out("result", &format!("restored `{}`{new} from `{}`\n", database.display(), file.display()))
            }
            Self::Measure { json } => print_figures(json),
            Self::Convert { from, shared, keep_ids, file } => {
                let visibility = if shared { Visibility::Workspace } else { Visibility::Private };
                let pages = convert::file(&file, convert::Options { format: from, visibility, keep_ids })?;
                write_out("pages", &pages)
            }
        }
    }
}

fn erase_on_server(server: &PostgresTarget, erase: &Erase) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let erasing = async {
        let store = PostgresStore::open(server).await.map_err(|error| error.to_string())?;
        let erased = store.erase(erase).await.map_err(|error| error.to_string());
        store.close().await;
        erased
    };
    let rows = runtime.map_err(|error| format!("cannot start the runtime: {error}"))?.block_on(erasing)?;
    write_out("number of rows", &format!("{rows} rows erased\n"))
}

fn print_figures(json: bool) -> Result<(), String> {
    let rows = measure::rows()?;
    let text = if json { measure::json(&rows)? } else { measure::table(&rows) };
    write_out("figures", &text)
}

fn write_out(what: &str, text: &str) -> Result<(), String> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("failed to write the {what}: {error}"))
}
