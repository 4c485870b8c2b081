//! Reports made from a run directory: their text for each verdict, hostile and incomplete records, and their published schema.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/recorded.rs"]
mod recorded;

use harness_core::drive::{DriverReport, FinalWalks, Plan, RunPurpose};
use harness_core::judge::{EVIDENCE_CHECK, JudgeError, JudgeMemory, Judgement, Recorded, judge};
use harness_core::plan::seal::seal;
use harness_core::plan::{history_files, run_dir};
use harness_core::report::{schema, write_all};
use harness_history::experiment::Span;
use harness_history::{Effect, ErrorKind, Op, Outcome, Phase, Verdict};
use recorded::{driver, ops, write_run};
use std::path::Path;

const HOSTILE: &str = "<script>alert('x')</script>|`*[a](b)";

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

fn judge_again(dir: &Path) -> Result<Judgement, JudgeError> {
    let recorded = Recorded::read(dir, JudgeMemory::default())?;
    let judgement = judge(&recorded)?;
    write_all(&recorded, &judgement).unwrap();
    Ok(judgement)
}

fn bytes_read_by_this_thread() -> u64 {
    let counters = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    counters.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[test]
fn a_good_run_passes_in_every_format() {
    let dir = tempfile::tempdir().unwrap();
    let judgement = write_run(dir.path(), &ops(), Some(driver()));
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:?}");
    insta::assert_snapshot!("markdown", read(dir.path(), run_dir::REPORT_MARKDOWN));
    let junit = read(dir.path(), run_dir::JUNIT);
    assert!(
        junit.contains(r#"tests="15""#) && junit.contains(r#"failures="0""#) && junit.contains(r#"errors="0""#),
        "{junit}"
    );
    let html = read(dir.path(), run_dir::REPORT_HTML);
    assert!(html.contains("PASS") && html.matches("<svg").count() == 2 * 5);
    for outside in ["http://", "https://", "<script", "<link", "@import"] {
        assert!(!html.replace("http://www.w3.org/2000/svg", "").contains(outside), "the page loads {outside}");
    }
}

#[test]
fn sealing_judging_and_reporting_read_the_record_once() {
    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path(), &ops(), Some(driver()));
    std::fs::remove_file(dir.path().join(run_dir::MANIFEST)).unwrap();
    let files = [run_dir::PLAN, run_dir::HISTORY, run_dir::SAMPLES, run_dir::DRIVER, run_dir::SURROUNDINGS];
    let bytes: u64 = files.iter().map(|name| dir.path().join(name).metadata().unwrap().len()).sum();
    let before = bytes_read_by_this_thread();
    let recorded = Recorded::read_and_seal(dir.path(), JudgeMemory::default()).unwrap();
    let judgement = judge(&recorded).unwrap();
    write_all(&recorded, &judgement).unwrap();
    let read = bytes_read_by_this_thread() - before;
    // The margin is for the counter itself, which is read from a file too.
    assert!((bytes..bytes + bytes / 20).contains(&read), "{read} bytes were read of a record of {bytes} bytes");
    assert_eq!(judge_again(dir.path()).unwrap(), judgement, "the manifest is right although no file was read for it");
}

#[test]
fn judging_again_yields_the_same_verdict_and_report() {
    let dir = tempfile::tempdir().unwrap();
    let first = write_run(dir.path(), &ops(), Some(driver()));
    let report = read(dir.path(), run_dir::REPORT_JSON);
    let second = judge_again(dir.path()).unwrap();
    assert_eq!((first, report), (second, read(dir.path(), run_dir::REPORT_JSON)));
}

