//! The result of `harness bench` as data, and its renderings: a table for a terminal and one for a document.

use super::compared::Compared;
use harness_history::counted;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// First and last line of the block in a document.
pub(super) const MARK: &str = "<!-- bench -->";

const COLUMNS: [&str; 12] = [
    "call",
    "calls/s",
    "bare/s",
    "ratio",
    "rounds",
    "goal",
    "p50 ms",
    "bare ms",
    "goal ms",
    "CPU us",
    "bare us",
    "CPU ratio",
];

/// What a row should reach; fields without a goal are `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Goal {
    /// Calls per second by bare replies per second.
    pub(super) ratio: Option<f64>,
    pub(super) calls_per_s: Option<f64>,
    /// At one connection.
    pub(super) p50_ms: Option<f64>,
}

impl Goal {
    pub(super) const NONE: Self = Self { ratio: None, calls_per_s: None, p50_ms: None };

    pub(super) const fn ratio(ratio: f64) -> Self {
        Self { ratio: Some(ratio), ..Self::NONE }
    }

    /// Returns the text of the column next to the ratio.
    fn of_throughput(self) -> String {
        match (self.ratio, self.calls_per_s) {
            (Some(ratio), _) => format!("{ratio:.2}"),
            (None, Some(calls)) => format!("{calls:.0}/s"),
            (None, None) => "-".to_owned(),
        }
    }

    fn of_p50(self) -> String {
        self.p50_ms.map_or_else(|| "-".to_owned(), |goal| format!("{goal:.2}"))
    }
}

/// One run of the bench: a line of the history, and the output of `--json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct BenchRecord {
    /// The revision of the checkout; `None` outside of one.
    pub(super) commit: Option<String>,
    /// Start of the run (RFC 3339, UTC).
    pub(super) date: String,
    pub(super) conditions: BenchConditions,
    pub(super) rows: Vec<BenchRow>,
    /// The comparison with earlier runs.
    // Old lines are read for their rows alone.
    #[serde(default)]
    pub(super) compared: Compared,
}

/// Figures are compared only under equal conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct BenchConditions {
    pub(super) cores: usize,
    /// Load average of the last minute before the run; `None` if the system has none.
    pub(super) load: Option<f64>,
    pub(super) build: Build,
    pub(super) rounds: u32,
    /// Number of connections that are busy at a time.
    pub(super) connections: usize,
    /// Time until a stack is ready, median of the rounds.
    pub(super) ready_ms: f64,
}

/// The kind of build of the harness, and so of the services in its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Build {
    Debug,
    Release,
}

impl Build {
    pub(super) const CURRENT: Self = if cfg!(debug_assertions) { Self::Debug } else { Self::Release };

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// The price of one kind of call; medians of the rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct BenchRow {
    pub(super) name: String,
    /// Calls per second by bare replies per second, median of `rounds`.
    pub(super) ratio: f64,
    /// The ratio in each round.
    pub(super) rounds: Vec<f64>,
    pub(super) call: Price,
    /// Of the bare reply of the same service.
    pub(super) bare: Price,
}

/// What a call costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Price {
    pub(super) calls_per_s: f64,
    /// At one connection.
    pub(super) p50_ms: f64,
    /// CPU time of the service for a call.
    pub(super) cpu_us: f64,
}

impl BenchRow {
    /// Summarizes the prices of a call and of the bare reply beside it, one pair for each round.
    pub(super) fn of(name: &str, pairs: &[(Price, Price)]) -> Self {
        let rounds: Vec<f64> = pairs.iter().map(|(call, bare)| call.calls_per_s / bare.calls_per_s).collect();
        let price = |side: fn(&(Price, Price)) -> Price| Price {
            calls_per_s: median(pairs.iter().map(|pair| side(pair).calls_per_s)),
            p50_ms: median(pairs.iter().map(|pair| side(pair).p50_ms)),
            cpu_us: median(pairs.iter().map(|pair| side(pair).cpu_us)),
        };
        Self {
            name: name.to_owned(),
            ratio: median(rounds.iter().copied()),
            rounds,
            call: price(|pair| pair.0),
            bare: price(|pair| pair.1),
        }
    }

    fn cells(&self, goal: Goal) -> [String; COLUMNS.len()] {
        let (call, bare) = (self.call, self.bare);
        let least = self.rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.rounds.iter().copied().fold(0.0, f64::max);
        [
            self.name.clone(),
            format!("{:.0}", call.calls_per_s),
            format!("{:.0}", bare.calls_per_s),
            ratio_text(self.ratio),
            format!("{}-{}", ratio_text(least), ratio_text(most)),
            goal.of_throughput(),
            format!("{:.3}", call.p50_ms),
            format!("{:.3}", bare.p50_ms),
            goal.of_p50(),
            format!("{:.0}", call.cpu_us),
            format!("{:.0}", bare.cpu_us),
            format!("{:.1}", call.cpu_us / bare.cpu_us),
        ]
    }
}

/// A workflow costs a hundred bare replies, so that three decimals would be one digit.
fn ratio_text(ratio: f64) -> String {
    if ratio < 0.05 { format!("{ratio:.4}") } else { format!("{ratio:.3}") }
}

/// Returns the value in the middle; of an even number of values the mean of the two in the middle. NaN for no value.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match (values.len() / 2, values.len() % 2) {
        (0, 0) => f64::NAN,
        (middle, 0) => f64::midpoint(values[middle - 1], values[middle]),
        (middle, _) => values[middle],
    }
}

