//! The reaper: a child process that outlives the harness by a moment. The harness sends it every line of its undo log,
//! which has the parts and the faults. The reaper's input ends when the harness ends in any way, also by `kill -9`. Then
//! the reaper applies the remaining undos: it heals faults and ends parts. The code of faults calls it the watchdog,
//! because there only its undos matter.

mod list;

use crate::stack::undo::line::Line;
use list::{List, Message};
use parking_lot::Mutex;
use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};

/// The hidden subcommand that runs [`reap_from_stdin`].
pub const SUBCOMMAND: &str = "__reap";

/// The harness's end of the pipe to its reaper.
pub struct Reaper {
    input: Mutex<Option<ChildStdin>>,
    child: Mutex<Child>,
}

impl Reaper {
    /// Starts a reaper. `executable` is the program of the harness.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start(executable: &Path) -> std::io::Result<Self> {
        let mut child = Command::new(executable)
            .arg(SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in a terminal is sent to the whole group of the harness; the reaper must survive it.
            .process_group(0)
            .spawn()?;
        Ok(Self { input: Mutex::new(child.stdin.take()), child: Mutex::new(child) })
    }

    /// Sends the reaper a line that was written to an undo log.
    pub(crate) fn record(&self, log: &Path, line: Line) {
        self.send(&Message::Recorded { log: log.to_owned(), line });
    }

    /// Makes the reaper apply an entry of an undo log now, and mark it as undone.
    pub(crate) fn undo_now(&self, log: &Path, id: &str) {
        self.send(&Message::UndoNow { log: log.to_owned(), id: id.to_owned() });
    }

    /// Closes the input of the reaper, so that it applies the remaining undos, and waits until it has exited.
    pub fn close(&self) {
        drop(self.input.lock().take());
        let _ = self.child.lock().wait();
    }

    fn send(&self, message: &Message) {
        // Errors are ignored: a reaper that has died cannot be replaced, and `harness chaos recover` still has the undo
        // log.
        let Ok(line) = serde_json::to_string(message) else { return };
        if let Some(input) = self.input.lock().as_mut() {
            let _ = writeln!(input, "{line}").and_then(|()| input.flush());
        }
    }
}

/// Runs the reaper process: reads messages until its input ends, then applies the pending undos.
pub fn reap_from_stdin() -> ExitCode {
    let mut list = List::default();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        // The last line is cut off if the harness dies while it writes.
        if let Ok(message) = serde_json::from_str(&line) {
            list.take(message);
        }
    }
    list.end();
    ExitCode::SUCCESS
}
