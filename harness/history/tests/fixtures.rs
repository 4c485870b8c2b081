//! Every check accepts its valid histories and rejects its invalid ones; no check is without both.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

use harness_history::check::{ALL, Check, standing};
use harness_history::{Criteria, Expectation, History, Metric, Op, Quota, Threshold, Verdict};
use std::path::{Path, PathBuf};

const LEAST: usize = 2;

fn criteria() -> Criteria {
    let threshold = |metric, below| Threshold { operation: None, metric, below };
    Criteria {
        thresholds: vec![threshold(Metric::ErrorRate, 0.01), threshold(Metric::LatencyPercentile(99.0), 500_000.0)],
        users: Some(3),
        quotas: vec![
            Quota { tenant: "limited".to_owned(), operations: Vec::new(), limit: 3, window_us: None },
            Quota { tenant: "bursty".to_owned(), operations: Vec::new(), limit: 2, window_us: Some(1_000) },
        ],
        expectations: Some(Vec::new()),
        required: standing().map(str::to_owned).collect(),
    }
}

/// A history and what was expected of it.
struct Fixture {
    path: PathBuf,
    history: History,
    criteria: Criteria,
}

fn parsed<T: serde::de::DeserializeOwned>(path: &Path, line: &str) -> T {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn histories(kind: &str, check: &Check) -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/histories").join(kind).join(check.name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files
        .map(|file| {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let (expectations, ops): (Vec<&str>, Vec<&str>) =
                text.lines().partition(|line| line.contains("\"expected\":"));
            let history = ops.iter().map(|line| parsed::<Op>(&path, line)).collect();
            let expectations = Some(expectations.iter().map(|line| parsed::<Expectation>(&path, line)).collect());
            Fixture { history, criteria: Criteria { expectations, ..criteria() }, path }
        })
        .collect()
}

#[test]
fn every_check_accepts_its_valid_histories() {
    for check in ALL {
        let histories = histories("valid", &check);
        assert!(histories.len() >= LEAST, "{} has {} valid histories", check.name, histories.len());
        for Fixture { path, history, criteria } in histories {
            let finding = check.run(&history, &criteria).unwrap();
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
        for Fixture { path, history, criteria } in histories {
            let finding = check.run(&history, &criteria).unwrap();
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

fn named(name: &str) -> Check {
    ALL.into_iter().find(|check| check.name == name).unwrap()
}

#[test]
fn a_write_that_nobody_read_at_the_end_is_not_called_kept() {
    let check = named("no-lost-writes");
    let history: History = histories("valid", &check)
        .into_iter()
        .flat_map(|fixture| fixture.history.ops().to_vec())
        .filter(|op| op.phase != harness_history::Phase::Final)
        .collect();
    assert_eq!(check.run(&history, &criteria()).unwrap().verdict, Verdict::Unknown);
}

#[test]
fn an_expectation_that_could_not_be_evaluated_is_not_called_held() {
    let open = |verdict| Expectation {
        at_us: 1,
        expected: "it is gone".to_owned(),
        verdict,
        seen: "no answer".to_owned(),
        ops: Vec::new(),
    };
    let criteria = Criteria { expectations: Some(vec![open(Verdict::Pass), open(Verdict::Unknown)]), ..criteria() };
    let finding = named("expectations-held").run(&History::default(), &criteria).unwrap();
    assert_eq!(finding.verdict, Verdict::Unknown);
    assert!(finding.evidence[0].what.contains("no answer"), "{finding:?}");
}

#[test]
fn calls_that_nobody_answered_leave_the_bound_open() {
    let check = named("quota-bound");
    let fixtures = histories("valid", &check);
    let full = fixtures.iter().find(|fixture| fixture.path.ends_with("three-of-three-and-one-refused.jsonl")).unwrap();
    let mut ops = full.history.ops().to_vec();
    ops[3].outcome = harness_history::Outcome::Unknown(harness_history::ErrorKind::Timeout);
    assert_eq!(check.run(&ops.into_iter().collect(), &criteria()).unwrap().verdict, Verdict::Unknown);
}

#[test]
fn a_check_that_nothing_decides_speaks_only_where_it_is_required() {
    let says = |required: &[&str]| {
        let required = required.iter().map(|name| (*name).to_owned()).collect();
        let findings = harness_history::judge(&History::default(), &Criteria { required, ..Criteria::default() });
        findings.into_iter().map(|finding| finding.check).collect::<Vec<String>>()
    };
    assert_eq!(says(&[]), Vec::<String>::new());
    assert_eq!(says(&["tenant-isolation"]), ["tenant-isolation"]);
}