#[test]
fn a_run_that_proves_nothing_is_unknown_for_a_reason() {
    let saturated = DriverReport { cpu_peak: 0.97, ..driver() };
    let behind = DriverReport { planned_arrivals: Some(1_000), ..driver() };
    let late = DriverReport { planned_arrivals: Some(160), send_lag_us_p99: Some(9_000), ..driver() };
    let interrupted = DriverReport { interrupted: true, ..driver() };
    let full = DriverReport { problems: vec!["the disk is full".to_owned()], ..driver() };
    let cases = [
        (Some(saturated), "saturated"),
        (Some(behind), "planned arrivals"),
        (Some(late), "sent late"),
        (Some(interrupted), "interrupted"),
        (Some(full), "disk is full"),
        (None, "wrote no report"),
    ];
    for (driver, reason) in cases {
        let dir = tempfile::tempdir().unwrap();
        let judgement = write_run(dir.path(), &ops(), driver);
        assert_eq!(judgement.verdict, Verdict::Unknown, "{reason}");
        assert!(read(dir.path(), run_dir::REPORT_MARKDOWN).contains(reason), "{reason}");
        assert!(read(dir.path(), run_dir::JUNIT).contains(r#"errors="2""#), "{reason}: the run itself and its check");
    }
}

/// A run in which 19 of 20 measured calls take 0.7 s. If all did, no doubt would explain it.
fn slow_ops() -> Vec<Op> {
    let slow = |op: Op| match op.phase {
        Phase::Measured if !op.invoke_us.is_multiple_of(1_000_000) => Op { complete_us: op.invoke_us + 700_000, ..op },
        Phase::Setup | Phase::Warmup | Phase::Measured | Phase::Final => op,
    };
    ops().into_iter().map(slow).collect()
}

#[test]
fn a_broken_bound_is_unknown_while_the_evidence_is_in_doubt() {
    let stood_still = DriverReport { stalls: vec![Span { from_us: 2_000_000, until_us: 2_500_000 }], ..driver() };
    let crowded = r#"{"crowded":[{"from_us":1000000,"until_us":9000000}]}"#;
    let of_harness = r#"{"stalls":[{"from_us":2000000,"until_us":2500000}]}"#;
    let cases = [
        (driver(), None, Verdict::Fail, "500 ms: 700 ms"),
        (stood_still, None, Verdict::Unknown, "the harness stood still during"),
        (driver(), Some(crowded), Verdict::Unknown, "other processes used the machine during"),
        // The harness makes no call of a load, so its own stalls disturb none.
        (driver(), Some(of_harness), Verdict::Fail, "500 ms: 700 ms"),
    ];
    for (driver, conditions, verdict, reason) in cases {
        let dir = tempfile::tempdir().unwrap();
        if let Some(conditions) = conditions {
            std::fs::write(dir.path().join(run_dir::CONDITIONS), conditions).unwrap();
        }
        let judgement = write_run(dir.path(), &slow_ops(), Some(driver));
        assert_eq!(judgement.verdict, verdict, "{judgement:?}");
        assert!(read(dir.path(), run_dir::REPORT_MARKDOWN).contains(reason), "{reason}");
        if conditions.is_some() {
            assert!(read(dir.path(), run_dir::MANIFEST).contains(run_dir::CONDITIONS), "the record is sealed");
        }
    }
}

#[test]
fn a_broken_bound_is_unknown_if_the_driver_wrote_no_report() {
    let dir = tempfile::tempdir().unwrap();
    let judgement = write_run(dir.path(), &slow_ops(), None);
    assert_eq!(judgement.verdict, Verdict::Unknown, "{judgement:?}");
    assert!(read(dir.path(), run_dir::REPORT_MARKDOWN).contains("its stalls are not known"));
}

#[test]
fn an_experiment_without_its_record_is_not_judged_by_the_outage_that_it_made() {
    let dir = tempfile::tempdir().unwrap();
    let waits = |op: &Op| op.phase == Phase::Measured && (1_500_000..4_000_000).contains(&op.invoke_us);
    let answered_late = |op: Op| if waits(&op) { Op { complete_us: 4_001_000, ..op } } else { op };
    let calls: Vec<Op> = ops().into_iter().map(answered_late).collect();
    write_run(dir.path(), &calls, None);
    let experiment = harness_core::drive::experiment::find("redis-outage", None).unwrap();
    let plan = Plan { subject: RunPurpose::Experiment(Box::new(experiment)), ..recorded::plan() };
    std::fs::write(dir.path().join(run_dir::PLAN), serde_json::to_vec(&plan).unwrap()).unwrap();
    let judgement = judge_again(dir.path()).unwrap();
    let failed = judgement.findings.iter().filter(|finding| finding.verdict == Verdict::Fail);
    assert_eq!(failed.count(), 0, "{judgement:?}");
}

#[test]
fn a_lost_write_fails_whatever_else_happened() {
    let stood_still =
        DriverReport { stalls: vec![Span { from_us: 1_000_000, until_us: 5_000_000 }], cpu_peak: 0.97, ..driver() };
    let mut ops = ops();
    let read = ops.iter_mut().rfind(|op| op.phase == Phase::Final).unwrap();
    if let Effect::Read { value, .. } = &mut read.effect {
        *value = None;
    }
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(write_run(dir.path(), &ops, Some(stood_still)).verdict, Verdict::Fail);
}

#[test]
fn a_recorder_that_loses_one_record_in_10_000_is_noticed() {
    let run = ops();
    let kept = |lost: Option<usize>| {
        let all = (0..10_000).map(|number: u64| {
            let (invoke_us, phase) = (number * 400, if number < 2_500 { Phase::Warmup } else { Phase::Measured });
            let of_either_user = run[number as usize % 2 * 150].clone();
            Op { phase, invoke_us, complete_us: invoke_us + 300, effect: Effect::None, ..of_either_user }
        });
        all.enumerate().filter(|(at, _)| Some(*at) != lost).map(|(_, op)| op).collect::<Vec<_>>()
    };
    let judged = |lost| {
        let dir = tempfile::tempdir().unwrap();
        let driver = DriverReport { calls: 7_500, transactions: Some(10_000), ..driver() };
        let judgement = write_run(dir.path(), &kept(lost), Some(driver));
        judgement.findings.into_iter().find(|finding| finding.check == EVIDENCE_CHECK).unwrap()
    };
    assert_eq!(judged(None).verdict, Verdict::Pass);
    let noticed = judged(Some(7_000));
    assert_eq!(noticed.verdict, Verdict::Unknown);
    assert!(noticed.summary.contains("goose counted 10000 calls, but the history has 9999"), "{}", noticed.summary);
}

#[test]
fn a_load_that_never_succeeded_is_not_a_pass() {
    let dir = tempfile::tempdir().unwrap();
    let refused =
        ops().into_iter().map(|op| Op { outcome: Outcome::Failed(ErrorKind::Connect), ..op }).collect::<Vec<_>>();
    let judgement = write_run(dir.path(), &refused, Some(driver()));
    assert_ne!(judgement.verdict, Verdict::Pass);
    assert!(read(dir.path(), run_dir::REPORT_MARKDOWN).contains("no call of the measured phase succeeded"));
}

#[test]
fn an_incomplete_last_line_is_reported_and_the_rest_is_judged() {
    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path(), &ops(), Some(driver()));
    let path = dir.path().join(run_dir::HISTORY);
    let mut history = std::fs::read(&path).unwrap();
    history.extend_from_slice(br#"{"process":1,"ten"#);
    std::fs::write(&path, history).unwrap();
    let judgement = judge_again(dir.path()).unwrap();
    assert_eq!(judgement.verdict, Verdict::Unknown);
    assert!(judgement.findings[0].summary.contains("incomplete"));
    std::fs::write(&path, "nonsense\n{}\n").unwrap();
    assert!(judge_again(dir.path()).unwrap_err().to_string().contains("line 1"));
    assert!(judge_again(&dir.path().join("nowhere")).is_err());
}

/// Splits the history of a run into three files at whole lines, as a recorder does with a long one.
fn split(dir: &Path) {
    let history = read(dir, run_dir::HISTORY);
    let lines: Vec<&str> = history.split_inclusive('\n').collect();
    for (part, number) in lines.chunks(lines.len().div_ceil(3)).zip(1..) {
        std::fs::write(dir.join(history_files::name(number)), part.concat()).unwrap();
    }
    std::fs::remove_file(dir.join(run_dir::MANIFEST)).unwrap();
    seal(dir).unwrap();
}

#[test]
fn a_history_in_several_files_is_judged_and_sealed_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let whole = write_run(dir.path(), &ops(), Some(driver()));
    let report = read(dir.path(), run_dir::REPORT_JSON);
    split(dir.path());
    assert_eq!(judge_again(dir.path()).unwrap(), whole);
    assert_eq!(read(dir.path(), run_dir::REPORT_JSON), report, "evidence has the same line numbers");
    let (second, third) = (dir.path().join(history_files::name(2)), dir.path().join(history_files::name(3)));
    let text = std::fs::read_to_string(&third).unwrap();
    std::fs::write(&third, text.replacen("ok", "OK", 1)).unwrap();
    let error = judge_again(dir.path()).unwrap_err().to_string();
    assert!(error.contains("history.jsonl.0003") && error.contains("line 1"), "{error}");
    std::fs::remove_file(&third).unwrap();
    let cut = judge_again(dir.path()).unwrap();
    assert!(
        cut.verdict != Verdict::Pass && cut.findings[0].summary.contains("`history.jsonl.0003` is missing"),
        "{cut:?}"
    );
    std::fs::write(&third, text).unwrap();
    std::fs::remove_file(&second).unwrap();
    assert!(judge_again(dir.path()).unwrap_err().to_string().contains("history.jsonl.0002"));
}

#[test]
fn a_history_that_is_too_long_for_the_judge_is_unknown_and_nothing_else_is_concluded() {
    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path(), &ops(), Some(driver()));
    let recorded = Recorded::read(dir.path(), JudgeMemory::of_mib(0)).unwrap();
    let judgement = judge(&recorded).unwrap();
    write_all(&recorded, &judgement).unwrap();
    assert_eq!((judgement.verdict, judgement.findings.len()), (Verdict::Unknown, 1), "{judgement:?}");
    let summary = &judgement.findings[0].summary;
    assert!(summary.contains("too long to be judged in 0 MiB") && summary.contains("judge.memory_mib"), "{summary}");
    assert_eq!(judge_again(dir.path()).unwrap().verdict, Verdict::Pass, "with enough memory");
}

