//! The file of earlier runs, one JSON line each, and the comparison of a run with them. A row counts as worse only beyond the noise of both.

use super::compared::{Compared, WorseRow};
use super::table::{BenchRecord, median};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

/// Number of earlier runs that a run is compared with.
const LAST_RUNS: usize = 5;
/// Least noise, as a share: repeated runs of one build on an idle machine differ by less than this.
const LEAST_NOISE: f64 = 0.10;

/// The earlier runs of a file.
#[derive(Debug, Default)]
pub(super) struct EarlierRuns {
    /// The oldest first.
    pub(super) runs: Vec<BenchRecord>,
    /// Numbers of the lines that are no record, from 1.
    pub(super) unreadable_lines: Vec<usize>,
}

/// Reads the records of a history. A line that is no record is skipped, and its number is kept.
pub(super) fn parse(text: &str) -> EarlierRuns {
    let mut earlier = EarlierRuns::default();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(record) => earlier.runs.push(record),
            Err(_) => earlier.unreadable_lines.push(index + 1),
        }
    }
    earlier
}

/// Compares a run with the last of the earlier runs of the same kind of build on the same number of cores.
pub(super) fn compare(run: &BenchRecord, earlier: &EarlierRuns) -> Compared {
    let kind = |record: &BenchRecord| (record.conditions.build, record.conditions.cores);
    let mut alike: Vec<&BenchRecord> = earlier.runs.iter().filter(|record| kind(record) == kind(run)).collect();
    alike.drain(..alike.len().saturating_sub(LAST_RUNS));
    let ratio_of = |record: &&BenchRecord, name: &str| {
        record.rows.iter().find(|row| row.name == name).map(|row| row.ratio).filter(|ratio| *ratio > 0.0)
    };
    let worse = run.rows.iter().filter_map(|row| {
        let before: Vec<f64> = alike.iter().filter_map(|record| ratio_of(record, &row.name)).collect();
        let usual = median(before.iter().copied());
        let noise = noise(&before, &row.rounds);
        // False for a row that no earlier run has, because its median is NaN.
        (row.ratio < usual * (1.0 - noise)).then(|| WorseRow { name: row.name.clone(), ratio: row.ratio, usual, noise })
    });
    Compared { runs: alike.len(), worse: worse.collect(), unreadable_lines: earlier.unreadable_lines.clone() }
}

/// Returns the share by which a ratio may differ without meaning: how far the earlier runs are apart, or the rounds of this run, at least
/// [`LEAST_NOISE`].
fn noise(before: &[f64], rounds: &[f64]) -> f64 {
    LEAST_NOISE.max(spread(before)).max(spread(rounds))
}

/// Returns the distance from the least to the greatest value, as a share of the median; 0 for no value.
fn spread(values: &[f64]) -> f64 {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    let middle = median(values.iter().copied());
    if middle > 0.0 { (most - least) / middle } else { 0.0 }
}

