//! Writes operations to `history.jsonl`, and to the files that continue it. The caller serializes an operation into a block, and one thread writes the
//! blocks, so that a slow disk does not delay a measured call. No operation is dropped silently: if a write fails, the
//! recorder reports it and the run cannot be judged.

use crate::plan::history_files::{self, FILE_BYTES};
use crate::plan::run_dir::HISTORY;
use harness_history::Op;
use parking_lot::Mutex;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// Size at which a block is sent to the writer. One write per block instead of one per operation keeps the driver cheap.
const BLOCK_BYTES: usize = 128 << 10;
/// Maximum number of blocks that wait for the disk. If the queue is full, callers wait, so that memory stays bounded (16 × 128 KiB = 2 MiB).
const MAX_BLOCKS: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot record the history in `{}`: {why}; {recorded} operations are in it\n\
     hint: free space on that disk, or choose another run directory; a run without its history proves nothing",
    path.display()
)]
pub struct RecordError {
    pub path: PathBuf,
    pub why: String,
    /// Number of operations that were written before the failure.
    pub recorded: u64,
}

/// Records operations from any thread.
pub struct Recorder {
    block: Mutex<Block>,
    free: Mutex<Receiver<Vec<u8>>>,
    writer: Mutex<Option<Writer>>,
    shared: Arc<Shared>,
}

struct Writer {
    blocks: SyncSender<Message>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    ops: u64,
}

enum Message {
    Block(Block),
    /// The writer replies when everything before this message is written.
    Sync(SyncSender<()>),
}

struct Shared {
    path: PathBuf,
    recorded: AtomicU64,
    failure: OnceLock<RecordError>,
}

impl Recorder {
    /// Creates `history.jsonl` in the run directory. Never overwrites an existing one.
    ///
    /// # Errors
    /// The file exists or cannot be created.
    pub fn create(run_dir: &Path) -> Result<Self, RecordError> {
        Self::with_files_of(FILE_BYTES, run_dir)
    }

    /// See [`Recorder::create`]; a file that has this number of bytes is continued in another one.
    fn with_files_of(bytes: u64, run_dir: &Path) -> Result<Self, RecordError> {
        let path = run_dir.join(HISTORY);
        let files = HistoryFiles::create(run_dir, bytes).map_err(|error| RecordError {
            path: path.clone(),
            why: error.to_string(),
            recorded: 0,
        })?;
        Ok(Self::over(path, files))
    }