impl BenchRecord {
    /// Renders the table for a terminal. `goal` returns the goal of a row.
    pub(super) fn text(&self, goal: impl Fn(&str) -> Goal) -> String {
        let mut lines = vec![COLUMNS.map(str::to_owned)];
        lines.extend(self.rows.iter().map(|row| row.cells(goal(&row.name))));
        let width = |column: usize| lines.iter().map(|cells| cells[column].len()).max().unwrap_or_default();
        let widths: [usize; COLUMNS.len()] = std::array::from_fn(width);
        let mut out = String::new();
        for cells in &lines {
            let mut line = format!("{:<width$}", cells[0], width = widths[0]);
            for (cell, width) in cells.iter().zip(widths).skip(1) {
                // A string takes every write.
                let _ = write!(line, "  {cell:>width$}");
            }
            out.push_str(&line);
            out.push('\n');
        }
        out + "\n" + &self.conditions_line()
    }

    /// Renders the block of a document, with its marks.
    pub(super) fn markdown(&self, goal: impl Fn(&str) -> Goal) -> String {
        let mut out = format!("{MARK}\n{}\n\n{}", self.conditions_line(), table_head());
        for row in &self.rows {
            out.push_str(&line(&row.cells(goal(&row.name))));
        }
        out + MARK
    }

    fn conditions_line(&self) -> String {
        let conditions = &self.conditions;
        let load = conditions.load.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
        let commit = self.commit.as_deref().map_or_else(String::new, |commit| format!(", commit {commit}"));
        format!(
            "{}, load {load} before, {} build, medians of {}, {} connections (one for p50){commit}, {}; a stack was ready after {:.0} ms.",
            counted(conditions.cores, "core", "cores"),
            conditions.build.name(),
            counted(conditions.rounds, "round", "rounds"),
            conditions.connections,
            self.date,
            conditions.ready_ms,
        )
    }
}

fn table_head() -> String {
    line(&COLUMNS.map(str::to_owned)) + "|---" + &"|--:".repeat(COLUMNS.len() - 1) + "|\n"
}

fn line(cells: &[String; COLUMNS.len()]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::calls::CALLS;
    use super::{BenchConditions, BenchRecord, BenchRow, Build, Compared, Goal, MARK, Price, median, table_head};
    use std::path::Path;

    const fn price(calls_per_s: f64, p50_ms: f64, cpu_us: f64) -> Price {
        Price { calls_per_s, p50_ms, cpu_us }
    }

    /// A run whose rows have these names and ratios.
    pub(crate) fn record(rows: &[(&str, &[f64])]) -> BenchRecord {
        let bare = price(50_000.0, 0.03, 18.0);
        let pairs = |ratios: &[f64]| {
            ratios.iter().map(|ratio| (price(bare.calls_per_s * ratio, 0.2, 36.0), bare)).collect::<Vec<_>>()
        };
        BenchRecord {
            commit: Some("8bc72203c1d2".to_owned()),
            date: "2026-11-30T18:00:00Z".to_owned(),
            conditions: BenchConditions {
                cores: 2,
                load: Some(0.25),
                build: Build::Release,
                rounds: rows.first().map_or(0, |(_, ratios)| ratios.len() as u32),
                connections: 100,
                ready_ms: 640.0,
            },
            rows: rows.iter().map(|(name, ratios)| BenchRow::of(name, &pairs(ratios))).collect(),
            compared: Compared::default(),
        }
    }

    fn goal(name: &str) -> Goal {
        CALLS.iter().find(|call| call.name == name).map_or(Goal::NONE, |call| call.goal)
    }

    #[test]
    fn the_median_is_the_value_in_the_middle() {
        for (values, expected) in [(&[3.0][..], 3.0), (&[9.0, 1.0, 2.0], 2.0), (&[4.0, 1.0, 2.0, 9.0], 3.0)] {
            assert!((median(values.iter().copied()) - expected).abs() < 1e-9, "{values:?}");
        }
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn a_row_has_the_median_of_the_ratios_and_not_the_ratio_of_medians() {
        let pairs = [
            (price(10.0, 1.0, 5.0), price(100.0, 0.1, 1.0)),
            (price(20.0, 3.0, 7.0), price(50.0, 0.3, 3.0)),
            (price(30.0, 2.0, 6.0), price(150.0, 0.2, 2.0)),
        ];
        let row = BenchRow::of("a", &pairs);
        assert_eq!(row.rounds, [0.1, 0.4, 0.2]);
        assert!((row.ratio - 0.2).abs() < 1e-9);
        assert_eq!((row.call, row.bare), (price(20.0, 2.0, 6.0), price(100.0, 0.2, 2.0)));
    }

    fn sample() -> BenchRecord {
        record(&[
            ("refused call", &[0.7, 0.72, 0.68]),
            ("get_memory", &[0.5, 0.51, 0.49]),
            ("run_workflow", &[0.01, 0.012, 0.008]),
        ])
    }

    #[test]
    fn a_terminal_gets_aligned_columns() {
        insta::assert_snapshot!(sample().text(goal));
    }

    #[test]
    fn a_document_gets_a_block_between_marks() {
        insta::assert_snapshot!(sample().markdown(goal));
    }

    #[test]
    fn the_page_about_performance_has_a_block_of_this_form() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/PERFORMANCE.md");
        let page = std::fs::read_to_string(page).unwrap();
        let parts: Vec<&str> = page.split(MARK).collect();
        let [_, block, _] = parts[..] else { panic!("{} marks instead of 2", parts.len() - 1) };
        let (_, rows) = block.split_once(&table_head()).expect("the head of the table is that of `--markdown`");
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let rows: Vec<(String, String, String)> =
            rows.lines().map(cells).map(|cells| (cells[1].clone(), cells[6].clone(), cells[9].clone())).collect();
        let expected = CALLS.map(|call| (call.name.to_owned(), call.goal.of_throughput(), call.goal.of_p50()));
        assert_eq!(rows, expected, "names and goals of the rows");
    }
}
