//! Every check accepts its valid histories and rejects its invalid ones; no check is without both.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

use harness_history::check::{ALL, Check};
use harness_history::{Criteria, History, Metric, Op, Threshold, Verdict};
use std::path::{Path, PathBuf};

const LEAST: usize = 2;

fn criteria() -> Criteria {
    let threshold = |metric, below| Threshold { operation: None, metric, below };
    Criteria {
        thresholds: vec![threshold(Metric::ErrorRate, 0.01), threshold(Metric::LatencyPercentile(99.0), 500_000.0)],
        users: Some(3),
    }
}

fn histories(kind: &str, check: &Check) -> Vec<(PathBuf, History)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/histories").join(kind).join(check.name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files
        .map(|file| {
            let path = file.unwrap().path();
            let parse = |line: &str| {
                serde_json::from_str::<Op>(line).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            };
            let history = std::fs::read_to_string(&path).unwrap().lines().map(parse).collect();
            (path, history)
        })
        .collect()
}

#[test]
fn every_check_accepts_its_valid_histories() {
    for check in ALL {
        let histories = histories("valid", &check);
        assert!(histories.len() >= LEAST, "{} has {} valid histories", check.name, histories.len());
        for (path, history) in histories {
            let finding = check.run(&history, &criteria()).unwrap();
            assert_eq!(finding.verdict, Verdict::Pass, "{}: {finding:?}", path.display());
            assert!(finding.judged > 0);
        }
    }
}

#[test]
fn every_check_rejects_its_invalid_histories_and_shows_why() {
    for check in ALL {
        let histories = histories("invalid", &check);
        assert!(histories.len() >= LEAST, "{} has {} invalid histories", check.name, histories.len());
        for (path, history) in histories {
            let finding = check.run(&history, &criteria()).unwrap();
            assert_eq!(finding.verdict, Verdict::Fail, "{}: {finding:?}", path.display());
            assert!(finding.violations > 0 && !finding.evidence.is_empty(), "{}", path.display());
        }
    }
}

#[test]
fn an_empty_history_proves_nothing() {
    for check in ALL {
        let finding = check.run(&History::default(), &criteria()).unwrap();
        assert_eq!(finding.verdict, Verdict::Unknown, "{}: {finding:?}", check.name);
    }
}

#[test]
fn a_write_that_nobody_read_at_the_end_is_not_called_kept() {
    let history: History = histories("valid", &ALL[0])
        .into_iter()
        .flat_map(|(_, history)| history.ops().to_vec())
        .filter(|op| op.phase != harness_history::Phase::Final)
        .collect();
    assert_eq!(ALL[0].run(&history, &criteria()).unwrap().verdict, Verdict::Unknown);
}
