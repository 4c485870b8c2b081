//! Keeps the rules in force equal to the files on disk. A set in which anything is wrong is never taken: the last good one stays, the
//! problems are logged with file and line, and readiness says so until the files are right.

use crate::live::Live;
use crate::rules::{Library, Problems, Source, baseline, folder};
use mcp_contracts::metric;
use mcp_kit::Readiness;
use mcp_kit::readiness::Degraded;
use notify::{RecursiveMode, Watcher};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at although nobody says that they changed; some file systems never say so.
const POLL: Duration = Duration::from_secs(2);
/// How long the files must read the same before they count: a file may be written in several steps.
const STEADY: Duration = Duration::from_millis(50);
/// Most looks for that; files that never rest are taken as they are.
const MAX_LOOKS: usize = 20;
/// Most problems that are logged of one look.
const MAX_LOGGED: usize = 20;
/// What is degraded while the files on disk are bad.
pub const DEGRADED: &str = "rules";

/// What a look at the files led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// They are what they were.
    Unchanged,
    /// Other rules are in force.
    Applied,
    /// The files are bad; the last good rules stay.
    Rejected,
}

/// Looks after a folder of rules.
pub struct Reloader {
    folder: PathBuf,
    live: Live,
    readiness: Readiness,
    seen: [u8; 32],
    degraded: Option<Degraded>,
}

/// The rules of `folder` beside the built-in ones.
///
/// # Errors
/// Every problem of every file.
pub fn load(folder: Option<&std::path::Path>) -> Result<Library, Problems> {
    let sources = folder.map_or_else(|| Ok(Vec::new()), folder::sources)?;
    build(&sources)
}

fn build(sources: &[Source]) -> Result<Library, Problems> {
    let mut all = baseline::sources();
    all.extend_from_slice(sources);
    Library::build(&all)
}

impl Reloader {
    /// Reads the files for the first time and begins with them.
    ///
    /// # Errors
    /// Every problem of every file: without a first good set there is nothing to go on with.
    pub fn start(folder: PathBuf, readiness: Readiness) -> Result<(Self, Live), Problems> {
        let read = folder::sources(&folder);
        let seen = folder::fingerprint(&read);
        let live = Live::new(build(&read?)?);
        Ok((Self { folder, live: live.clone(), readiness, seen, degraded: None }, live))
    }

    /// Looks at the files once. Blocks on the disk.
    pub fn look(&mut self) -> Outcome {
        let mut read = folder::sources(&self.folder);
        let mut seen = folder::fingerprint(&read);
        if seen == self.seen {
            return Outcome::Unchanged;
        }
        for _ in 0..MAX_LOOKS {
            std::thread::sleep(STEADY);
            read = folder::sources(&self.folder);
            let again = folder::fingerprint(&read);
            if again == std::mem::replace(&mut seen, again) {
                break;
            }
        }
        self.seen = seen;
        let outcome = match read.and_then(|sources| build(&sources)) {
            Ok(library) => {
                let (rules, version) = (library.common().set.rules().len(), library.common().version.clone());
                self.live.replace(library);
                self.degraded = None;
                tracing::info!(rules, version, "the rules have changed");
                Outcome::Applied
            }
            Err(problems) => {
                for problem in problems.0.iter().take(MAX_LOGGED) {
                    tracing::error!(
                        file = problem.file,
                        line = problem.line,
                        rule = problem.rule,
                        problem = problem.message,
                        "a rule file is bad; the last good rules stay in force"
                    );
                }
                self.degraded.get_or_insert_with(|| self.readiness.degraded(DEGRADED));
                Outcome::Rejected
            }
        };
        let word = if outcome == Outcome::Applied { "applied" } else { "rejected" };
        metrics::counter!(metric::GUARDRAIL_RELOAD_TOTAL, "outcome" => word).increment(1);
        outcome
    }

    /// Looks at the files whenever they change, until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        // One waiting note is enough: a look sees everything that happened before it.
        let (note, mut noted) = mpsc::channel::<()>(1);
        let watcher = notify::recommended_watcher(move |_| {
            let _ = note.try_send(());
        });
        let watching = watcher.and_then(|mut watcher| {
            watcher.watch(&self.folder, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        if let Err(error) = &watching {
            tracing::warn!(%error, folder = %self.folder.display(), "changes are seen by looking now and then");
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = noted.recv() => {}
                () = tokio::time::sleep(POLL) => {}
            }
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            match looked.await {
                Ok(reloader) => self = reloader,
                Err(error) => {
                    tracing::error!(%error, "rules are no longer reloaded");
                    return;
                }
            }
        }
    }
}