#[test]
fn a_sample_of_the_final_read_is_in_the_finding() {
    let dir = tempfile::tempdir().unwrap();
    let final_walks = Some(FinalWalks { users: 140, walked: 12, records: 200_000 });
    let sampled = DriverReport { final_sample: Some(5), final_walks, ..driver() };
    let judgement = write_run(dir.path(), &ops(), Some(sampled));
    assert_eq!(judgement.verdict, Verdict::Pass, "a sample that has every record is none");
    let summary = &judgement.findings[0].summary;
    assert!(summary.contains("12 of 140 users, chosen at random, listed everything at the end"), "{summary}");
    let recorded = Recorded::read(dir.path(), JudgeMemory::default()).unwrap();
    assert_eq!(recorded.history.conditions().sampled, Some(5));
}

#[test]
fn text_of_a_server_cannot_break_out_of_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let mut hostile = ops();
    for op in hostile.iter_mut().filter(|op| op.phase == Phase::Measured).take(60) {
        op.outcome = Outcome::Failed(ErrorKind::Tool(HOSTILE.into()));
    }
    let judgement = write_run(dir.path(), &hostile, Some(driver()));
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert!(!read(dir.path(), run_dir::REPORT_HTML).contains("<script"));
    let markdown = read(dir.path(), run_dir::REPORT_MARKDOWN);
    assert!(!markdown.contains("<script") && markdown.contains("\\|"), "{markdown}");
    assert!(read(dir.path(), run_dir::JUNIT).contains("<failure"));
}

