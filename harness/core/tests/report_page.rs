//! The pages in a real browser: no message on the console, every chart drawn, nothing cut off on a phone or a desktop,
//! enough contrast in light and dark. A test also plants each kind of defect once, to prove that the inspection detects
//! it.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/recorded.rs"]
mod recorded;

use browser::{Screen, inspect};
use harness_core::judge::JudgeMemory;
use harness_core::plan::run_dir;
use harness_core::plan::seal::seal;
use harness_core::report::gate::record::{GateRecord, PhaseKind, PhaseRecord, RunEnd, RunRecord, runs};
use harness_core::report::gate::write_again;
use harness_core::report::trial::{self, Trial, TrialOutcome};
use harness_history::{ErrorKind, Outcome, Phase};
use recorded::{driver, ops, write_experiment, write_hardening, write_run};
use std::path::Path;

const PHONE: u32 = 390;
const DESKTOP: u32 = 1_440;

fn page(dir: &Path) -> String {
    std::fs::read_to_string(dir.join(run_dir::REPORT_HTML)).unwrap()
}

/// A load with refused calls. Their error code is one long word, which no browser breaks by itself.
fn load() -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut ops = ops();
    for op in ops.iter_mut().filter(|op| op.phase == Phase::Measured).take(60) {
        op.outcome = Outcome::Failed(ErrorKind::Tool("a_code_that_is_one_long_word_without_any_place_to_break".into()));
    }
    write_run(dir.path(), &ops, Some(driver()));
    page(dir.path())
}

fn experiment() -> String {
    let dir = tempfile::tempdir().unwrap();
    write_experiment(dir.path());
    page(dir.path())
}

fn gate() -> String {
    let dir = tempfile::tempdir().unwrap();
    for name in ["load", "experiment"] {
        std::fs::create_dir_all(runs(dir.path()).join(name)).unwrap();
    }
    write_run(&runs(dir.path()).join("load"), &ops(), Some(driver()));
    write_experiment(&runs(dir.path()).join("experiment"));
    let run = |name: &str, end| RunRecord { name: name.to_owned(), about: "it holds".to_owned(), took_ms: 5_000, end };
    let recorded = |name: &str| RunEnd::Recorded(name.to_owned());
    let why =
        "the stack did not come up: /somewhere/very/deep/in/a/folder/that/has/a/long/name/mcp-memory is not there";
    let failed = RunEnd::Failed { exit: 69, why: why.to_owned() };
    let phase = |kind, runs| PhaseRecord { kind, runs };
    let record = GateRecord {
        run_id: "2026-01-02T03-04-05Z-gate-ci-0000".to_owned(),
        command: "harness gate --seed 1".to_owned(),
        seed: 1,
        profile: "ci".to_owned(),
        started_at: "2026-01-02T03:04:05Z".to_owned(),
        took_ms: 61_500,
        interrupted: false,
        phases: vec![
            phase(
                PhaseKind::Scenarios,
                vec![
                    run("quota", failed),
                    run("rate-limit-concurrency", RunEnd::NotRun { why: "it was not".to_owned() }),
                ],
            ),
            phase(PhaseKind::Load, vec![run("memory", recorded("load"))]),
            phase(PhaseKind::Experiments, vec![run("redis-outage", recorded("experiment"))]),
        ],
    };
    record.write(dir.path()).unwrap();
    seal(dir.path()).unwrap();
    write_again(dir.path(), JudgeMemory::default()).unwrap();
    page(dir.path())
}

/// Inspects a page on a phone and on a desktop, in light and in dark.
fn expect_readable(html: &str, charts: usize) {
    expect_readable_on(&[(PHONE, false), (PHONE, true), (DESKTOP, false), (DESKTOP, true)], html, charts);
}

fn expect_readable_on(screens: &[(u32, bool)], html: &str, charts: usize) {
    for (width, dark) in screens.iter().copied() {
        let inspected = inspect(html, Screen { width, dark });
        assert_eq!((inspected.width, inspected.dark), (width, dark), "the screen was another one");
        assert_eq!(inspected.problems, Vec::<String>::new(), "at {width}, dark: {dark}");
        assert_eq!(inspected.charts, charts);
    }
}

#[test]
fn the_page_of_a_load_is_readable_on_every_screen() {
    expect_readable(&load(), 5);
}

#[test]
fn the_page_of_an_experiment_is_readable_on_every_screen_and_names_its_faults() {
    let html = experiment();
    expect_readable(&html, 5);
    assert!(html.contains("kill redis") && html.matches("var(--shade)").count() > 4, "faults are shaded and named");
}

#[test]
fn the_page_of_a_hardening_run_is_readable_on_every_screen() {
    let dir = tempfile::tempdir().unwrap();
    write_hardening(dir.path());
    // Two screens, because the style is that of the other pages and only the tables are new.
    expect_readable_on(&[(PHONE, false), (DESKTOP, true)], &page(dir.path()), 2);
}

#[test]
fn the_page_of_a_gate_is_readable_on_every_screen() {
    expect_readable(&gate(), 4);
}

#[test]
fn the_page_of_a_trial_is_readable_on_every_screen() {
    let trial = |outcome, because: &str| Trial {
        experiment: "orchestrator-kill".to_owned(),
        lie: "orchestrator=workflow-key-ignored".to_owned(),
        outcome,
        because: because.to_owned(),
        run: Some("2026-11-26T06-43-10Z-chaos-orchestrator-kill-210d".to_owned()),
    };
    let dir = tempfile::tempdir().unwrap();
    let trials = [
        trial(TrialOutcome::Caught, "no-duplicate-effects: 74 contents followed, 39 under more than one id"),
        trial(TrialOutcome::Missed, "all 17 checks hold"),
        trial(TrialOutcome::Unknown, "fault-hit: `kill orchestrator` hit 3 requests, at least 10 required"),
    ];
    let page = trial::write(dir.path(), &trials).unwrap();
    expect_readable(&std::fs::read_to_string(page).unwrap(), 0);
}

#[test]
fn every_kind_of_defect_is_reported() {
    let html = load();
    let planted: [(&str, &str, &str); 6] = [
        ("--soft:#646a73", "--soft:#b4bac3", "contrast: "),
        ("--line-1:#2459a8", "--line-1:#f0f4fa", "contrast: "),
        (
            "</header>",
            "</header><p style=\"white-space:nowrap\">one line that is far too long for the screen of any phone that there is</p>",
            "cut: ",
        ),
        ("stroke=\"var(--line-2)\"", "stroke=\"none\"", "chart: "),
        ("figure .narrow { display: block; }", "figure .narrow { display: none; }", "chart: "),
        ("</header>", "</header><script>gone()</script>", "console: "),
    ];
    for (from, to, kind) in planted {
        assert!(html.contains(from), "`{from}` is not in the page any more");
        let inspected = inspect(&html.replace(from, to), Screen { width: PHONE, dark: false });
        let reported = inspected.problems.iter().any(|problem| problem.starts_with(kind));
        assert!(reported, "`{to}` is not reported: {:?}", inspected.problems);
    }
    let dark = inspect(&html.replace("--ink:#e6e7e9", "--ink:#4a4d52"), Screen { width: DESKTOP, dark: true });
    assert!(dark.problems.iter().any(|problem| problem.starts_with("contrast: ")), "{:?}", dark.problems);
}
