//! `database_locked`: another writer of a part's database does not finish. The harness holds the lock that SQLite takes
//! for every write in WAL mode. Readers do not wait for it, so reads succeed. The lock belongs to an open file of this
//! process and ends with it, so it needs no undo entry.

use super::error::FaultError;
use super::injection::Injection;
use super::kind::{Fault, FaultHold, FaultResources, Step};
use super::problems::{needs_own_stack, no_database};
use crate::plan::Backend;
use crate::plan::topology::Topology;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The byte of the shared-memory file that a writer locks (`WAL_WRITE_LOCK`, section 2.3.1 of SQLite's WAL file
/// format).
const WRITE_LOCK: libc::off_t = 120;
/// Deadline for the injection to get the lock from a busy writer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Pause between two attempts. Shorter than the pause between two transactions of a busy writer, because a longer one
/// could find the lock taken every time.
const PAUSE: Duration = Duration::from_micros(100);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseLocked {
    pub part: String,
}

impl Fault for DatabaseLocked {
    fn kind(&self) -> &'static str {
        "database_locked"
    }

    fn target(&self) -> String {
        self.part.clone()
    }

    fn problems(&self, topology: &Topology) -> Vec<String> {
        no_database(topology, &self.part, self.kind())
    }

    fn unsupported(&self, backend: &Backend) -> Option<String> {
        match backend {
            Backend::Docker => Some(
                "locks a file of this machine, which `--backend docker` keeps in a container; use `--backend process`"
                    .to_owned(),
            ),
            Backend::Process | Backend::External { .. } | Backend::Target(_) => needs_own_stack(backend),
        }
    }

    fn inject<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, FaultResources> {
        Box::pin(async move {
            let path = shared_memory(injection, &self.part)?;
            // Not created: SQLite makes this file when a process opens the database, and a lock on any other file has
            // no effect.
            let file = OpenOptions::new().read(true).write(true).open(&path);
            let file = file.map_err(|error| injection.refused(format!("`{}`: {error}", path.display())))?;
            let start = Instant::now();
            loop {
                match lock(&file) {
                    Ok(()) => return Ok(FaultResources::held_by(file)),
                    // fcntl(2) allows either code for a lock that another process has.
                    Err(Errno::EAGAIN | Errno::EACCES) if start.elapsed() < DEADLINE => {
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(error) => {
                        return Err(injection.refused(format!("`{}` cannot be locked: {error}", path.display())));
                    }
                }
            }
        })
    }
}

/// Closing the file releases the lock.
impl FaultHold for File {}

/// The file beside a database in which the processes that use it take their locks.
fn shared_memory(injection: &Injection<'_>, part: &str) -> Result<PathBuf, FaultError> {
    let database = injection.stack.database(part);
    let database =
        database.ok_or_else(|| injection.refused(format!("`{part}` has no SQLite database on this machine")))?;
    let mut name = database.into_os_string();
    name.push("-shm");
    Ok(PathBuf::from(name))
}

fn lock(file: &File) -> Result<(), Errno> {
    let wanted = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: WRITE_LOCK,
        l_len: 1,
        l_pid: 0,
    };
    // A lock of the open file (OFD), not of the process, which would be released as soon as this process closes any
    // other descriptor of the file. Not `F_OFD_SETLKW`, which would block this thread of the runtime until the lock is
    // free.
    fcntl(file, FcntlArg::F_OFD_SETLK(&wanted)).map(|_| ())
}