    fn over(path: PathBuf, sink: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared { path, recorded: AtomicU64::new(0), failure: OnceLock::new() });
        let (blocks, inbox) = sync_channel(MAX_BLOCKS);
        let (used, free) = channel();
        // A thread and not a task: a write to a slow disk would block a thread of the runtime, which sends the calls.
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || write_blocks(sink, &inbox, &used, &shared)
        });
        Self {
            block: Mutex::default(),
            free: Mutex::new(free),
            writer: Mutex::new(Some(Writer { blocks, thread })),
            shared,
        }
    }

    /// Records one operation. Waits only if the queue of [`MAX_BLOCKS`] blocks is full. After a failure the call does nothing, and
    /// [`Recorder::failure`] returns the reason.
    pub fn record(&self, op: &Op) {
        if self.shared.failure.get().is_some() {
            return;
        }
        let full = {
            // Serialized under the lock, straight into the block, so that no operation needs a buffer of its own.
            let mut block = self.block.lock();
            serde_json::to_writer(&mut block.bytes, op).expect("an operation is always valid JSON");
            block.bytes.push(b'\n');
            block.ops += 1;
            (block.bytes.len() >= BLOCK_BYTES).then(|| self.replace(&mut block))
        };
        // Sent without the lock on the block, so that a full queue stops only this caller.
        if let Some(full) = full {
            self.send(Message::Block(full));
        }
    }

    /// Sends everything recorded so far to the writer, and does not wait until it is written.
    pub fn hand_over(&self) {
        let block = {
            let mut block = self.block.lock();
            (block.ops > 0).then(|| self.replace(&mut block))
        };
        if let Some(block) = block {
            self.send(Message::Block(block));
        }
    }

    /// Sends everything recorded so far to the writer, and waits until it is written.
    ///
    /// # Errors
    /// Why an operation could not be recorded, now or earlier.
    pub fn flush(&self) -> Result<(), RecordError> {
        self.hand_over();
        let (done, written) = sync_channel(1);
        self.send(Message::Sync(done));
        // If the writer has ended, `failure` has the reason.
        let _ = written.recv();
        self.failure().map_or(Ok(()), |failure| Err(failure.clone()))
    }

    /// Returns why recording stopped; `None` if it did not.
    pub fn failure(&self) -> Option<&RecordError> {
        self.shared.failure.get()
    }

    /// Returns the number of operations that are written.
    pub fn recorded(&self) -> u64 {
        self.shared.recorded.load(Ordering::Acquire)
    }

    /// Flushes, ends the writer, and returns the number of operations in the history.
    ///
    /// # Errors
    /// See [`Recorder::flush`].
    pub fn finish(self) -> Result<u64, RecordError> {
        self.flush()?;
        Ok(self.recorded())
    }

    fn replace(&self, block: &mut Block) -> Block {
        // The writer returns the buffers of written blocks, so that they are not allocated again.
        let bytes = self.free.lock().try_recv().unwrap_or_default();
        std::mem::replace(block, Block { bytes, ops: 0 })
    }

    fn send(&self, message: Message) {
        // The sender is cloned, so that a caller that waits for a full queue does not hold the lock.
        let blocks = {
            let writer = self.writer.lock();
            writer.as_ref().map(|writer| writer.blocks.clone())
        };
        if let Some(blocks) = blocks {
            // The writer keeps receiving after a failure, so this never blocks for ever.
            let _ = blocks.send(message);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.flush();
        let writer = self.writer.lock().take();
        if let Some(Writer { blocks, thread }) = writer {
            drop(blocks);
            let _ = thread.join();
        }
    }
}

/// The files of a history, one after the other. Never overwrites an existing one.
struct HistoryFiles {
    run_dir: PathBuf,
    file: File,
    /// Number of the file, from 1.
    number: u32,
    /// Bytes in the file, and the number of bytes at which the next block goes to another one.
    bytes: u64,
    most_bytes: u64,
    /// True if the next byte begins a block. Only then may another file begin, so that each file ends with a whole line.
    at_block: bool,
}

impl HistoryFiles {
    fn create(run_dir: &Path, most_bytes: u64) -> io::Result<Self> {
        let file = File::create_new(run_dir.join(history_files::name(1)))?;
        Ok(Self { run_dir: run_dir.to_owned(), file, number: 1, bytes: 0, most_bytes, at_block: true })
    }
}

impl Write for HistoryFiles {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.at_block && self.bytes >= self.most_bytes {
            let name = history_files::name(self.number + 1);
            self.file = File::create_new(self.run_dir.join(&name))
                .map_err(|error| io::Error::new(error.kind(), format!("`{name}` cannot be created: {error}")))?;
            (self.number, self.bytes) = (self.number + 1, 0);
        }
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        self.at_block = false;
        Ok(written)
    }

    /// Ends a block.
    fn flush(&mut self) -> io::Result<()> {
        self.at_block = true;
        self.file.flush()
    }
}

