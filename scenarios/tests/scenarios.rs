//! Every scenario on its own stack: processes, or containers with the feature `docker-tests`.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use harness_core::drive::{Plan, PlanRequest, RunPurpose};
use harness_core::judge::JudgeMemory;
use harness_core::plan::Backend;
use harness_core::plan::topology::Topology;
use harness_core::run::{RunRequest, run};
use harness_core::stack::view::{Event, View};
use harness_history::Verdict;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// Records the output for the message of a failed test.
#[derive(Default)]
struct Transcript(Mutex<Vec<String>>);

impl View for Transcript {
    fn show(&self, event: Event) {
        let line = match event {
            Event::Expectation(result) if result.verdict == Verdict::Pass => format!("pass     {}", result.expected),
            Event::Expectation(result) => format!("FAIL     {}: {}", result.expected, result.seen),
            Event::Finding(finding) => format!("{:<8} {}: {}", finding.verdict.name(), finding.check, finding.summary),
            Event::Stage(text) | Event::Note(text) => format!("-- {text}"),
            Event::PartReady { .. } | Event::Progress { .. } | Event::Verdict(_) => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

/// Returns the harness of this build; the services are in the same folder.
fn harness() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let harness = folder.join("harness");
    assert!(harness.is_file(), "{} does not exist: run cargo build --workspace --bins", harness.display());
    harness
}

fn backend(scenario: &scenarios::Scenario) -> Backend {
    let on_containers =
        cfg!(feature = "docker-tests") && scenario.backends != scenarios::SupportedBackends::OwnProcesses;
    if on_containers { Backend::Docker } else { Backend::Process }
}

fn expect_pass(name: &str) {
    expect_pass_on(|topology| topology, name);
}

fn expect_pass_on(store: fn(Topology) -> Topology, name: &str) {
    let scenario = scenarios::find(name).unwrap_or_else(|| panic!("no scenario is named `{name}`"));
    let folder = tempfile::tempdir().unwrap();
    let request = RunRequest {
        plan: Plan::resolve(wish(scenario, store)).unwrap(),
        scenario: Some(scenario),
        catalogue: &[],
        runs: folder.path().to_owned(),
        executable: harness(),
        secret: "a-key-of-the-scenario-tests-0123456789abcdef".to_owned(),
        memory: JudgeMemory::default(),
    };
    let transcript = Arc::new(Transcript::default());
    let view: Arc<dyn View> = transcript.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let outcome = runtime.block_on(Box::pin(run(request, &view, &CancellationToken::new())));
    let lines = transcript.0.lock().unwrap().join("\n");
    let outcome = outcome.unwrap_or_else(|error| panic!("{error}\n{lines}"));
    assert_eq!(outcome.judgement.verdict, Verdict::Pass, "\n{lines}");
}

fn wish(scenario: &scenarios::Scenario, store: fn(Topology) -> Topology) -> PlanRequest {
    PlanRequest {
        command: format!("harness scenario {}", scenario.name),
        seed: None,
        backend: backend(scenario),
        topology: store((scenario.topology)()),
        subject: RunPurpose::Scenario(scenario.script()),
    }
}

/// Scenarios that compare latencies, which a debug build on a machine that runs other tests cannot show. `gate --profile preprod` runs them.
const QUIET_ONLY: [&str; 1] = ["noisy-neighbour"];

/// Generates one test for each name.
macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            expect_pass(&stringify!($name).replace('_', "-"));
        })+

        #[test]
        fn every_scenario_has_a_test() {
            let tested = [$(stringify!($name).replace('_', "-")),+];
            let all: Vec<&str> = scenarios::ALL.iter().map(|scenario| scenario.name).collect();
            let all: Vec<&str> = all.into_iter().filter(|name| !QUIET_ONLY.contains(name)).collect();
            assert_eq!(all, tested);
        }
    };
}

scenarios! {
    memory_tools,
    clients,
    tenant_isolation,
    scopes,
    plan_gates,
    rule_reload,
    trace_continuity,
    trace_export,
    idempotent_retry,
    quota,
    database_upgrade,
    guardrail_block,
    acknowledgement,
    rca_agent,
    retro_agent,
    guardrail_fallback,
    memory_fallback,
    patterns_fallback,
    redis_fallback,
    slow_peer,
    rate_limit_concurrency,
    graceful_drain,
    rolling_restart,
    visibility_flow,
    log_flood,
    guardrail_exhaustion,
    backup_under_writes,
    drain_with_abandoned_work,
    key_rotation,
    oidc,
}

/// Those that call most tools of memory. `harness scenario --all --store postgres` plays all.
#[cfg(not(feature = "docker-tests"))]
#[test]
fn scenarios_about_memory_pass_on_postgres() {
    for name in ["memory-tools", "tenant-isolation", "idempotent-retry", "rolling-restart"] {
        expect_pass_on(Topology::with_postgres, name);
    }
}
