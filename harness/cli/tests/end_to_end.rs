//! The harness from end to end: the real program, a real Redis, the real service, and the failures of each.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/observe.rs"]
mod observe;
#[path = "support/program.rs"]
mod program;
#[path = "support/promql.rs"]
mod promql;
#[path = "support/wait.rs"]
mod wait;

use program::{code, harness, run, text};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use wait::wait_until;

const SHORT: [&str; 14] = [
    // A crowded machine sends arrivals late, and the run is unknown then.
    "--arrivals",
    "0",
    "--users",
    "6",
    "--organisations",
    "3",
    "--warmup",
    "500ms",
    "--duration",
    "2s",
    // Two seconds have too few calls for the percentiles of a profile.
    "--threshold",
    "error_rate<0.1%",
    "--threshold",
    "max<30s",
];

fn only_run(folder: &Path) -> PathBuf {
    let runs: Vec<PathBuf> =
        std::fs::read_dir(folder.join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0].clone()
}

/// Returns the processes whose working directory is in `folder`. After a run, there must be none.
fn processes_of(folder: &Path) -> Vec<i32> {
    let folder = folder.canonicalize().unwrap();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&folder)))
        .collect()
}

#[test]
fn a_load_passes_with_every_report_and_is_judged_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &[&["load", "memory", "--seed", "7"], &SHORT[..]].concat());
    assert_eq!(code(&output), 0, "{}", text(&output));
    let directory = only_run(folder.path());
    for name in [
        "plan.json",
        "history.jsonl",
        "driver.json",
        "samples.jsonl",
        "findings.json",
        "report.html",
        "report.md",
        "junit.xml",
    ] {
        assert!(directory.join(name).metadata().unwrap().len() > 0, "{name}");
    }
    let report: Value = serde_json::from_slice(&std::fs::read(directory.join("report.json")).unwrap()).unwrap();
    assert_eq!((&report["verdict"], &report["plan"]["seed"]), (&Value::from("pass"), &Value::from(7)));
    assert!(report["operations"]["store_memory"]["ok"].as_u64().unwrap() > 0);
    assert!(report["parts"]["memory"]["rss_peak_bytes"].as_u64().unwrap() > 0);
    assert_eq!(processes_of(folder.path()), Vec::<i32>::new());
    assert!(!directory.join("data").exists(), "the data of the stack was left");
    let plan = std::fs::read_to_string(directory.join("plan.json")).unwrap();
    assert!(!plan.contains("JWT_SECRET"), "the key is in the plan");

    let log = std::fs::read_to_string(directory.join("logs/memory.log")).unwrap();
    assert!(log.contains("store_memory"), "the calls are in the log: {log}");
    for secret in ["canary:", "eyJ", "Bearer"] {
        assert!(!log.contains(secret), "`{secret}` is in the log: contents and tokens never are");
    }

    for command in ["check", "report"] {
        let again = run(folder.path(), &[command]);
        assert_eq!(code(&again), 0, "{}", text(&again));
    }
    // A record that vanished from the final read is a lost write.
    let history = std::fs::read_to_string(directory.join("history.jsonl")).unwrap();
    let forged: Vec<String> = history.lines().map(lose).collect();
    std::fs::write(directory.join("history.jsonl"), forged.join("\n") + "\n").unwrap();
    let forged = run(folder.path(), &["check"]);
    assert_eq!(code(&forged), 1, "{}", text(&forged));
    assert!(text(&forged).contains("acknowledged and is gone") || text(&forged).contains("lost"), "{}", text(&forged));
}

/// Removes the content from a final read.
fn lose(line: &str) -> String {
    let mut op: Value = serde_json::from_str(line).unwrap();
    // Walks over lists are final reads as well.
    if op["phase"] == "final"
        && let Some(read) = op.pointer_mut("/effect/read").and_then(Value::as_object_mut)
    {
        read.remove("value");
    }
    op.to_string()
}

#[test]
fn a_short_run_of_every_other_built_in_profile_passes() {
    for profile in ["memory-classic", "guardrails", "patterns", "workflow", "full"] {
        let folder = tempfile::tempdir().unwrap();
        // The bounds on latency of the profiles hold for release builds on a quiet machine.
        let load = ["load", profile, "--threshold", "error_rate<0.1%"];
        let output = run(folder.path(), &[&load[..], &SHORT[..]].concat());
        assert_eq!(code(&output), 0, "{profile}: {}", text(&output));
        // It calls every service, so the metrics of its stack are all that there are.
        if profile == "full" {
            queries_name_what_services_export(&only_run(folder.path()).join("metrics"));
        }
    }
}

