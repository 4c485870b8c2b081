//! The reaper: a child that outlives the harness by a moment. It is told what was started and what will have to be undone, and when its
//! input ends (whatever ended the harness, `kill -9` among it) it first undoes, then ends everything that was not struck from its list.

mod list;

use crate::stack::undo::Undo;
use list::{List, Order};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parking_lot::Mutex;
use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};

/// Subcommand that [`reap_from_stdin`] is reached by.
pub const SUBCOMMAND: &str = "__reap";

/// Handle to the reaper.
pub struct Reaper {
    input: Mutex<Option<ChildStdin>>,
    child: Mutex<Child>,
}

impl Reaper {
    /// Starts one: `executable` is the harness itself.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start(executable: &Path) -> std::io::Result<Self> {
        let mut child = Command::new(executable)
            .arg(SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { input: Mutex::new(child.stdin.take()), child: Mutex::new(child) })
    }

    /// Puts a process on the list.
    pub fn watch_process(&self, pid: u32) {
        if let Some(started) = start_time(pid) {
            self.tell(&Order::Process { pid, started });
        }
    }

    /// Puts everything of Docker with this label on the list.
    pub fn watch_label(&self, label: &str) {
        self.tell(&Order::Label { label: label.to_owned() });
    }

    /// Puts something on the list that will have to be undone; `journal` is where it is struck then.
    pub fn watch_undo(&self, id: &str, undo: &Undo, journal: &Path) {
        self.tell(&Order::Undo { id: id.to_owned(), undo: undo.clone(), journal: journal.to_owned() });
    }

    /// Strikes what is undone.
    pub fn strike_undo(&self, id: &str) {
        self.tell(&Order::Struck { id: id.to_owned() });
    }

    /// Has something undone at once.
    pub fn undo_now(&self, id: &str) {
        self.tell(&Order::Now { id: id.to_owned() });
    }

    /// Strikes everything from the list: it was stopped in order.
    pub fn release(&self) {
        self.tell(&Order::Done);
        self.close();
    }

    /// Ends it; what is on its list is undone and ended.
    pub fn close(&self) {
        drop(self.input.lock().take());
        let _ = self.child.lock().wait();
    }

    fn tell(&self, order: &Order) {
        let Ok(line) = serde_json::to_string(order) else { return };
        if let Some(input) = self.input.lock().as_mut() {
            let _ = writeln!(input, "{line}").and_then(|()| input.flush());
        }
    }
}

/// Start of a process in clock ticks since boot: tells it from a later one with the same number.
pub fn start_time(pid: u32) -> Option<u64> {
    procfs::process::Process::new(pid.cast_signed()).and_then(|process| process.stat()).ok().map(|stat| stat.starttime)
}

/// Tells whether this very process is there and not a zombie.
pub fn is_alive(pid: u32, started: u64) -> bool {
    let stat = procfs::process::Process::new(pid.cast_signed()).and_then(|process| process.stat());
    stat.is_ok_and(|stat| stat.starttime == started && stat.state != 'Z')
}

/// Ends a process if it is still this very one.
pub fn end_process(pid: u32, started: u64, signal: Signal) {
    if start_time(pid) == Some(started) {
        let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
    }
}

/// The reaper's own life: reads the list until its input ends, then undoes and ends what is on it.
pub fn reap_from_stdin() -> ExitCode {
    let mut list = List::default();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        if let Ok(order) = serde_json::from_str(&line) {
            list.follow(order);
        }
    }
    list.end();
    ExitCode::SUCCESS
}
