//! The result of the comparison of a run with earlier ones: as a value, and as text.

use serde::{Deserialize, Serialize};

/// The comparison of a run with earlier runs of the same kind of build on the same number of cores.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Compared {
    /// Number of earlier runs.
    pub(super) runs: usize,
    /// The rows that are worse beyond noise.
    pub(super) worse: Vec<WorseRow>,
    /// Numbers of the lines of the history that could not be read.
    pub(super) unreadable_lines: Vec<usize>,
}

/// A row whose ratio fell by more than the noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct WorseRow {
    pub(super) name: String,
    pub(super) ratio: f64,
    /// Median of the earlier runs.
    pub(super) usual: f64,
    /// Share by which a ratio may differ without meaning.
    pub(super) noise: f64,
}

impl WorseRow {
    pub(super) fn text(&self) -> String {
        let fall = 100.0 * (1.0 - self.ratio / self.usual);
        let noise = 100.0 * self.noise;
        format!(
            "{}: ratio {:.3} is {fall:.0} % below {:.3}; the noise is {noise:.0} %",
            self.name, self.ratio, self.usual
        )
    }
}

impl Compared {
    /// Renders the comparison in one line, and one more for each worse row.
    pub(super) fn text(&self, of_kind: &str) -> String {
        if self.runs == 0 {
            return format!("no earlier run of {of_kind} to compare with");
        }
        if self.worse.is_empty() {
            return format!("no row is worse than in the last {} of {of_kind}", count(self.runs));
        }
        let rows: Vec<String> = self.worse.iter().map(|row| format!("worse: {}", row.text())).collect();
        format!("{}\ncompared with the median of the last {} of {of_kind}", rows.join("\n"), count(self.runs))
    }
}

fn count(runs: usize) -> String {
    if runs == 1 { "run".to_owned() } else { format!("{runs} runs") }
}