#[test]
fn the_published_schema_is_that_of_the_report() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/report.schema.json");
    let current = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), current, "run this test with UPDATE_SCHEMA=1");
}

#[test]
fn a_record_that_was_cut_or_changed_is_reported_and_never_passes() {
    type Change = fn(&Path);
    let changes: [(Change, &str); 3] = [
        (|dir| std::fs::remove_file(dir.join(run_dir::MANIFEST)).unwrap(), "never closed"),
        (
            |dir| {
                let history = read(dir, run_dir::HISTORY);
                let cut: Vec<&str> = history.lines().take(290).collect();
                std::fs::write(dir.join(run_dir::HISTORY), cut.join("\n") + "\n").unwrap();
            },
            "changed after the run",
        ),
        (
            |dir| {
                let kind = read(dir, run_dir::DRIVER).replace("0.2", "0.1");
                std::fs::write(dir.join(run_dir::DRIVER), kind).unwrap();
            },
            "has other contents",
        ),
    ];
    for (change, expected) in changes {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(write_run(dir.path(), &ops(), Some(driver())).verdict, Verdict::Pass);
        change(dir.path());
        let judgement = judge_again(dir.path()).unwrap();
        assert_ne!(judgement.verdict, Verdict::Pass, "{expected}");
        for format in [run_dir::REPORT_MARKDOWN, run_dir::JUNIT] {
            assert!(read(dir.path(), format).contains(expected), "`{expected}` is missing in {format}");
        }
    }
}

#[test]
fn every_threshold_has_a_line_and_every_finding_shows_the_calls_that_prove_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut lost = ops();
    let gone = |op: &mut Op| op.phase == Phase::Final && op.invoke_us == 6_000_000;
    lost.retain_mut(|op| {
        !gone(op) || {
            if let harness_history::Effect::Read { value, .. } = &mut op.effect {
                *value = None;
            }
            true
        }
    });
    assert_eq!(write_run(dir.path(), &lost, Some(driver())).verdict, Verdict::Fail);
    let report: serde_json::Value = serde_json::from_str(&read(dir.path(), run_dir::REPORT_JSON)).unwrap();
    let thresholds: Vec<&str> =
        report["thresholds"].as_array().unwrap().iter().map(|one| one["threshold"].as_str().unwrap()).collect();
    assert_eq!(thresholds, ["error_rate<10 %", "p90<500 ms"]);
    let html = read(dir.path(), run_dir::REPORT_HTML);
    assert!(html.contains("store_memory by ann of acme at 0.000 s, ok after 2.0 ms"), "{html}");
    let junit = read(dir.path(), run_dir::JUNIT);
    for case in ["load memory", "check no-lost-writes", "threshold p90&lt;500 ms measured"] {
        assert!(junit.contains(&format!("name=\"{case}\"")), "`{case}` is missing in {junit}");
    }
}