/// Alerts and dashboards name only metrics, labels and values that the services export.
fn queries_name_what_services_export(scraped: &Path) {
    let recorded = observe::rules().into_iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned));
    let metrics = promql::Metrics::of_run(scraped).with_recorded(recorded);
    let queries = observe::queries();
    assert!(queries.len() > 50, "{}", queries.len());
    let problems: Vec<String> = queries.iter().flat_map(|query| metrics.problems(query)).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_threshold_that_is_broken_fails() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &[&["load", "memory", "--threshold", "p50<0.01ms"], &SHORT[..]].concat());
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(text(&output).contains("latency            fail"), "{}", text(&output));
}

#[test]
fn an_open_load_makes_its_arrivals() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(
        folder.path(),
        &[
            &["load", "memory", "--users", "20", "--warmup", "500ms", "--rate", "50", "--duration", "3s", "--json"][..],
            &["--threshold", "error_rate<0.1%", "--threshold", "p90<1s"],
        ]
        .concat(),
    );
    let directory = only_run(folder.path());
    let driver: Value = serde_json::from_slice(&std::fs::read(directory.join("driver.json")).unwrap()).unwrap();
    assert_eq!(driver["planned_arrivals"], 150, "{}", text(&output));
    assert_eq!(driver["arrivals"], 150);
    // A busy machine may send the calls late. The run is then unknown, and never a fail.
    assert!([0, 2].contains(&code(&output)), "{}", text(&output));
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let _: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn a_bad_plan_is_reported_as_a_whole_and_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let few = run(folder.path(), &["load", "memory", "--rate", "20", "--duration", "5s", "--threshold", "p99<1s"]);
    assert_eq!(code(&few), 64);
    assert!(text(&few).contains("about 100 calls are planned, and p99 needs at least 1000"), "{}", text(&few));
    let unknown = run(folder.path(), &["load", "memry"]);
    assert_eq!(code(&unknown), 64);
    assert!(text(&unknown).contains("did you mean `memory`"), "{}", text(&unknown));
    std::fs::write(
        folder.path().join("mine.toml"),
        "users = \"many\"\nmodle = \"closed\"\n[thresholds]\nall = [\"p99<soon\"]\n",
    )
    .unwrap();
    let bad = run(folder.path(), &["load", "mine.toml"]);
    assert_eq!(code(&bad), 64);
    for place in ["mine.toml:1", "mine.toml:2", "mine.toml:4"] {
        assert!(text(&bad).contains(place), "{place} is missing in {}", text(&bad));
    }
    let foreign = run(folder.path(), &["load", "memory", "--url", "memory=http://192.0.2.1:7420"]);
    assert_eq!(code(&foreign), 64, "{}", text(&foreign));
    for arguments in [
        &["load"][..],
        &["load", "memory", "--users", "none"],
        &["load", "memory", "--rate", "5", "--think-time", "1s"],
        &["nonsense"],
    ] {
        assert_eq!(code(&run(folder.path(), arguments)), 64, "{arguments:?}");
    }
    assert!(!folder.path().join("runs").exists(), "something was started");
}

#[test]
fn a_plan_is_printed_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["plan", "load", "memory", "--users", "20", "--json"]);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((code(&output), &plan["subject"]["load"]["users"]), (0, &Value::from(20)));
    assert!(plan["command"].as_str().unwrap().starts_with("harness load memory --users 20"), "{plan}");
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn a_service_that_is_missing_or_dies_is_reported_with_the_end_of_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("harness");
    std::fs::copy(env!("CARGO_BIN_EXE_harness"), &alone).unwrap();
    let load = || {
        Command::new(&alone).current_dir(folder.path()).args(["load", "memory"]).stdin(Stdio::null()).output().unwrap()
    };
    let missing = load();
    assert_eq!(code(&missing), 69, "{}", text(&missing));
    assert!(text(&missing).contains("`mcp-memory` was not found"), "{}", text(&missing));

    let dying = folder.path().join("mcp-memory");
    std::fs::write(&dying, "#!/bin/sh\necho 'the disk is on fire' >&2\nexit 3\n").unwrap();
    std::fs::set_permissions(&dying, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let died = load();
    assert_eq!(code(&died), 69, "{}", text(&died));
    assert!(text(&died).contains("the disk is on fire"), "{}", text(&died));
    assert_eq!(processes_of(folder.path()), Vec::<i32>::new());
}

