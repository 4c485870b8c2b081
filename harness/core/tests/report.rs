//! Reports derived from a run directory alone: what they say for each verdict, what they survive, and the form they keep.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

use harness_core::drive::DriverReport;
use harness_core::judge::{Judgement, judge};
use harness_core::plan::{Backend, Plan, Subject};
use harness_core::report::{schema, write_all};
use harness_core::run_dir;
use harness_core::sample::{Sample, Surroundings};
use harness_core::topology::Topology;
use harness_core::workload::{Metric, Model, Threshold, Workload};
use harness_history::{Canary, Effect, ErrorKind, Op, Outcome, Phase, Seen, Verdict};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const HOSTILE: &str = "<script>alert('x')</script>|`*[a](b)";

fn plan() -> Plan {
    let threshold = |metric, below| Threshold { operation: None, metric, below };
    Plan {
        run_id: "2026-01-02T03-04-05Z-load-memory-0000".to_owned(),
        command: "harness load memory --seed 1".to_owned(),
        seed: 1,
        backend: Backend::Process,
        topology: Topology::memory(),
        subject: Subject::Load(Workload {
            name: "memory".to_owned(),
            service: mcp_contracts::Service::Memory,
            users: 2,
            organisations: 2,
            model: Model::Closed { think_time: Duration::ZERO },
            warmup: Duration::from_secs(1),
            duration: Duration::from_secs(4),
            call_deadline: Duration::from_secs(5),
            mix: BTreeMap::from([("store_memory".to_owned(), 1), ("get_memory".to_owned(), 1)]),
            seed_memories: 0,
            final_read_concurrency: 1,
            thresholds: vec![threshold(Metric::ErrorRate, 0.1), threshold(Metric::LatencyPercentile(95.0), 500_000.0)],
        }),
    }
}

/// Two users of two organisations who store and read for five seconds.
fn ops() -> Vec<Op> {
    let mut ops = Vec::new();
    for (process, (tenant, user)) in [("acme", "ann"), ("zeta", "zoe")].into_iter().enumerate() {
        let seen = |number: u64| Seen {
            digest: number + 1_000 * process as u64,
            canary: Some(Canary { tenant: tenant.into(), user: user.into(), shared: false, number }),
        };
        let op = |name: &str, phase, at: u64, took: u64, effect| Op {
            process: process as u32,
            tenant: tenant.into(),
            user: user.into(),
            name: name.into(),
            phase,
            planned_us: None,
            invoke_us: at,
            complete_us: at + took,
            outcome: Outcome::Ok,
            effect,
        };
        for number in 0..50u64 {
            let key: std::sync::Arc<str> = format!("k{process}-{number}").into();
            let at = number * 100_000;
            let phase = if at < 1_000_000 { Phase::Warmup } else { Phase::Measured };
            ops.push(op(
                "store_memory",
                phase,
                at,
                2_000 + number * 10,
                Effect::Write { key: Some(key.clone()), value: seen(number) },
            ));
            ops.push(op(
                "get_memory",
                phase,
                at + 50_000,
                1_000,
                Effect::Read { key: key.clone(), value: Some(seen(number)) },
            ));
            ops.push(op(
                "get_memory",
                Phase::Final,
                6_000_000 + at,
                900,
                Effect::Read { key, value: Some(seen(number)) },
            ));
        }
    }
    ops
}

