//! Log files of one service in a folder, bounded by their total size. Each process writes to files of its own, so that two instances that share a
//! folder never rename or cut a file under each other.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file is complete at this fraction of the bound. The other files get the rest, so that at least seven eighths of the bound are kept.
const SHARE: u64 = 8;
/// Maximum number of files besides the current one. A service that restarts again and again begins a file each time.
const MAX_OTHERS: usize = 99;

/// A writer that begins a new file when one is complete, and then removes the oldest ones.
pub(super) struct LogFiles {
    folder: PathBuf,
    prefix: &'static str,
    max_bytes: u64,
    path: PathBuf,
    file: File,
    written: u64,
}

impl LogFiles {
    /// Creates the folder if it does not exist, and a file in it.
    pub(super) fn create(folder: &Path, prefix: &'static str, max_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let (path, file) = next_file(folder, prefix)?;
        let files = Self { folder: folder.to_owned(), prefix, max_bytes, path, file, written: 0 };
        files.remove_oldest()?;
        Ok(files)
    }

    fn begin_next(&mut self) -> io::Result<()> {
        (self.path, self.file) = next_file(&self.folder, self.prefix)?;
        self.written = 0;
        // The next line can be written whether or not an old file can be removed, and the next file tries again.
        let _ = self.remove_oldest();
        Ok(())
    }

    /// Removes the oldest files until the current one fits beside the others when it is complete.
    fn remove_oldest(&self) -> io::Result<()> {
        let mut others = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let of_this_service = name.strip_prefix(self.prefix).is_some_and(|rest| rest.starts_with('.'));
            if of_this_service && name.ends_with(".log") && entry.path() != self.path {
                others.push((name, entry.metadata()?.len()));
            }
        }
        // Names begin with the time, also those of earlier releases, which wrote one file per day.
        others.sort_unstable();
        let (mut count, mut bytes) = (others.len(), others.iter().map(|(_, bytes)| bytes).sum::<u64>());
        for (name, size) in others {
            if count <= MAX_OTHERS && bytes <= self.max_bytes - self.max_bytes / SHARE {
                break;
            }
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => (count, bytes) = (count - 1, bytes - size),
            }
        }
        Ok(())
    }
}

impl Write for LogFiles {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let after = self.written.saturating_add(bytes.len() as u64);
        if self.written > 0 && after > self.max_bytes / SHARE {
            self.begin_next()?;
        }
        // Whole lines only, because a line never continues in the next file.
        if let Err(error) = self.file.write_all(bytes) {
            // The caller repeats all of the lines, so none may stay, in particular no half of one. If this fails too, the first error says why.
            let _ = self.file.set_len(self.written);
            return Err(error);
        }
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn next_file(folder: &Path, prefix: &str) -> io::Result<(PathBuf, File)> {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%S.%6fZ");
    let path = folder.join(format!("{prefix}.{now}.{}.log", std::process::id()));
    let file = OpenOptions::new().create(true).append(true).open(&path)?;
    Ok((path, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(folder: &Path) -> Vec<(String, u64)> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let mut sizes: Vec<_> =
            entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())).collect();
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn the_oldest_lines_go_when_the_folder_is_full_and_other_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let daily = "mcp-memory.2026-11-24.log";
        for name in [daily, "mcp-memory-notes.log", "mcp-patterns.2026-11-24.log", "mcp-memory.db"] {
            fs::write(folder.path().join(name), vec![b'x'; 30_000]).unwrap();
        }
        let mut files = LogFiles::create(folder.path(), "mcp-memory", 80_000).unwrap();
        for number in 0..2_000 {
            files
                .write_all(format!("{{\"line\":{number:06},\"padding\":\"{}\"}}\n", "y".repeat(70)).as_bytes())
                .unwrap();
        }
        let left = sizes(folder.path());
        let (own, others): (Vec<_>, Vec<_>) = left.into_iter().partition(|(name, _)| name.starts_with("mcp-memory.2"));
        let total: u64 = own.iter().map(|(_, bytes)| bytes).sum();
        assert!(own.len() > 3 && (60_000..=80_000).contains(&total), "{own:?}");
        assert!(own.iter().all(|(name, bytes)| *bytes <= 10_000 && name != daily), "{own:?}");
        assert_eq!(others.len(), 3, "{others:?}");
        let newest = fs::read_to_string(folder.path().join(&own.last().unwrap().0)).unwrap();
        assert!(newest.ends_with("}\n") && newest.contains("\"line\":001999"), "{newest}");
    }

    #[test]
    fn restarts_leave_a_bounded_number_of_files() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..MAX_OTHERS + 20 {
            LogFiles::create(folder.path(), "mcp-memory", 1 << 20).unwrap().write_all(b"{}\n").unwrap();
        }
        assert_eq!(sizes(folder.path()).len(), MAX_OTHERS + 1);
    }

    /// Set in a process that may write only small files.
    const LIMITED: &str = "TEST_WITH_SMALL_FILES";

    #[test]
    fn a_write_that_fails_leaves_no_half_line() {
        if std::env::var_os(LIMITED).is_none() {
            // A limit of the process, because a full disk also writes the lines that still fit.
            let output = std::process::Command::new("sh")
                .args(["-c", "ulimit -f 8 && trap '' XFSZ && exec \"$0\" --exact --nocapture \"$1\""])
                .arg(std::env::current_exe().unwrap())
                .arg("telemetry::files::tests::a_write_that_fails_leaves_no_half_line")
                .env(LIMITED, "yes")
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && text.contains("1 passed"), "{text}");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut files = LogFiles::create(folder.path(), "mcp-memory", 1 << 30).unwrap();
        let (line, mut written) = ([&[b'y'; 299][..], b"\n"].concat(), 0);
        while files.write_all(&line).is_ok() {
            written += line.len();
            assert!(written < 1 << 20, "the limit has no effect");
        }
        assert!(written > 0);
        assert_eq!(fs::read(&files.path).unwrap().len(), written);
        // A line that still fits is a line of its own.
        files.write_all(b"short\n").unwrap();
        assert!(fs::read_to_string(&files.path).unwrap().ends_with("y\nshort\n"));
    }
}
