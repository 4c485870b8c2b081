//! Somebody else writes a part's database and does not come to an end: the harness holds the lock that SQLite takes for every write in WAL
//! mode, so that reads go on. The lock is on an open file of the harness: closed, by whatever ended the harness, it is gone.

use super::error::FaultError;
use super::injection::Injection;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The byte of the shared-memory file that stands for the right to write (SQLite, `WAL_WRITE_LOCK`, section 2.3.1 of its WAL file format).
const WRITE_LOCK: libc::off_t = 120;
/// How long a busy writer may keep us waiting.
const DEADLINE: Duration = Duration::from_secs(10);
/// Shorter than the pause between two transactions of a busy writer.
const PAUSE: Duration = Duration::from_micros(100);

pub(super) async fn inject(injection: &Injection<'_>, part: &str) -> Result<File, FaultError> {
    let path = shared_memory(injection, part)?;
    let file = OpenOptions::new().read(true).write(true).open(&path);
    let file = file.map_err(|error| injection.refused(format!("`{}`: {error}", path.display())))?;
    let start = Instant::now();
    loop {
        match lock(&file) {
            Ok(()) => return Ok(file),
            Err(Errno::EAGAIN | Errno::EACCES) if start.elapsed() < DEADLINE => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(injection.refused(format!("`{}` cannot be locked: {error}", path.display()))),
        }
    }
}

/// The file next to the database through which its users agree.
fn shared_memory(injection: &Injection<'_>, part: &str) -> Result<PathBuf, FaultError> {
    let database = injection.stack.database(part);
    let database =
        database.ok_or_else(|| injection.refused(format!("`{part}` has no SQLite database on this machine")))?;
    let mut name = database.into_os_string();
    name.push("-shm");
    Ok(PathBuf::from(name))
}

fn lock(file: &File) -> Result<(), Errno> {
    // A lock of the open file and not of the process: another look at the database from here must not release it.
    let wanted = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: WRITE_LOCK,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&wanted)).map(|_| ())
}