fn started(folder: &Path) -> Child {
    let mut command = harness();
    command.current_dir(folder).args([
        "load",
        "memory",
        "--users",
        "4",
        "--organisations",
        "2",
        "--warmup",
        "1s",
        "--duration",
        "60s",
    ]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn is_driving(folder: &Path) -> bool {
    let runs = std::fs::read_dir(folder.join("runs")).into_iter().flatten().flatten();
    runs.map(|entry| entry.path().join("history.jsonl"))
        .any(|history| history.metadata().is_ok_and(|file| file.len() > 0))
}

#[test]
fn an_interrupt_stops_everything_and_leaves_a_partial_report() {
    ends_in_order(nix::sys::signal::Signal::SIGINT);
}

#[test]
fn a_request_to_terminate_stops_everything_as_an_interrupt_does() {
    ends_in_order(nix::sys::signal::Signal::SIGTERM);
    ends_in_order(nix::sys::signal::Signal::SIGHUP);
}

fn ends_in_order(signal: nix::sys::signal::Signal) {
    let folder = tempfile::tempdir().unwrap();
    let mut child = started(folder.path());
    wait_until("the load did not begin", || is_driving(folder.path()));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().cast_signed()), signal).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let directory = only_run(folder.path());
    let report: Value = serde_json::from_slice(&std::fs::read(directory.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["interrupted"], true);
    assert_eq!(processes_of(folder.path()), Vec::<i32>::new());
}

#[test]
fn the_reaper_stops_everything_after_a_kill_of_the_harness() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = started(folder.path());
    wait_until("the load did not begin", || is_driving(folder.path()));
    assert!(processes_of(folder.path()).len() > 1, "the stack and the driver work in the folder of the run");
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("something was left running", || processes_of(folder.path()).is_empty());
}

/// How often the harness is killed while it starts. One kill in twenty left a process before processes died with their
/// owner, so that sixty would be needed to see that fault; each of these kills waits for a moment of its own.
const EARLY_KILLS: u32 = 20;
const EARLY: Duration = Duration::from_millis(300);

#[test]
fn nothing_is_left_of_a_harness_that_is_killed_while_it_starts() {
    for kill in 0..EARLY_KILLS {
        let folder = tempfile::tempdir().unwrap();
        let mut child = started(folder.path());
        std::thread::sleep(EARLY * kill / EARLY_KILLS);
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until("something was left running", || processes_of(folder.path()).is_empty());
    }
}

#[test]
fn nothing_is_left_of_a_harness_that_is_killed_with_its_reaper_and_recover_names_the_parts() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = started(folder.path());
    wait_until("the load did not begin", || is_driving(folder.path()));
    let reaper = reaper_of(child.id()).expect("the harness has a reaper");
    // The reaper first: it must not see the end of the harness.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(reaper), nix::sys::signal::Signal::SIGKILL).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("something was left running", || processes_of(folder.path()).is_empty());
    let recovered = run(folder.path(), &["chaos", "recover"]);
    assert_eq!(code(&recovered), 0, "{}", text(&recovered));
    for part in ["redis", "memory"] {
        assert!(text(&recovered).contains(&format!("it has ended, `{part}`")), "{}", text(&recovered));
    }
    let again = run(folder.path(), &["chaos", "recover"]);
    assert!(text(&again).contains("0 faults and parts"), "{}", text(&again));
}

/// Returns the id of a harness's reaper.
fn reaper_of(harness: u32) -> Option<i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let all: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let is_reaper = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        status.contains(&format!("PPid:\t{harness}\n")) && words.contains("__reap")
    };
    all.into_iter().find(is_reaper)
}