fn write_blocks(mut sink: impl Write, inbox: &Receiver<Message>, used: &Sender<Vec<u8>>, shared: &Shared) {
    for message in inbox {
        match message {
            Message::Block(mut block) if shared.failure.get().is_none() => {
                // Not synced: what is written survives the end of any process, and a power failure leaves the run
                // unsealed, so it cannot pass (decision 0017).
                match sink.write_all(&block.bytes).and_then(|()| sink.flush()) {
                    Ok(()) => {
                        shared.recorded.fetch_add(block.ops, Ordering::AcqRel);
                    }
                    Err(error) => {
                        let recorded = shared.recorded.load(Ordering::Acquire);
                        let failure = RecordError { path: shared.path.clone(), why: error.to_string(), recorded };
                        shared.failure.set(failure).expect("only this thread sets it, once");
                    }
                }
                block.bytes.clear();
                let _ = used.send(block.bytes);
            }
            // After a failure blocks are received and dropped, so that no caller waits for the queue.
            Message::Block(_) => {}
            Message::Sync(done) => {
                let _ = done.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HISTORY, Recorder};
    use crate::plan::history_files;
    use harness_history::{Effect, Op, Outcome, Phase};
    use std::io::Write;

    fn op(process: u32, at: u64) -> Op {
        Op {
            process,
            tenant: "org".into(),
            user: "user".into(),
            workspace: None,
            name: "get_memory".into(),
            phase: Phase::Measured,
            planned_us: None,
            invoke_us: at,
            complete_us: at + 1,
            outcome: Outcome::Ok,
            strays: Vec::new(),
            effect: Effect::None,
        }
    }

    #[test]
    fn every_operation_of_every_thread_is_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(dir.path()).unwrap();
        std::thread::scope(|scope| {
            for process in 0..4 {
                let recorder = &recorder;
                scope.spawn(move || (0..3_000).for_each(|at| recorder.record(&op(process, at))));
            }
        });
        assert_eq!(recorder.finish(), Ok(12_000));
        let text = std::fs::read_to_string(dir.path().join(HISTORY)).unwrap();
        let ops: Vec<Op> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for process in 0..4 {
            let times = ops.iter().filter(|op| op.process == process).map(|op| op.invoke_us);
            assert!(times.eq(0..3_000), "in the order in which the thread recorded them");
        }
    }

    #[test]
    fn a_flush_makes_everything_so_far_readable() {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(dir.path()).unwrap();
        recorder.record(&op(0, 0));
        recorder.flush().unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join(HISTORY)).unwrap().lines().count(), 1);
    }

    #[test]
    fn an_existing_history_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(HISTORY), "kept").unwrap();
        let error = Recorder::create(dir.path()).err().expect("refused").to_string();
        assert!(error.contains(HISTORY) && error.contains("hint:"), "{error}");
        assert_eq!(std::fs::read_to_string(dir.path().join(HISTORY)).unwrap(), "kept");
    }

    #[test]
    fn a_full_file_is_continued_in_another_one_at_a_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Recorder::with_files_of(1_000, dir.path()).unwrap();
        for at in 0..30 {
            recorder.record(&op(0, at));
            recorder.flush().unwrap();
        }
        assert_eq!(recorder.finish(), Ok(30));
        let files = history_files::list(dir.path()).unwrap();
        assert!(files.len() > 2, "{files:?}");
        let texts: Vec<String> =
            files.iter().map(|file| std::fs::read_to_string(dir.path().join(file)).unwrap()).collect();
        assert!(texts.iter().all(|text| text.ends_with('\n') && text.len() < 1_200), "{texts:?}");
        let ops = texts.iter().flat_map(|text| text.lines()).map(|line| serde_json::from_str::<Op>(line).unwrap());
        assert!(ops.map(|op| op.invoke_us).eq(0..30), "in the order in which they were recorded");
    }

    #[test]
    fn a_file_that_would_continue_the_history_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(history_files::name(2)), "kept").unwrap();
        let recorder = Recorder::with_files_of(1, dir.path()).unwrap();
        recorder.record(&op(0, 0));
        recorder.flush().unwrap();
        recorder.record(&op(0, 1));
        let failure = recorder.flush().unwrap_err();
        assert!(failure.why.contains("history.jsonl.0002") && failure.recorded == 1, "{failure}");
        assert_eq!(std::fs::read_to_string(dir.path().join(history_files::name(2))).unwrap(), "kept");
    }

    /// A disk that accepts this number of writes.
    struct SmallDisk(u32);

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_reported_and_no_caller_waits_for_it() {
        let recorder = Recorder::over("disk/history.jsonl".into(), SmallDisk(1));
        recorder.record(&op(0, 0));
        recorder.flush().unwrap();
        (0..20_000).for_each(|at| recorder.record(&op(0, at)));
        let failure = recorder.flush().unwrap_err();
        assert_eq!((failure.recorded, recorder.recorded()), (1, 1));
        assert!(failure.to_string().contains("disk/history.jsonl") && failure.to_string().contains("hint:"));
        assert_eq!(recorder.finish(), Err(failure));
    }
}
