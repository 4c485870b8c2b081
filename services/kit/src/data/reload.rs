//! Reloads the data of a service when the files in its folder change. A set of files with any problem is rejected as a
//! whole: the last
//! good data stays in force, the problems are logged, and `/readyz` reports a fallback until the files are repaired.

use super::{DataFile, Problem, Problems};
use crate::readiness::{Degraded, Readiness};
use notify::{RecursiveMode, Watcher};
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Interval of polling. Polling runs beside the watcher because network file systems and some mounts report no changes.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Time for which the files must stay unchanged before they are loaded, because an editor or `kubectl` may write a set
/// in several steps.
const SETTLE_TIME: Duration = Duration::from_millis(50);
/// Maximum number of waits of [`SETTLE_TIME`]: files that never stop changing are loaded as they are after one second.
const MAX_SETTLE_ROUNDS: usize = 20;
/// Maximum number of problems logged for one set of files, so that a broken folder cannot flood the log.
const MAX_LOGGED: usize = 20;

/// Data that a service loads from a folder.
pub trait FolderData: Send + Sync + Sized + 'static {
    /// Name of the data in messages and in the `fallbacks` of `/readyz`, such as `rules`.
    const NAME: &'static str;
    /// Counter of loads; its label `outcome` is one of [`Self::OUTCOMES`].
    const METRIC: &'static str;
    /// Label of a load that was applied, then that of a load that was rejected.
    const OUTCOMES: [&'static str; 2];

    /// Reads the files of `folder`; blocks on the disk.
    ///
    /// # Errors
    /// A problem for each file that cannot be read.
    fn read_files(folder: &Path) -> Result<Vec<DataFile>, Vec<Problem>>;

    /// Builds the data.
    ///
    /// # Errors
    /// Every problem of every file.
    fn from_files(files: Vec<DataFile>) -> Result<Self, Problems>;

    /// Version for the log.
    fn version(&self) -> &str;

    /// Reads the files and builds the data from them.
    ///
    /// # Errors
    /// Every problem of every file.
    fn load(folder: &Path) -> Result<Self, Problems> {
        build(Self::read_files(folder))
    }
}

/// The data in force. Clones share it.
#[derive(Debug)]
pub struct Live<T> {
    current: Arc<RwLock<Arc<T>>>,
}

impl<T> Live<T> {
    pub fn new(data: T) -> Self {
        Self { current: Arc::new(RwLock::new(Arc::new(data))) }
    }