/// Reads a history; one that does not exist has no runs.
pub(super) fn read(path: &Path) -> io::Result<EarlierRuns> {
    match std::fs::read(path) {
        // A line with other bytes than UTF-8 is unreadable, and the others are not.
        Ok(bytes) => Ok(parse(&String::from_utf8_lossy(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(EarlierRuns::default()),
        Err(error) => Err(error),
    }
}

/// Opens a history for appending, and creates it with its folder if it does not exist.
pub(super) fn open(path: &Path) -> io::Result<std::fs::File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// Appends a run to a history.
pub(super) fn append(path: &Path, record: &BenchRecord) -> io::Result<()> {
    let mut file = open(path)?;
    // A run that was killed while it wrote leaves a line without an end, which must not swallow this one.
    let is_cut = std::fs::read(path)?.last().is_some_and(|byte| *byte != b'\n');
    let line = serde_json::to_string(record).map_err(io::Error::other)?;
    file.write_all(format!("{}{line}\n", if is_cut { "\n" } else { "" }).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::table::{Build, tests::record};
    use super::{EarlierRuns, append, compare, noise, parse, read, spread};

    fn earlier(ratios: &[f64]) -> EarlierRuns {
        let runs = ratios.iter().map(|ratio| record(&[("get_memory", &[*ratio])])).collect();
        EarlierRuns { runs, unreadable_lines: Vec::new() }
    }

    #[test]
    fn a_row_is_worse_only_beyond_the_noise_of_earlier_runs_and_of_its_own_rounds() {
        // Ratios of earlier runs, the oldest first; ratios of the rounds of this run; is it worse?
        let table: [(&[f64], &[f64], bool); 12] = [
            (&[], &[0.1], false),
            (&[0.50], &[0.50, 0.50, 0.50], false),
            (&[0.50], &[0.46, 0.46, 0.46], false),
            (&[0.50], &[0.44, 0.44, 0.44], true),
            (&[0.50], &[0.60, 0.60, 0.60], false),
            // The rounds of this run differ by 30 %.
            (&[0.50], &[0.44, 0.44, 0.57], false),
            (&[0.50], &[0.30, 0.30, 0.39], true),
            // The earlier runs differ by 40 %.
            (&[0.40, 0.50, 0.60], &[0.40, 0.40, 0.40], false),
            (&[0.40, 0.50, 0.60], &[0.29, 0.29, 0.29], true),
            // The median, not the best one.
            (&[0.50, 0.50, 0.52], &[0.46, 0.46, 0.46], false),
            // Only the last five count: 0.90 is too old, and 0.20 would make everything noise.
            (&[0.90, 0.50, 0.50, 0.50, 0.50, 0.50], &[0.50, 0.50, 0.50], false),
            (&[0.20, 0.50, 0.50, 0.50, 0.50, 0.50], &[0.40, 0.40, 0.40], true),
        ];
        for (before, rounds, is_worse) in table {
            let compared = compare(&record(&[("get_memory", rounds)]), &earlier(before));
            assert_eq!(compared.worse.len(), usize::from(is_worse), "{before:?} then {rounds:?}: {compared:?}");
            assert_eq!(compared.runs, before.len().min(5));
        }
    }

    #[test]
    fn noise_is_the_largest_of_ten_percent_and_both_spreads() {
        let table: [(&[f64], &[f64], f64); 4] = [
            (&[], &[], 0.10),
            (&[0.5, 0.5], &[0.5, 0.51], 0.10),
            (&[0.4, 0.5, 0.6], &[0.5], 0.40),
            (&[0.5], &[0.4, 0.5, 0.7], 0.60),
        ];
        for (before, rounds, expected) in table {
            assert!((noise(before, rounds) - expected).abs() < 1e-9, "{before:?} {rounds:?}");
        }
        assert!(spread(&[0.0, 0.0]).abs() < 1e-9);
    }

    #[test]
    fn another_build_another_machine_and_another_row_are_not_compared() {
        let mut before = earlier(&[0.50, 0.50, 0.50]);
        before.runs[0].conditions.build = Build::Debug;
        before.runs[1].conditions.cores = 64;
        before.runs[2].rows[0].name = "get_memory of old".to_owned();
        let compared = compare(&record(&[("get_memory", &[0.1])]), &before);
        assert_eq!((compared.runs, compared.worse.len()), (1, 0));
    }

    #[test]
    fn an_unreadable_line_is_reported_with_its_number_and_the_others_are_read() {
        let line = |ratio| serde_json::to_string(&record(&[("get_memory", &[ratio])])).unwrap();
        let (whole, cut) = (line(0.5), &line(0.4)[..40]);
        // The line of an earlier version without the comparison, and that of a later one with one more field.
        let mut value: serde_json::Value = serde_json::from_str(&whole).unwrap();
        value.as_object_mut().unwrap().remove("compared");
        value["later"] = true.into();
        let text = format!("{whole}\n{cut}\n\n{value}\n[]\n{whole}");
        let earlier = parse(&text);
        assert_eq!(earlier.unreadable_lines, [2, 5]);
        assert_eq!(earlier.runs.len(), 3);
        let run = record(&[("get_memory", &[0.5])]);
        assert_eq!(compare(&run, &earlier).unreadable_lines, [2, 5]);
        assert_eq!(earlier.runs[0], run);
    }

    #[test]
    fn a_run_is_appended_after_a_line_that_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs/bench.jsonl");
        assert!(read(&path).unwrap().runs.is_empty(), "a history that does not exist");
        let run = record(&[("get_memory", &[0.5])]);
        append(&path, &run).unwrap();
        append(&path, &run).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 30]).unwrap();
        append(&path, &run).unwrap();
        let history = read(&path).unwrap();
        assert_eq!(history.unreadable_lines, [2]);
        assert_eq!(history.runs, [run.clone(), run]);
    }

    #[test]
    fn the_comparison_is_text() {
        let run = record(&[("get_memory", &[0.30]), ("store_memory", &[0.2])]);
        let earlier = EarlierRuns {
            runs: vec![record(&[("get_memory", &[0.50]), ("store_memory", &[0.2])]); 2],
            unreadable_lines: Vec::new(),
        };
        let texts = [
            compare(&run, &EarlierRuns::default()).text("a release build on 2 cores"),
            compare(&earlier.runs[0], &earlier).text("a release build on 2 cores"),
            compare(&run, &earlier).text("a release build on 2 cores"),
        ];
        insta::assert_snapshot!(texts.join("\n---\n"));
    }
}
