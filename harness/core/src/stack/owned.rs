//! Starts processes that die with the harness, however it ends. The kernel kills such a process when the thread that
//! started it ends (`PR_SET_PDEATHSIG`), even if the reaper is killed together with the harness.

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The hidden subcommand that runs [`become_program`].
pub const SUBCOMMAND: &str = "__become";

type Job = Box<dyn FnOnce() + Send>;

/// Returns a command that runs `program` and dies with this process. Start it with [`spawn`]. `executable` is the binary
/// of the harness.
pub(crate) fn command(executable: &Path, program: &Path) -> Command {
    // The harness starts itself, because a process must set its own death signal, and `exec` keeps it.
    let mut command = Command::new(executable);
    command.arg(SUBCOMMAND).arg(std::process::id().to_string()).arg(program);
    command
}

/// Starts a [`command`].
///
/// # Errors
/// The process cannot be started.
pub(crate) async fn spawn(mut command: Command) -> io::Result<Child> {
    let (reply, started) = oneshot::channel();
    let runtime = Handle::current();
    let job: Job = Box::new(move || {
        // tokio registers the child with the runtime that the starting thread has entered.
        let _entered = runtime.enter();
        // If the caller has gone, the handle is dropped here and kills the process (`kill_on_drop`).
        let _ = reply.send(command.spawn());
    });
    let ended = || io::Error::other("the thread that starts processes has ended");
    jobs().send(job).map_err(|_| ended())?;
    started.await.map_err(|_| ended())?
}

/// Returns the queue of the thread that starts every owned process. This thread lives as long as the harness. If a worker
/// of a runtime or a test started a process, the kernel would kill the process when that thread ends.
fn jobs() -> &'static Sender<Job> {
    static JOBS: OnceLock<Sender<Job>> = OnceLock::new();
    JOBS.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        let work = move || jobs.iter().for_each(|job| job());
        // If the thread cannot be started, the receiver is dropped, and `spawn` reports it.
        drop(std::thread::Builder::new().name("owner".to_owned()).spawn(work));
        sender
    })
}

/// Replaces this process with a program that the kernel kills when `parent` ends. Returns only if that fails, with the
/// reason.
pub fn become_program(parent: u32, program: &Path, arguments: &[OsString]) -> String {
    if let Err(error) = set_pdeathsig(Signal::SIGKILL) {
        return format!("the death signal of `{}` cannot be set: {error}", program.display());
    }
    // The harness may have ended before the death signal was set. Then the signal would never come.
    if u32::try_from(getppid().as_raw()) != Ok(parent) {
        return format!("the harness has ended, so `{}` is not started", program.display());
    }
    let error = std::process::Command::new(program).args(arguments).exec();
    format!("`{}` cannot be started: {error}", program.display())
}
