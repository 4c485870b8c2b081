//! Log lines on their way to an output. Callers append to one buffer, and a thread writes what has gathered, so that a call costs no switch between threads
//! and no allocation for its line.

use parking_lot::{Condvar, Mutex};
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Largest number of bytes that wait; further lines are lost, and a line says how many.
const QUEUED_BYTES: usize = 4 << 20;
/// A buffer that grew beyond this gives its memory back.
const KEPT_BYTES: usize = 256 << 10;
/// Bytes that are written at once while lines wait.
const WRITTEN_BYTES: usize = 16 << 10;
/// Time for which lines gather after the first one. One wake of the thread then serves all lines of that time.
const GATHER: Duration = Duration::from_millis(2);
/// Longest time that the end of a process waits for its last lines, because a terminal or a pipe may take none.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The queue of one output. Clones share it.
#[derive(Clone)]
pub(super) struct LineQueue(Arc<Shared>);

/// Writes the lines that wait when it is dropped.
pub(crate) struct LineQueueGuard(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// Number of lines that were lost since the thread last took this number.
    lost: u64,
    /// True while the thread waits for the first line.
    is_idle: bool,
    is_closed: bool,
    has_ended: bool,
}

impl LineQueue {
    /// Starts the thread that writes to `output`. If it cannot start, no line is written.
    pub(super) fn start(service: &'static str, output: Box<dyn Write + Send>) -> (Self, LineQueueGuard) {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let queue = Arc::clone(&shared);
        let write = move || {
            // One system call for many lines.
            queue.write_until_closed(service, &mut BufWriter::with_capacity(WRITTEN_BYTES, output));
            queue.state.lock().has_ended = true;
            queue.changed.notify_all();
        };
        if thread::Builder::new().name("log-writer".to_owned()).spawn(write).is_err() {
            let mut state = shared.state.lock();
            (state.is_closed, state.has_ended) = (true, true);
        }
        (Self(Arc::clone(&shared)), LineQueueGuard(shared))
    }
}

impl Shared {
    /// Adds a line, or drops it if the queue is full or closed: a call never waits for an output.
    fn push(&self, line: &[u8]) {
        let mut state = self.state.lock();
        if state.is_closed {
            return;
        }
        if state.lines.len() + line.len() > QUEUED_BYTES {
            state.lost += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        if std::mem::take(&mut state.is_idle) {
            self.changed.notify_all();
        }
    }

    fn write_until_closed(&self, service: &str, output: &mut BufWriter<Box<dyn Write + Send>>) {
        let (mut taken, mut lost) = (Vec::new(), 0);
        while self.take(&mut taken, &mut lost) {
            for line in taken.split_inclusive(|byte| *byte == b'\n') {
                // A full disk loses lines; the service goes on.
                lost += u64::from(output.write_all(line).is_err());
            }
            let flushed = output.flush();
            // A reader must not take what is there for all that happened. Written once the output takes lines again.
            if lost > 0 && flushed.is_ok() && output.write_all(lost_lines(service, lost).as_bytes()).is_ok() {
                lost = 0;
                let _ = output.flush();
            }
            taken.clear();
            if taken.capacity() > KEPT_BYTES {
                taken = Vec::new();
            }
        }
    }

    /// Waits for lines, and exchanges them for the empty buffer. Adds the number of lost ones. Returns false if there are none and there will be none.
    fn take(&self, taken: &mut Vec<u8>, lost: &mut u64) -> bool {
        let mut state = self.state.lock();
        while state.lines.is_empty() {
            if state.is_closed {
                return false;
            }
            state.is_idle = true;
            self.changed.wait(&mut state);
        }
        state.is_idle = false;
        if !state.is_closed {
            // Nothing wakes this wait but its end and that of the process.
            let _ = self.changed.wait_while_for(&mut state, |state| !state.is_closed, GATHER);
        }
        std::mem::swap(&mut state.lines, taken);
        *lost += std::mem::take(&mut state.lost);
        true
    }
}

/// Returns the line, with the fields of every log line, that stands for lost ones.
fn lost_lines(service: &str, lost: u64) -> String {
    let (now, target) = (jiff::Timestamp::now(), module_path!());
    format!(
        r#"{{"timestamp":"{now}","service":"{service}","severity":"warning","target":"{target}","message":"log lines were lost","lines":{lost}}}"#
    ) + "\n"
}

impl Drop for LineQueueGuard {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.is_closed = true;
        self.0.changed.notify_all();
        let _ = self.0.changed.wait_while_for(&mut state, |state| !state.has_ended, LAST_LINES);
    }
}

