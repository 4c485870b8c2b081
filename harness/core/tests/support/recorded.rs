//! Recorded runs for the tests of reports: two users of two organisations store and read for five seconds.
#![allow(dead_code, clippy::allow_attributes, reason = "no test uses all of it")]
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use harness_core::drive::DriverReport;
use harness_core::drive::hardening::{CheckRecord, CheckState, ExchangeText, ViolationRecord};
use harness_core::drive::scenario::{ScenarioEnd, ScenarioReport};
use harness_core::drive::{Plan, RunPurpose};
use harness_core::judge::{JudgeMemory, Judgement, Recorded, judge};
use harness_core::observe::sample::{Sample, Surroundings};
use harness_core::plan::Backend;
use harness_core::plan::hardening::{CheckTexts, Hardening, OmittedCheck};
use harness_core::plan::run_dir;
use harness_core::plan::topology::Topology;
use harness_core::plan::workload::{Metric, Model, Threshold, Workload};
use harness_core::report::write_all;
use harness_history::experiment::{Experiment, Fault, Span};
use harness_history::{Canary, Effect, Op, Outcome, Phase, RecordState};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

pub(crate) fn plan() -> Plan {
    let threshold = |metric, below| Threshold { operation: None, metric, below };
    Plan {
        run_id: "2026-01-02T03-04-05Z-load-memory-0000".to_owned(),
        command: "harness load memory --seed 1".to_owned(),
        seed: 1,
        batch: None,
        backend: Backend::Process,
        topology: Topology::memory(),
        subject: RunPurpose::Load(Workload {
            name: "memory".to_owned(),
            service: Some(mcp_contracts::Service::Memory),
            operations: Vec::new(),
            users: 2,
            organisations: 2,
            model: Model::Closed { think_time: Duration::ZERO },
            beside: None,
            warmup: Duration::from_secs(1),
            duration: Duration::from_secs(4),
            call_deadline: Duration::from_secs(5),
            longest_gap: Duration::from_secs(1),
            mix: BTreeMap::from([("store_memory".to_owned(), 1), ("get_memory".to_owned(), 1)]),
            seed_memories: 0,
            final_read_concurrency: 1,
            final_read_records: 1_000,
            thresholds: vec![threshold(Metric::ErrorRate, 0.1), threshold(Metric::LatencyPercentile(90.0), 500_000.0)],
        }),
    }
}

/// The calls of two users of two organisations, who store and read for five seconds.
pub(crate) fn ops() -> Vec<Op> {
    let mut ops = Vec::new();
    for (process, (tenant, user)) in [("acme", "ann"), ("zeta", "zoe")].into_iter().enumerate() {
        let state = |number: u64| {
            let canary = Canary { tenant: tenant.into(), user: user.into(), workspace: None, shared: false, number };
            RecordState::of_content(number + 1_000 * process as u64, Some(canary))
        };
        let op = |name: &str, phase, at: u64, took: u64, effect| Op {
            process: process as u32,
            tenant: tenant.into(),
            user: user.into(),
            workspace: None,
            name: name.into(),
            phase,
            planned_us: None,
            invoke_us: at,
            complete_us: at + took,
            outcome: Outcome::Ok,
            strays: Vec::new(),
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
                Effect::Write { key: Some(key.clone()), value: state(number), existing: false },
            ));
            ops.push(op(
                "get_memory",
                phase,
                at + 50_000,
                1_000,
                Effect::Read { key: key.clone(), value: Some(state(number)) },
            ));
            ops.push(op(
                "get_memory",
                Phase::Final,
                6_000_000 + at,
                900,
                Effect::Read { key, value: Some(state(number)) },
            ));
        }
        // Isolation is judged only if it was attempted. This call is neither a part of the load nor of the final read.
        let foreign = format!("k{}-0", 1 - process).into();
        let refused = Effect::Read { key: foreign, value: None };
        ops.push(op("probe_foreign", Phase::Setup, 5_500_000, 1_000, refused));
    }
    ops
}

