//! The log of a server that the harness knows nothing about. The services of this product bound their logs themselves; what a foreign server writes
//! goes through a pipe, and only a bounded part of it to the disk.

use std::fs::File;
use std::io::{self, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinSet;

/// Maximum size of the log over all starts, in bytes. The judgement searches the whole log, and a run directory holds it.
pub(super) const MAX_LOG_BYTES: u64 = 64 << 20;
/// What ends a log that has reached its bound.
const CUT: &[u8] = b"\n(the log has reached its limit; later output is dropped)\n";
/// Time for the last lines of a process that has ended.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Copies from the pipe to the log until every process that writes to the pipe has ended.
pub(super) struct BoundedLog {
    copying: JoinSet<()>,
}

impl BoundedLog {
    /// Opens the log and returns what a process writes to.
    ///
    /// # Errors
    /// The file cannot be opened, or the system has no pipe left.
    pub(super) fn open(path: &Path) -> io::Result<(Self, PipeWriter)> {
        let file = File::options().create(true).append(true).open(path)?;
        let left = MAX_LOG_BYTES.saturating_sub(file.metadata()?.len());
        let (reader, writer) = io::pipe()?;
        let reader = Receiver::from_owned_fd(OwnedFd::from(reader))?;
        let mut copying = JoinSet::new();
        copying.spawn(copy(reader, file, left));
        Ok((Self { copying }, writer))
    }

    /// Waits a moment for the last lines, after the process has ended. Children of the process may keep the pipe open.
    pub(super) async fn finish(&mut self) {
        let _ = tokio::time::timeout(LAST_LINES, self.copying.join_next()).await;
    }
}

async fn copy(mut reader: Receiver, mut file: File, mut left: u64) {
    let mut buffer = vec![0; 16 << 10];
    // The pipe is read after the bound too: a server whose writes block would hang.
    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
        let kept = usize::try_from(left).unwrap_or(usize::MAX).min(count);
        left -= kept as u64;
        // A full disk must not end the server; the run is unknown for other reasons then.
        let _ = file.write_all(&buffer[..kept]);
        if kept > 0 && left == 0 {
            let _ = file.write_all(CUT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BoundedLog, CUT, copy};
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use tokio::net::unix::pipe::Receiver;
    use tokio::task::JoinSet;

    #[tokio::test]
    async fn what_a_process_writes_is_appended_to_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("target.log");
        for word in ["first", "second"] {
            let (mut log, mut writer) = BoundedLog::open(&path).unwrap();
            writeln!(writer, "{word}").unwrap();
            drop(writer);
            log.finish().await;
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\nsecond\n");
    }

    #[tokio::test]
    async fn a_log_ends_at_its_bound_and_the_writer_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("target.log");
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = Receiver::from_owned_fd(OwnedFd::from(reader)).unwrap();
        let mut copying = JoinSet::new();
        copying.spawn(copy(reader, std::fs::File::create(&path).unwrap(), 5));
        // More than a pipe holds, so that the writer would block if the pipe were not read.
        let writing = tokio::task::spawn_blocking(move || writer.write_all(&[b'a'; 1 << 20]));
        writing.await.unwrap().unwrap();
        copying.join_next().await.unwrap().unwrap();
        let expected = [b"aaaaa", CUT].concat();
        assert_eq!(std::fs::read(&path).unwrap(), expected);
    }
}
