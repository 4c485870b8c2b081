//! What a scenario can observe from outside: the log lines of a part since a mark, and its metrics.

use super::{Stage, StepFailed};
use crate::observe::children;
use crate::observe::machine::{MachineTotals, is_crowded, read_totals};
use serde_json::Value;
use std::time::Duration;

impl Stage<'_> {
    /// Returns a mark at the current end of a part's log, for [`Stage::log_since`].
    ///
    /// # Errors
    /// Its log cannot be read.
    pub async fn log_mark(&self, part: &str) -> Result<usize, StepFailed> {
        Ok(self.stack.log(part).await?.len())
    }

    /// Returns the log lines of a part since a mark, as JSON; a line that is not JSON is a string.
    ///
    /// # Errors
    /// Its log cannot be read.
    pub async fn log_since(&self, part: &str, mark: usize) -> Result<Vec<Value>, StepFailed> {
        let log = self.stack.log(part).await?;
        let lines = log.get(mark..).unwrap_or_default().lines();
        Ok(lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| Value::from(line))).collect())
    }

    /// Returns the number of bytes that a part has written to its log so far.
    ///
    /// # Errors
    /// Its log cannot be read.
    pub async fn log_bytes(&self, part: &str) -> Result<u64, StepFailed> {
        Ok(self.stack.log(part).await?.len() as u64)
    }

    /// Returns the largest resident memory that the process of a part and its children have had so far, in bytes;
    /// `None` if its process is not visible on this machine.
    pub fn peak_memory(&self, part: &str) -> Option<u64> {
        let pid = self.stack.part(part)?.pid?;
        // A liar runs the real service as its child.
        Some(peak_of(pid)? + children(pid).into_iter().filter_map(peak_of).sum::<u64>())
    }

    /// Returns the number of files that the process of a part and its children have open; `None` if its process is not visible on this machine.
    pub fn open_files(&self, part: &str) -> Option<usize> {
        let pid = self.stack.part(part)?.pid?;
        Some(files_of(pid)? + children(pid).into_iter().filter_map(files_of).sum::<usize>())
    }

    /// Returns the time of processors that a part and its children have used so far; `None` if its process is not visible on this machine.
    pub fn cpu_time(&self, part: &str) -> Option<Duration> {
        let pid = self.stack.part(part)?.pid?;
        Some(cpu_of(pid)? + children(pid).into_iter().filter_map(cpu_of).sum::<Duration>())
    }

    /// Returns the figures of the machine now, for [`Stage::was_machine_busy_since`]; `None` if it does not show them.
    pub fn machine(&self) -> Option<MachineTotals> {
        read_totals(self.stack, &[], self.epoch_us())
    }

    /// Returns true if processes that do not belong to the run have used much of the machine since then. A limit of time
    /// that was broken meanwhile proves nothing.
    pub fn was_machine_busy_since(&self, before: &MachineTotals) -> bool {
        self.machine().is_some_and(|now| is_crowded(before, &now))
    }

    /// Returns the sum of a metric of a part over all series with these labels; 0 if there is none.
    ///
    /// # Errors
    /// Its metrics cannot be read.
    pub async fn metric(&self, part: &str, name: &str, labels: &[(&str, &str)]) -> Result<f64, StepFailed> {
        Ok(sum(&self.stack.metrics(part).await?, name, labels))
    }
}

fn files_of(pid: u32) -> Option<usize> {
    procfs::process::Process::new(pid.cast_signed()).and_then(|process| process.fd_count()).ok()
}

/// Reads the clock of a process, which counts nanoseconds; the ticks of `/proc` are too coarse for one call.
fn cpu_of(pid: u32) -> Option<Duration> {
    let clock = nix::time::clock_getcpuclockid(nix::unistd::Pid::from_raw(pid.cast_signed())).ok()?;
    clock.now().ok().map(Duration::from)
}

fn peak_of(pid: u32) -> Option<u64> {
    let status = procfs::process::Process::new(pid.cast_signed()).and_then(|process| process.status()).ok()?;
    status.vmhwm.map(|kibibytes| kibibytes << 10)
}

pub(crate) fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let series = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    let wanted = series.filter(|(series, _)| {
        let (metric, with) = series.split_once('{').unwrap_or((series, ""));
        metric == name && labels.iter().all(|(key, value)| with.contains(&format!("{key}=\"{value}\"")))
    });
    wanted.filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn a_metric_is_summed_over_the_series_that_match() {
        let text = "# TYPE a counter\na{x=\"1\",y=\"2\"} 3\na{x=\"1\"} 4\na{x=\"2\"} 5\nab 7\nb 1.5\n";
        assert!((sum(text, "a", &[("x", "1")]) - 7.0).abs() < 1e-9);
        assert!((sum(text, "a", &[]) - 12.0).abs() < 1e-9);
        assert!((sum(text, "b", &[]) - 1.5).abs() < 1e-9 && sum(text, "c", &[]) == 0.0);
    }
}