pub(crate) fn write_run(dir: &Path, ops: &[Op], driver: Option<DriverReport>) -> Judgement {
    if let Some(driver) = driver {
        json(dir, run_dir::DRIVER, &driver);
    }
    write(dir, &plan(), ops, &["memory", "driver"])
}

/// A hardening run: one check fails, another fails for the same cause, one is unknown and one was skipped.
pub(crate) fn write_hardening(dir: &Path) -> Judgement {
    write_hardening_of(dir, Backend::Process, None)
}

/// As [`write_hardening`], of another stack. `file` is the file of the repository that shows the violations.
pub(crate) fn write_hardening_of(dir: &Path, backend: Backend, file: Option<&str>) -> Judgement {
    let is_known = !matches!(backend, Backend::Target(_));
    let texts = |id: &str, score: f64, follows: &[&str]| CheckTexts {
        id: id.to_owned(),
        title: format!("what {id} tries is refused"),
        score,
        why: "An attacker gains access.".to_owned(),
        sources: vec!["OWASP API2:2023".to_owned(), "CWE-347".to_owned()],
        how: "Sends what must be refused.".to_owned(),
        remedy: "Refuse it.".to_owned(),
        mend: is_known.then(|| "services/kit/src/auth.rs".to_owned()).into_iter().collect(),
        follows: follows.iter().map(|id| (*id).to_owned()).collect(),
    };
    let violation = violation(file);
    let others = similar(&violation);
    let record = |id: &str, state, violations: Vec<ViolationRecord>, doubts: Vec<String>| CheckRecord {
        id: id.to_owned(),
        state,
        summary: "memory: a token of another key: the status is not 401".to_owned(),
        cases: 6,
        controls: 4,
        attempts: 3,
        took_us: 120_000,
        violations,
        doubts,
    };
    let records = [
        record("MCP-AUTH-08", CheckState::Fail, vec![violation.clone()], Vec::new()),
        record("MCP-AUTH-06", CheckState::Fail, [vec![violation], others].concat(), Vec::new()),
        record("MCP-TRN-01", CheckState::Unknown, Vec::new(), vec!["memory: no reply".to_owned()]),
        record("MCP-TRN-02", CheckState::Pass, Vec::new(), Vec::new()),
        record("MCP-QUO-01", CheckState::NotApplicable, Vec::new(), Vec::new()),
    ];
    let skipped = OmittedCheck {
        id: "MCP-TRN-12".to_owned(),
        title: "no reply names the software".to_owned(),
        skipped: true,
        why: "the gateway adds the header".to_owned(),
    };
    let hardening = Hardening {
        repository: None,
        profile: None,
        name: "catalogue".to_owned(),
        about: "requests that a stack must refuse".to_owned(),
        deadline: Duration::from_secs(240),
        checks: vec![
            texts("MCP-AUTH-06", 9.8, &[]),
            texts("MCP-AUTH-08", 9.1, &["MCP-AUTH-06"]),
            texts("MCP-TRN-01", 8.1, &[]),
            texts("MCP-TRN-02", 8.1, &[]),
            texts("MCP-QUO-01", 6.5, &[]),
        ],
        omitted: vec![skipped],
    };
    let lines: Vec<String> = records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect();
    std::fs::write(dir.join(run_dir::HARDENING), lines.concat()).unwrap();
    completed(dir);
    let subject = RunPurpose::Hardening(hardening);
    let plan = Plan { command: "harness harden --seed 1".to_owned(), backend, subject, ..plan() };
    write(dir, &plan, &ops(), &["memory"])
}

