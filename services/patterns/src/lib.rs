//! The patterns service: recommends and injects the prompt patterns of a catalogue. No pattern is injected without a
//! verdict. The modules `catalog` and `score` do not know who calls them.

pub mod catalog;
pub mod index;
mod judged_request;
pub mod resources;
pub mod score;
mod settings;
pub mod template;
pub mod tools;
pub mod usage;

use catalog::Catalog;
use clap::Subcommand;
use futures::FutureExt;
use mcp_contracts::metric;
use mcp_kit::data::{FolderData, Live, Problems, Reloader};
use mcp_kit::telemetry::zero_counters;
use mcp_kit::{Application, Erase, ServiceCommand, Settings, SingleUse, Start, Verdicts};
pub use settings::PatternsSettings;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use usage::UsageLog;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}\nhint: `mcp-patterns check-catalog DIR` checks the catalogue without starting the service")]
    Catalog(#[from] Problems),
    #[error(transparent)]
    Open(#[from] mcp_kit::database::OpenError),
    #[error(transparent)]
    Database(#[from] mcp_kit::database::DatabaseError),
}

/// The parts of the service that tools and resources use. Clones share them.
#[derive(Clone)]
pub struct ServiceParts {
    pub catalog: Live<Catalog>,
    pub usage: UsageLog,
    pub verdicts: Verdicts,
    pub single_use: SingleUse,
}

/// Opens the catalogue and the database, and returns the application with its tools.
///
/// # Errors
/// Fails if the catalogue or the database cannot be used.
pub async fn start(start: Start<PatternsSettings>) -> Result<Application, StartError> {
    zero_counters(metric::PATTERN_CATALOG_RELOADS_TOTAL, &[("outcome", &Catalog::OUTCOMES)]);
    zero_counters(metric::VERDICTS_REFUSED_TOTAL, &[]);
    zero_counters(metric::PATTERN_SELECTIONS_TOTAL, &[("outcome", &["found", "nothing"])]);
    zero_counters(metric::PATTERN_INJECTIONS_TOTAL, &[("outcome", &["accepted"]), ("reason", &["none"])]);
    let loading = start.readiness.latch("catalog");
    let (stop, mut reloading) = (CancellationToken::new(), JoinSet::new());
    let catalog = match start.own.catalog_dir {
        Some(folder) => {
            let (reloader, live) = Reloader::start(folder, start.readiness.clone())?;
            reloading.spawn(reloader.run(stop.clone()));
            live
        }
        None => Live::new(Catalog::built_in()?),
    };
    drop(loading);
    let opening = start.readiness.latch("store");
    let usage = UsageLog::open(start.settings.database_url.reveal())?;
    usage.watch(&start.readiness);
    usage.publish_metrics().await?;
    drop(opening);
    let parts = ServiceParts { catalog, usage, verdicts: start.verdicts.clone(), single_use: start.single_use.clone() };
    let closing = parts.usage.clone();
    let shutdown = move || {
        async move {
            stop.cancel();
            reloading.join_all().await;
            closing.close().await;
        }
        .boxed()
    };
    let resources = Arc::new(resources::PatternResources::new(parts.clone()));
    Ok(Application::new(tools::all(&parts)).with_resources(resources).with_shutdown(shutdown))
}

#[derive(Debug, Subcommand)]
pub enum PatternsCommand {
    /// Checks a catalogue and reports every problem.
    CheckCatalog {
        /// Folder of the catalogue; default is `CATALOG_DIR`, else the built-in catalogue.
        folder: Option<PathBuf>,
    },
    /// Erases the uses that an organisation, or one user of it, has logged; the service may be running.
    Erase(Erase),
    /// Prints the JSON Schema of catalogue files.
    CatalogSchema,
}

impl ServiceCommand<PatternsSettings> for PatternsCommand {
    fn run(self, settings: &Settings, own: &PatternsSettings) -> Result<(), String> {
        let text = match self {
            Self::Erase(whose) => return usage::erase(&whose, settings),
            Self::CheckCatalog { folder } => {
                let folder = folder.or_else(|| own.catalog_dir.clone());
                let catalog = folder.map_or_else(Catalog::built_in, |folder| Catalog::load(&folder));
                let catalog = catalog.map_err(|problems| problems.to_string())?;
                let (patterns, categories) = (catalog.patterns().len(), catalog.categories().len());
                format!("{patterns} patterns in {categories} categories, version {}\n", catalog.version())
            }
            Self::CatalogSchema => catalog::schema(),
        };
        std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("cannot write the output: {error}"))
    }
}