    /// Returns the data in force now. A request keeps what it got to its end, so that one request never sees two versions.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.current.read())
    }

    fn replace(&self, data: T) {
        *self.current.write() = Arc::new(data);
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self { current: Arc::clone(&self.current) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// The files have not changed.
    Unchanged,
    /// The files have changed and are in force.
    Applied,
    /// The files have changed and have problems; the last good data stays in force.
    Rejected,
}

/// Keeps a [`Live`] equal to the files of one folder.
pub struct Reloader<T> {
    folder: PathBuf,
    live: Live<T>,
    readiness: Readiness,
    fingerprint: [u8; 32],
    /// True if the data in force came from at least one file.
    has_files: bool,
    degraded: Option<Degraded>,
}

/// Why a folder that lost all of its files is rejected.
const EMPTIED: &str =
    "the folder has become empty; to have no data of your own, leave one file with a comment in it, or restart";

type Files = Result<Vec<DataFile>, Vec<Problem>>;

impl<T: FolderData> Reloader<T> {
    /// Loads the files for the first time.
    ///
    /// # Errors
    /// Every problem of every file: without a first good set there is no data to serve with.
    pub fn start(folder: PathBuf, readiness: Readiness) -> Result<(Self, Live<T>), Problems> {
        let files = T::read_files(&folder);
        let fingerprint = fingerprint(&files);
        let has_files = has_files(&files);
        let live = Live::new(build(files)?);
        Ok((Self { folder, live: live.clone(), readiness, fingerprint, has_files, degraded: None }, live))
    }

    /// Loads the files if they have changed. Blocks on the disk.
    pub fn reload(&mut self) -> ReloadOutcome {
        let mut files = T::read_files(&self.folder);
        let mut now = fingerprint(&files);
        if now == self.fingerprint {
            return ReloadOutcome::Unchanged;
        }
        for _ in 0..MAX_SETTLE_ROUNDS {
            std::thread::sleep(SETTLE_TIME);
            files = T::read_files(&self.folder);
            let next = fingerprint(&files);
            if next == std::mem::replace(&mut now, next) {
                break;
            }
        }
        // Set for rejected files as well, so that one bad set is logged and counted once and not at every poll.
        self.fingerprint = now;
        let [applied, rejected] = T::OUTCOMES;
        let now_has_files = has_files(&files);
        // A volume that is no longer mounted looks like an empty folder, so emptying one is never taken for a wish to have no rules.
        let emptied = self.has_files && files.as_ref().is_ok_and(Vec::is_empty);
        let files = if emptied { Err(vec![Problem::of_file(".", EMPTIED)]) } else { files };
        let (outcome, label) = match build::<T>(files) {
            Ok(data) => {
                self.has_files = now_has_files;
                tracing::info!(data = T::NAME, version = data.version(), "changed files are in force");
                self.live.replace(data);
                self.degraded = None;
                (ReloadOutcome::Applied, applied)
            }
            Err(problems) => {
                log_problems::<T>(&problems);
                self.degraded.get_or_insert_with(|| self.readiness.degraded(T::NAME));
                (ReloadOutcome::Rejected, rejected)
            }
        };
        metrics::counter!(T::METRIC, "outcome" => label).increment(1);
        outcome
    }

    /// Reloads the files whenever they change, until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        // A queue of one is enough: a reload covers every change reported before it.
        let (sender, mut changes) = mpsc::channel::<()>(1);
        // Every change leads to a look at the files, errors of the watcher too; the fingerprint decides if anything changed. Reading the files is an
        // access, which the watcher reports as well: without this filter each look would cause the next one, at the full speed of a core.
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| event.kind.is_access()) {
                let _ = sender.try_send(());
            }
        });
        // Kept until `run` returns: a watcher that is dropped stops watching.
        let watching = watcher.and_then(|mut watcher| {
            watcher.watch(&self.folder, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        if let Err(error) = &watching {
            tracing::warn!(%error, folder = %self.folder.display(), "the folder cannot be watched; it is polled");
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = changes.recv() => {}
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
            // Reading and compiling take long enough to delay other requests of this thread.
            let reload = tokio::task::spawn_blocking(move || {
                self.reload();
                self
            });
            match reload.await {
                Ok(reloader) => self = reloader,
                Err(error) => return tracing::error!(%error, data = T::NAME, "files are no longer reloaded"),
            }
        }
    }
}

fn has_files(files: &Files) -> bool {
    files.as_ref().is_ok_and(|files| !files.is_empty())
}

fn build<T: FolderData>(files: Files) -> Result<T, Problems> {
    T::from_files(files.map_err(|problems| Problems::new(T::NAME, problems))?)
}

fn log_problems<T: FolderData>(problems: &Problems) {
    for problem in problems.list().iter().take(MAX_LOGGED) {
        tracing::error!(
            data = T::NAME,
            file = problem.file,
            line = problem.line,
            item = problem.item,
            problem = problem.message,
            "a file is rejected; the last good version stays in force"
        );
    }
}

/// Returns a digest of names and texts. It ignores the times of the files, because some tools set them back and a copy may keep the old ones.
fn fingerprint(files: &Files) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    };
    match files {
        Ok(files) => files.iter().for_each(|file| {
            add(&file.name);
            add(&file.text);
        }),
        Err(problems) => problems.iter().for_each(|problem| add(&problem.to_string())),
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::folder::{FolderLimits, read};
    use std::sync::atomic::{AtomicUsize, Ordering};

    static READS: AtomicUsize = AtomicUsize::new(0);

    struct Counted;

    impl FolderData for Counted {
        const NAME: &'static str = "counted";
        const METRIC: &'static str = "counted_total";
        const OUTCOMES: [&'static str; 2] = ["applied", "rejected"];

        fn read_files(folder: &Path) -> Files {
            READS.fetch_add(1, Ordering::Relaxed);
            read(folder, None, FolderLimits { files: 4, file_bytes: 100 })
        }

        fn from_files(_: Vec<DataFile>) -> Result<Self, Problems> {
            Ok(Self)
        }

        fn version(&self) -> &str {
            "1"
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn reading_the_files_does_not_cause_the_next_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("own.yaml"), "# first").unwrap();
        let (reloader, _live) = Reloader::<Counted>::start(folder.path().to_owned(), Readiness::default()).unwrap();
        let stop = CancellationToken::new();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(reloader.run(stop.clone()));
        let first = READS.load(Ordering::Relaxed);
        let looked = async {
            while READS.load(Ordering::Relaxed) == first {
                std::fs::write(folder.path().join("own.yaml"), "# second").unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), looked).await.expect("the change was not looked at");
        // Shorter than the interval of polling. A watcher that reports its own reads causes thousands in this time.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let reads = READS.load(Ordering::Relaxed) - first;
        assert!(reads <= 2 * MAX_SETTLE_ROUNDS, "{reads} reads in a second");
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(30), tasks.join_all()).await.expect("the reloader does not stop");
    }
}