#[test]
fn a_stack_stays_up_gives_tokens_and_goes_down() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(code(&run(folder.path(), &["status"])), 64, "nothing is up yet");
    let up = run(folder.path(), &["up", "--only", "memory", "--json"]);
    assert_eq!(code(&up), 0, "{}", text(&up));
    let status = run(folder.path(), &["status", "--json"]);
    let parts: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((code(&status), &parts[1]["state"]), (0, &Value::from("ready")), "{}", text(&status));
    assert_eq!(code(&run(folder.path(), &["up"])), 64, "a second one is refused");
    let token = run(folder.path(), &["token", "mint", "--user", "ann", "--org", "acme", "--quiet"]);
    assert_eq!(String::from_utf8_lossy(&token.stdout).trim().split('.').count(), 3);
    let logs = run(folder.path(), &["logs", "memory"]);
    assert!(text(&logs).contains("serving"), "{}", text(&logs));
    assert_eq!(code(&run(folder.path(), &["logs", "nothing"])), 64);
    assert_eq!(code(&run(folder.path(), &["token", "mint", "--lifetime", "2h"])), 64);
    let down = run(folder.path(), &["down"]);
    assert_eq!(code(&down), 0, "{}", text(&down));
    assert_eq!(processes_of(folder.path()), Vec::<i32>::new());
}

#[test]
fn a_scenario_passes_writes_its_report_and_is_judged_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["scenario", "idempotent-retry"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("✓ a keyed write is stored"), "one line for each expectation: {}", text(&output));
    let directory = only_run(folder.path());
    let report: Value = serde_json::from_slice(&std::fs::read(directory.join("report.json")).unwrap()).unwrap();
    assert_eq!((&report["verdict"], &report["plan"]["subject"]), (&Value::from("pass"), &Value::from("scenario")));
    assert!(report["expectations"].as_array().unwrap().len() > 3, "{report}");
    let repeat = report["plan"]["command"].as_str().unwrap();
    assert!(repeat.starts_with("harness scenario idempotent-retry --seed "), "{repeat}");
    assert_eq!(processes_of(folder.path()), Vec::<i32>::new());
    for command in ["check", "report"] {
        let again = run(folder.path(), &[command]);
        assert_eq!(code(&again), 0, "{}", text(&again));
    }
    // An expectation that did not hold fails the run.
    let path = directory.join("expectations.jsonl");
    let forged = std::fs::read_to_string(&path).unwrap().replacen("\"pass\"", "\"fail\"", 1);
    std::fs::write(&path, forged).unwrap();
    let forged = run(folder.path(), &["check"]);
    assert_eq!(code(&forged), 1, "{}", text(&forged));
    assert!(text(&forged).contains("expectations-held  fail"), "{}", text(&forged));
}

#[test]
fn scenarios_are_listed_and_an_unknown_name_gets_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let list = run(folder.path(), &["scenario", "--list", "--json"]);
    let names: Vec<Value> =
        String::from_utf8_lossy(&list.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(names.iter().any(|scenario| scenario["name"] == "tenant-isolation"), "{}", text(&list));
    let unknown = run(folder.path(), &["scenario", "tenant-isolaton", "weather"]);
    assert_eq!(code(&unknown), 64);
    for output in ["did you mean `tenant-isolation`", "there is no scenario `weather`"] {
        assert!(text(&unknown).contains(output), "{}", text(&unknown));
    }
    let elsewhere = run(folder.path(), &["scenario", "quota", "--url", "memory=http://127.0.0.1:1"]);
    assert_eq!(code(&elsewhere), 64, "a key is missing: {}", text(&elsewhere));
    for arguments in [&["scenario"][..], &["scenario", "quota", "--all"], &["scenario", "quota", "--lie", "memory"]] {
        assert_eq!(code(&run(folder.path(), arguments)), 64, "{arguments:?}");
    }
    assert!(!folder.path().join("runs").exists(), "something was started");
}

#[test]
fn a_client_configuration_reaches_the_local_stack() {
    let folder = tempfile::tempdir().unwrap();
    let none = run(folder.path(), &["client-config", "cursor"]);
    assert_eq!(code(&none), 64, "{}", text(&none));
    let up = run(folder.path(), &["up", "--only", "memory"]);
    assert_eq!(code(&up), 0, "{}", text(&up));
    for (client, servers, url) in [
        ("cursor", "mcpServers", "url"),
        ("windsurf", "mcpServers", "serverUrl"),
        ("claude", "mcpServers", "url"),
        ("vscode", "servers", "url"),
    ] {
        let output = run(folder.path(), &["client-config", client]);
        let file: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
        let memory = &file[servers]["memory"];
        let token = memory["headers"]["Authorization"].as_str().unwrap();
        assert!(lists_tools(memory[url].as_str().unwrap(), token), "{client}: {file}");
    }
    let down = run(folder.path(), &["down"]);
    assert_eq!(code(&down), 0, "{}", text(&down));
}

