//! The catalogue in use. It follows its folder; while the folder is bad, the last good one stays, and the service says so.

use super::{Catalog, CatalogError};
use mcp_contracts::metric;
use mcp_kit::Readiness;
use mcp_kit::readiness::Degraded;
use parking_lot::RwLock;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// How often the folder is looked at. A look costs as many `stat` calls as there are files, and works on every file system.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The catalogue in use. Clones share it.
#[derive(Debug, Clone)]
pub struct LiveCatalog {
    current: Arc<RwLock<Arc<Catalog>>>,
}

impl LiveCatalog {
    /// Begins with a catalogue.
    pub fn new(catalog: Catalog) -> Self {
        Self { current: Arc::new(RwLock::new(Arc::new(catalog))) }
    }

    /// The catalogue of this moment; a call keeps it to its end.
    pub fn get(&self) -> Arc<Catalog> {
        Arc::clone(&self.current.read())
    }

    /// Follows `folder` until it is told to stop.
    pub async fn follow(self, folder: PathBuf, readiness: Readiness, stop: CancellationToken) {
        let mut follower = Follower { live: self, folder, seen: None, readiness, degraded: None };
        // What is in use was read from the folder just now, but perhaps it has changed since.
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let looked = tokio::task::spawn_blocking(move || {
                follower.look();
                follower
            });
            match looked.await {
                Ok(back) => follower = back,
                Err(error) => return tracing::error!(%error, "the catalogue is not followed any more"),
            }
        }
    }
}

struct Follower {
    live: LiveCatalog,
    folder: PathBuf,
    seen: Option<Vec<Seen>>,
    readiness: Readiness,
    degraded: Option<Degraded>,
}

/// What a file looks like from outside.
type Seen = (PathBuf, u64, Option<SystemTime>);

impl Follower {
    fn look(&mut self) {
        let now = fingerprint(&self.folder);
        if self.seen.as_ref() == Some(&now) {
            return;
        }
        self.seen = Some(now);
        match Catalog::from_folder(&self.folder) {
            Ok(catalog) => {
                self.degraded = None;
                if catalog.version() != self.live.get().version() {
                    tracing::info!(version = catalog.version(), patterns = catalog.patterns().len(), "a new catalogue");
                    *self.live.current.write() = Arc::new(catalog);
                    reloads("loaded");
                }
            }
            Err(error) => self.keep_last_good(&error),
        }
    }

    fn keep_last_good(&mut self, error: &CatalogError) {
        reloads("refused");
        for problem in &error.problems {
            tracing::warn!(file = problem.file, line = problem.line, problem = problem.what, "the catalogue is bad");
        }
        tracing::warn!(problems = error.problems.len(), "the last good catalogue stays in use");
        if self.degraded.is_none() {
            self.degraded = Some(self.readiness.degraded("catalog"));
        }
    }
}

fn reloads(outcome: &'static str) {
    metrics::counter!(metric::PATTERN_CATALOG_RELOADS_TOTAL, "outcome" => outcome).increment(1);
}

fn fingerprint(folder: &Path) -> Vec<Seen> {
    let files = files(folder).unwrap_or_default();
    let seen = files.into_iter().map(|file| {
        let known = std::fs::metadata(&file).ok();
        let size = known.as_ref().map_or(0, std::fs::Metadata::len);
        (file, size, known.and_then(|known| known.modified().ok()))
    });
    seen.collect()
}

/// The catalogue files of a folder, by name.
pub(super) fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