fn write_run(dir: &Path, ops: &[Op], driver: Option<DriverReport>) -> Judgement {
    let json = |name: &str, value: serde_json::Value| std::fs::write(dir.join(name), value.to_string()).unwrap();
    json(run_dir::PLAN, serde_json::to_value(plan()).unwrap());
    let lines: Vec<String> = ops.iter().map(|op| serde_json::to_string(op).unwrap() + "\n").collect();
    std::fs::write(dir.join(run_dir::HISTORY), lines.concat()).unwrap();
    if let Some(driver) = driver {
        json(run_dir::DRIVER, serde_json::to_value(driver).unwrap());
    }
    let sample = |second: u64, part: &str| Sample {
        at_us: second * 1_000_000,
        part: part.to_owned(),
        cpu_us: second * 100_000,
        rss_bytes: 50_000_000,
    };
    let samples = (0..6).flat_map(|second| ["memory", "driver"].map(|part| sample(second, part)));
    let samples: Vec<String> = samples.map(|sample| serde_json::to_string(&sample).unwrap() + "\n").collect();
    std::fs::write(dir.join(run_dir::SAMPLES), samples.concat()).unwrap();
    let surroundings = Surroundings {
        started_at: "2026-01-02T03:04:05Z".to_owned(),
        harness_version: "0.1.0".to_owned(),
        cores: 2,
        memory_bytes: 8_000_000_000,
        system: "linux".to_owned(),
        ..Surroundings::default()
    };
    json(run_dir::SURROUNDINGS, serde_json::to_value(surroundings).unwrap());
    let judgement = judge(dir).unwrap();
    write_all(dir, &judgement).unwrap();
    judgement
}

fn driver() -> DriverReport {
    DriverReport {
        measured_from_us: 1_000_000,
        measured_until_us: 5_000_000,
        calls: 160,
        cpu_us: 400_000,
        cpu_peak: 0.2,
        ..DriverReport::default()
    }
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

#[test]
fn a_good_run_passes_and_says_so_in_every_form() {
    let dir = tempfile::tempdir().unwrap();
    let judgement = write_run(dir.path(), &ops(), Some(driver()));
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:?}");
    insta::assert_snapshot!("markdown", read(dir.path(), run_dir::REPORT_MARKDOWN));
    let junit = read(dir.path(), run_dir::JUNIT);
    assert!(
        junit.contains(r#"tests="9""#) && junit.contains(r#"failures="0""#) && junit.contains(r#"errors="0""#),
        "{junit}"
    );
    let html = read(dir.path(), run_dir::REPORT_HTML);
    assert!(html.contains("PASS") && html.matches("<svg").count() == 4);
    for outside in ["http://", "https://", "<script", "<link", "@import"] {
        assert!(!html.replace("http://www.w3.org/2000/svg", "").contains(outside), "the page reaches for {outside}");
    }
}

#[test]
fn judging_again_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let first = write_run(dir.path(), &ops(), Some(driver()));
    let report = read(dir.path(), run_dir::REPORT_JSON);
    let second = judge(dir.path()).unwrap();
    write_all(dir.path(), &second).unwrap();
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
        (None, "left no report"),
    ];
    for (driver, reason) in cases {
        let dir = tempfile::tempdir().unwrap();
        let judgement = write_run(dir.path(), &ops(), driver);
        assert_eq!(judgement.verdict, Verdict::Unknown, "{reason}");
        assert!(read(dir.path(), run_dir::REPORT_MARKDOWN).contains(reason), "{reason}");
        assert!(read(dir.path(), run_dir::JUNIT).contains(r#"errors="1""#), "{reason}");
    }
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
fn a_torn_last_line_is_told_and_the_rest_is_judged() {
    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path(), &ops(), Some(driver()));
    let path = dir.path().join(run_dir::HISTORY);
    let mut history = std::fs::read(&path).unwrap();
    history.extend_from_slice(br#"{"process":1,"ten"#);
    std::fs::write(&path, history).unwrap();
    let judgement = judge(dir.path()).unwrap();
    assert_eq!(judgement.verdict, Verdict::Unknown);
    assert!(judgement.findings[0].summary.contains("incomplete"));
    std::fs::write(&path, "nonsense\n{}\n").unwrap();
    assert!(judge(dir.path()).unwrap_err().to_string().contains("line 1"));
    assert!(judge(&dir.path().join("nowhere")).is_err());
}

#[test]
fn what_a_server_says_cannot_break_out_of_a_report() {
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