#[test]
fn the_flow_sends_a_piece_of_work_through_the_local_stack() {
    let folder = tempfile::tempdir().unwrap();
    let up = run(folder.path(), &["up"]);
    assert_eq!(code(&up), 0, "{}", text(&up));
    let output = run(folder.path(), &["flow"]);
    let steps = run(folder.path(), &["flow", "--json"]);
    let quiet = run(folder.path(), &["flow", "--quiet"]);
    assert_eq!(code(&run(folder.path(), &["down"])), 0);
    assert_eq!((code(&output), code(&steps)), (0, 0), "{} {}", text(&output), text(&steps));
    assert_eq!((code(&quiet), text(&quiet).as_str()), (0, "verdict pass\n"));
    let parsed = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let steps: Vec<Value> = String::from_utf8_lossy(&steps.stdout).lines().map(parsed).collect();
    let services: Vec<&str> = steps.iter().map(|step| step["service"].as_str().unwrap()).collect();
    assert_eq!(services, ["guardrails", "memory", "patterns", "patterns", "orchestrator"]);
    assert!(steps.iter().all(|step| step["ok"] == true && step["took_ms"].is_number()), "{steps:?}");
    assert!(text(&output).contains("Root-cause report"), "{}", text(&output));
    assert!(text(&output).contains("from 2026-03-04 10:02 at the latest until 2026-03-04 10:23"), "{}", text(&output));
    assert_eq!(processes_of(folder.path()), Vec::<i32>::new());
}

#[test]
fn a_flow_reports_what_a_browser_allows_a_page() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("settings"), "ALLOWED_ORIGINS=https://app.example.com\n").unwrap();
    let up = run(folder.path(), &["up", "--env-file", "settings"]);
    assert_eq!(code(&up), 0, "{}", text(&up));
    let flow = |origin: &str, more: &[&str]| run(folder.path(), &[&["flow", "--origin", origin], more].concat());
    let (allowed, foreign) = (flow("https://app.example.com/", &[]), flow("https://evil.example", &[]));
    let (steps, refused) = (flow("https://app.example.com", &["--json"]), flow("https://evil.example", &["--json"]));
    assert_eq!(code(&run(folder.path(), &["down"])), 0);
    let parsed = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let steps_of =
        |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).lines().map(parsed).collect::<Vec<_>>();

    assert_eq!(code(&allowed), 0, "{}", text(&allowed));
    assert_eq!(text(&allowed).matches("may call the service and read its replies").count(), 4, "{}", text(&allowed));
    let steps = steps_of(&steps);
    assert_eq!(steps.len(), 5);
    for step in &steps {
        let browser = serde_json::json!({ "allowed": true, "why": null, "hidden_headers": [] });
        assert_eq!((&step["ok"], &step["browser"]), (&Value::Bool(true), &browser));
    }

    assert_eq!((code(&foreign), code(&refused)), (1, 1), "{}", text(&foreign));
    let why = "may not: preflight: `access-control-allow-origin` is missing";
    assert_eq!(text(&foreign).matches(why).count(), 4, "{}", text(&foreign));
    assert!(text(&foreign).contains("hint: add `https://evil.example` to `ALLOWED_ORIGINS`"), "{}", text(&foreign));
    for step in steps_of(&refused) {
        // The call was not sent, so there is no reply and no time.
        assert_eq!((&step["ok"], &step["reply"], &step["took_ms"]), (&Value::Bool(false), &Value::Null, &Value::Null));
        assert_eq!(step["browser"]["allowed"], false);
    }
    let wrong = flow("app.example.com", &[]);
    assert_eq!(code(&wrong), 64, "{}", text(&wrong));
}

/// Requests the list of tools, as a client of the older era does.
fn lists_tools(url: &str, authorization: &str) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(url).header("authorization", authorization);
        let request = request.header("accept", "application/json, text/event-stream").json(&body);
        let reply: Value = request.send().await.unwrap().json().await.unwrap();
        reply["result"]["tools"].as_array().is_some_and(|tools| !tools.is_empty())
    })
}

#[test]
fn completions_are_a_script_that_a_shell_takes() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("harness.bash");
    std::fs::write(&script, run(folder.path(), &["completions", "bash"]).stdout).unwrap();
    assert!(Command::new("bash").arg("-n").arg(&script).status().unwrap().success());
}