/// Returns a violation with a request that a shell can repeat.
fn violation(file: Option<&str>) -> ViolationRecord {
    ViolationRecord {
        case: "memory: a token of another key".to_owned(),
        file: file.map(str::to_owned),
        signs: vec!["the status is not 401".to_owned(), "the reply has a result".to_owned()],
        exchanges: vec![ExchangeText {
            request: format!(
                "POST /mcp HTTP/1.1\nauthorization: Bearer [token]\nx-padding: {}\n\n```{{}}",
                "a".repeat(300)
            ),
            reply: "HTTP/1.1 200 OK\n\n{\"result\":{\"<b>\":1}}".to_owned(),
            curl: Some("curl -sS -i -X POST 'http://127.0.0.1:7420/mcp'".to_owned()),
        }],
        ops: vec![0],
    }
}

/// Returns a violation with the same signs, and one with others and without a command.
fn similar(violation: &ViolationRecord) -> Vec<ViolationRecord> {
    let same = ViolationRecord { case: "memory: a token of no key".to_owned(), ..violation.clone() };
    let mut other = ViolationRecord { signs: vec!["it lists the tools".to_owned()], ..violation.clone() };
    other.exchanges[0].curl = None;
    vec![same, other]
}

fn completed(dir: &Path) {
    let report = ScenarioReport {
        ended: ScenarioEnd::Completed,
        why: None,
        took_us: 7_000_000,
        quotas: Vec::new(),
        declared: BTreeMap::new(),
    };
    json(dir, run_dir::SCENARIO, &report);
}

/// The same calls while Redis was killed for two seconds.
pub(crate) fn write_experiment(dir: &Path) -> Judgement {
    let experiment = harness_core::drive::experiment::find("redis-outage", None).unwrap();
    let plan = Plan { subject: RunPurpose::Experiment(Box::new(experiment)), ..plan() };
    let span = |from_us, until_us| Some(Span { from_us, until_us });
    let fault = |name: &str, target: &str| Fault {
        name: name.to_owned(),
        kind: "kill".to_owned(),
        target: target.to_owned(),
        ordered_us: 1_400_000,
        active_us: 1_500_000,
        ending_us: Some(3_400_000),
        healed_us: Some(3_500_000),
        hits: Some(12),
        counted_by: "requests that were refused".to_owned(),
    };
    let happened = Experiment {
        steady: span(0, 1_400_000),
        fault: span(1_400_000, 3_500_000),
        recovery: span(3_500_000, 5_000_000),
        faults: vec![fault("kill redis", "redis"), fault("latency from orchestrator to guardrails", "guardrails")],
        ..Experiment::default()
    };
    json(dir, run_dir::EXPERIMENT, &happened);
    completed(dir);
    write(dir, &plan, &ops(), &["memory", "redis"])
}

fn json(dir: &Path, name: &str, value: &impl serde::Serialize) {
    std::fs::write(dir.join(name), serde_json::to_string(value).unwrap()).unwrap();
}

/// Writes the record, seals and judges it, and writes its reports.
fn write(dir: &Path, plan: &Plan, ops: &[Op], parts: &[&str]) -> Judgement {
    json(dir, run_dir::PLAN, plan);
    let lines: Vec<String> = ops.iter().map(|op| serde_json::to_string(op).unwrap() + "\n").collect();
    std::fs::write(dir.join(run_dir::HISTORY), lines.concat()).unwrap();
    let sample = |second: u64, part: &str| Sample {
        at_us: second * 1_000_000,
        part: part.to_owned(),
        cpu_us: second * 100_000,
        rss_bytes: 50_000_000,
    };
    let samples = (0..6).flat_map(|second| parts.iter().map(move |part| sample(second, part)));
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
    json(dir, run_dir::SURROUNDINGS, &surroundings);
    let recorded = Recorded::read_and_seal(dir, JudgeMemory::default()).unwrap();
    let judgement = judge(&recorded).unwrap();
    write_all(&recorded, &judgement).unwrap();
    judgement
}

pub(crate) fn driver() -> DriverReport {
    DriverReport {
        measured_from_us: 1_000_000,
        measured_until_us: 5_000_000,
        calls: 160,
        cpu_us: 400_000,
        cpu_peak: 0.2,
        ..DriverReport::default()
    }
}