impl<'a> MakeWriter<'a> for LineQueue {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter(&self.0)
    }
}

/// Adds what is written to the queue; each write must be whole lines.
pub(super) struct LineWriter<'a>(&'a Shared);

impl Write for LineWriter<'_> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.0.push(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    /// An output that waits for a permission before each write, and keeps what was written.
    struct Output {
        permissions: mpsc::Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Without a sender there is no need to wait.
            let _ = self.permissions.recv();
            self.written.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start() -> (LineQueue, LineQueueGuard, mpsc::Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (permit, permissions) = mpsc::channel();
        let written = Arc::default();
        let (queue, guard) =
            LineQueue::start("memory", Box::new(Output { permissions, written: Arc::clone(&written) }));
        (queue, guard, permit, written)
    }

    #[test]
    fn all_lines_of_all_threads_are_whole_and_written_before_the_end() {
        let (queue, guard, permit, written) = start();
        drop(permit);
        let log = |thread: usize| {
            for number in 0..500 {
                queue.make_writer().write_all(format!("{thread} {number}\n").as_bytes()).unwrap();
            }
        };
        thread::scope(|scope| (0..4).for_each(|thread| drop(scope.spawn(move || log(thread)))));
        drop(guard);
        queue.make_writer().write_all(b"too late\n").unwrap();
        let text = String::from_utf8(written.lock().clone()).unwrap();
        assert_eq!(text.lines().count(), 2_000);
        for thread in 0..4 {
            let start = format!("{thread} ");
            let numbers = text
                .lines()
                .filter_map(|line| line.strip_prefix(&start))
                .map(|number| number.parse::<usize>().unwrap());
            assert!(numbers.eq(0..500), "the lines of a thread keep their order");
        }
    }

    #[test]
    fn an_output_that_takes_nothing_delays_no_call_and_a_line_counts_what_is_lost() {
        let (queue, guard, permit, written) = start();
        let line = [&[b'x'; 1_023][..], b"\n"].concat();
        let lines = 3 * QUEUED_BYTES / line.len();
        for _ in 0..lines {
            queue.make_writer().write_all(&line).unwrap();
        }
        assert!(queue.0.state.lock().lines.len() <= QUEUED_BYTES);
        drop(permit);
        drop(guard);
        let written = String::from_utf8(written.lock().clone()).unwrap();
        let (whole, notes): (Vec<&str>, Vec<&str>) = written.lines().partition(|text| text.starts_with('x'));
        assert!(whole.len() < lines && whole.iter().all(|text| text.len() + 1 == line.len()));
        let lost = |note: &&str| {
            let note: serde_json::Value = serde_json::from_str(note).unwrap();
            assert!(note["service"] == "memory" && note["severity"] == "warning", "{note}");
            note["lines"].as_u64().unwrap()
        };
        assert_eq!(notes.iter().map(lost).sum::<u64>() as usize + whole.len(), lines, "{notes:?}");
    }

    /// An output whose disk is full while `is_full`.
    struct Disk {
        is_full: Arc<AtomicBool>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.is_full.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.written.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_full_disk_loses_is_counted_when_it_has_room_again() {
        let (is_full, written) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::default()));
        let disk = Disk { is_full: Arc::clone(&is_full), written: Arc::clone(&written) };
        let (queue, guard) = LineQueue::start("memory", Box::new(disk));
        let line = [&[b'x'; 1_023][..], b"\n"].concat();
        for _ in 0..100 {
            queue.make_writer().write_all(&line).unwrap();
        }
        let since = std::time::Instant::now();
        let is_done = || {
            let state = queue.0.state.lock();
            state.is_idle && state.lines.is_empty()
        };
        while !is_done() {
            assert!(since.elapsed() < Duration::from_secs(20));
            thread::yield_now();
        }
        is_full.store(false, Ordering::Relaxed);
        queue.make_writer().write_all(b"last\n").unwrap();
        drop(guard);
        let written = String::from_utf8(written.lock().clone()).unwrap();
        let whole = written.lines().filter(|text| text.starts_with('x')).count();
        assert!(whole < 100 && written.contains("last\n"), "{whole} lines");
        let note = format!("\"lines\":{}}}", 100 - whole);
        assert!(written.contains(&note), "{note} is missing after {whole} lines");
    }
}
