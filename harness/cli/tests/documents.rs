//! Every command in a document is run by a test, or this file has the reason why it is not. This test fails if a
//! document has a command that is not listed here, and if a listed command is in no document any more.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/observe.rs"]
#[expect(dead_code, reason = "end_to_end/loads.rs reads its queries")]
mod observe;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "commands here are whole lines of documents")]
mod program;

use mcp_contracts::ErrorCode;
use program::{harness, text};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Commands that this test runs one after the other, in a folder of their own. Each must exit with code 0.
const RUN: &[&str] = &[
    "harness plan load memory",
    "harness init",
    "harness check --list",
    "harness harden --list",
    "harness runs list",
    "harness chaos --list",
    "harness chaos recover",
    "mcp-guardrails measure",
    "mcp-memory measure",
    "mcp-guardrails check-rules my-rules/",
    "mcp-patterns check-catalog my-catalog/",
    "harness bench --check",
    "harness up",
    "harness status",
    "harness logs memory",
    "harness flow",
    "harness client-config cursor",
    "harness client-config vscode",
    "harness client-config claude",
    "harness client-config windsurf",
    "harness token mint --org acme --user ann",
    "harness token mint --user emergency-ann --org acme --scope memory.read --lifetime 10m",
    "harness down",
];

const SHORTER: &str = "end_to_end/loads.rs runs it with fewer users and for less time";
const BUILDS: &str = "it builds the workspace, which this test is part of";
const GATE: &str = "it is a step of `.ci/run`, or all of it";
const PORTS: &str = "it needs the ports of the services, which another program may use on this machine";

/// Commands that are not run here: the beginning of a command, and where it is run or why it is not.
const ELSEWHERE: &[(&str, &str)] = &[
    ("make gate", GATE),
    ("make test", GATE),
    ("make test-docker", GATE),
    ("make lint", GATE),
    (".ci/run", GATE),
    ("make bench", "its figures are for people, on a quiet machine"),
    ("make help", "make may not run inside the make that runs the tests without taking its settings"),
    ("make mcp-", BUILDS),
    ("make observe-up", "it builds an image from packages; harness/core/tests/compose.rs compares what it starts"),
    (
        "kubectl",
        "it needs a cluster; harness/core/tests/support/kubernetes.rs compares the manifests with the topology",
    ),
    ("cargo run -p mcp-memory", BUILDS),
    ("export PATH=", "it changes the shell that it is typed in"),
    ("mkdir -p", "it makes room for the line after it"),
    ("harness load memory", SHORTER),
    ("harness load full", SHORTER),
    ("harness load --target", "target.rs runs it with a server of its own"),
    ("harness load graph.toml", "target.rs runs it with a server of its own"),
    ("harness load mine.toml", "target.rs plans it, and any_server_chaos.rs runs such a file"),
    ("harness chaos any-", "any_server_chaos.rs runs one on a server of its own"),
    ("harness snapshot --target", "any_server_chaos.rs runs it with a server of its own"),
    ("harness gate", "gate.rs runs a shorter one"),
    ("harness runs open", "runs.rs does, with a browser of its own"),
    ("harness scenario --all", "scenarios/tests/scenarios.rs plays each"),
    ("harness chaos redis-outage", GATE),
    ("harness chaos postgres-kill", "it takes two minutes; harness/core/tests/postgres.rs kills and pauses a server"),
    ("harness chaos guardrail-kill", GATE),
    ("harness chaos tenant-mix --url", "external.rs runs a shorter one on a stack of its own"),
    ("harness harden", "harness/harden/tests/trips.rs makes the whole catalogue"),
    ("harness bench", "its figures are for people, on a quiet machine"),
    ("harness check", "end_to_end/loads.rs judges a run again"),
    ("harness report", "end_to_end/loads.rs writes the reports of a run again"),
    ("infra/local/with-settings", PORTS),
    ("infra/operate/restore-drill", "`make operate-drills` runs it every night"),
    (
        "infra/operate/rotate",
        "infra/operate/test makes the steps, and `make operate-drills` makes them on a running stack",
    ),
    ("cp infra/deploy/example.toml", "it makes settings for the line after it; infra/deploy/test reads that file"),
    ("openssl rand -hex 32", "it makes a key"),
    ("date -u +%F", "it writes the day of the key"),
    ("make install", BUILDS),
    ("export JWT_SECRET=", "it changes the shell that it is typed in"),
    ("harness flow --url", PORTS),
    ("infra/observe/show", "infra/operate/test runs it on the answers of a Prometheus"),
    ("infra/deploy/blue-green", "`make deploy-drill` runs it every night"),
    ("harness usage", "usage.rs runs it on logs of its own"),
    ("curl -s http://127.0.0.1:74", PORTS),
    ("mcp-orchestrator erase", "it needs a database; services/memory/tests/exchange.rs runs that of memory"),
    ("mcp-patterns erase", "it needs a database; services/memory/tests/exchange.rs runs that of memory"),
    ("mcp-memory revo", "services/memory/tests/revocation.rs runs it on a Redis of its own"),
    (
        "mcp-memory",
        "services/memory/tests/durability.rs starts it, backs up and restores, in folders that everybody has",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_command_is_run_or_says_why_not() {
    let documented = documented();
    let why = |command: &str| ELSEWHERE.iter().any(|(beginning, _)| command.starts_with(beginning));
    let undecided: Vec<&String> =
        documented.iter().filter(|command| !RUN.contains(&command.as_str()) && !why(command)).collect();
    assert!(undecided.is_empty(), "neither run nor with a reason: {undecided:#?}");
    let gone: Vec<&&str> = RUN.iter().filter(|command| !documented.contains(**command)).collect();
    assert!(gone.is_empty(), "in no document any more: {gone:?}");
    let idle = |beginning: &str| !documented.iter().any(|command| command.starts_with(beginning));
    let idle: Vec<&str> = ELSEWHERE.iter().map(|(beginning, _)| *beginning).filter(|word| idle(word)).collect();
    assert!(idle.is_empty(), "a reason for what no document has: {idle:?}");

    let folder = tempfile::tempdir().unwrap();
    for (given, name) in [("rules", "my-rules"), ("catalog", "my-catalog")] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        for file in std::fs::read_dir(root().join("fixtures").join(given)).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), folder.path().join(name).join(file.file_name())).unwrap();
        }
    }
    let mut problems = Vec::new();
    for command in RUN {
        let output = program_of(command).current_dir(folder.path()).output().unwrap();
        if !output.status.success() {
            problems.push(format!("{command}: {}\n{}", output.status, text(&output)));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn program_of(command: &str) -> Command {
    let mut words = command.split_whitespace();
    let name = words.next().unwrap();
    let mut program = match name {
        "harness" => harness(),
        service => Command::new(Path::new(env!("CARGO_BIN_EXE_harness")).with_file_name(service)),
    };
    program.args(words);
    program
}

/// The commands in the blocks for a shell of README and of everything below `docs`, and those of the recording.
fn documented() -> BTreeSet<String> {
    let (mut found, mut folders) = (BTreeSet::from_iter(recorded()), vec![root().join("docs")]);
    collect(&root().join("README.md"), &mut found);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                collect(&path, &mut found);
            }
        }
    }
    found
}

/// The commands that `docs/recording/record` runs.
fn recorded() -> Vec<String> {
    let list = std::fs::read_to_string(root().join("docs/recording/commands")).unwrap();
    list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

fn collect(document: &Path, found: &mut BTreeSet<String>) {
    let text = std::fs::read_to_string(document).unwrap().replace("\\\n", " ");
    let mut shell = false;
    for line in text.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            shell = language.trim() == "sh";
            continue;
        }
        let line = line.split(" #").next().unwrap_or_default();
        let line = line.split(" > ").next().unwrap_or_default();
        for command in line.split("; ").filter(|_| shell) {
            let words = command.split_whitespace().skip_while(|word| is_setting(word));
            found.insert(words.collect::<Vec<_>>().join(" "));
        }
    }
    found.remove("");
}

/// Returns true if the word sets a variable for the command after it.
fn is_setting(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_'))
        || word.ends_with("32)")
        || ["-hex", "rand"].contains(&word)
}

#[test]
fn every_alert_has_a_severity_a_runbook_and_a_test_and_every_panel_a_unit_and_a_sentence() {
    let manual = std::fs::read_to_string(root().join("docs/mcp/OPERATIONS.md")).unwrap();
    let tests: String = std::fs::read_dir(observe::folder().join("tests"))
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    let faults: Vec<&str> = ErrorCode::ALL.into_iter().filter(|code| code.is_fault()).map(ErrorCode::name).collect();
    let mut problems = Vec::new();
    for rule in observe::rules() {
        // A list of codes is that of the faults, and no other.
        let lists = rule["expr"].as_str().unwrap().split("outcome=~\"").skip(1);
        let mut lists = lists.filter_map(|rest| rest.split('"').next());
        if lists.any(|list| list.contains(ErrorCode::Internal.name()) && list != faults.join("|")) {
            problems.push(format!("{rule}: its codes are not {}", faults.join("|")));
        }
        let Some(name) = rule["alert"].as_str() else { continue };
        if !["page", "ticket"].iter().any(|severity| rule["labels"]["severity"] == *severity) {
            problems.push(format!("{name}: its severity is neither page nor ticket"));
        }
        let link = format!("docs/mcp/OPERATIONS.md#{}", name.to_lowercase());
        if rule["annotations"]["runbook_url"] != link || !manual.contains(&format!("\n### {name}\n")) {
            problems.push(format!("{name}: `{link}` is not its runbook, or the manual has no such heading"));
        }
        if !tests.contains(&format!("alertname=\"{name}\"")) {
            problems.push(format!("{name}: it fires in no test"));
        }
    }
    for (file, panel) in observe::panels() {
        let is_sentence = panel["description"].as_str().is_some_and(|text| text.ends_with('.'));
        let has_unit = panel["fieldConfig"]["defaults"]["unit"].as_str().is_some_and(|unit| !unit.is_empty());
        if !is_sentence || !has_unit {
            problems.push(format!("{file}, {}: it has no unit, or no sentence", panel["title"]));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_runbook_belongs_to_an_alert_and_has_four_parts() {
    let manual = std::fs::read_to_string(root().join("docs/mcp/OPERATIONS.md")).unwrap();
    let alerts: BTreeSet<String> =
        observe::rules().iter().filter_map(|rule| rule["alert"].as_str().map(str::to_owned)).collect();
    let panels: Vec<String> =
        observe::panels().iter().filter_map(|(_, panel)| panel["title"].as_str().map(str::to_owned)).collect();
    let runbooks: Vec<&str> = manual.split("\n### Mcp").skip(1).collect();
    assert_eq!(runbooks.len(), alerts.len());
    for runbook in runbooks {
        let (name, text) = runbook.split_once('\n').unwrap();
        let text = text.split("\n#").next().unwrap();
        assert!(alerts.contains(&format!("Mcp{name}")), "no alert Mcp{name}");
        for part in ["**Symptom.**", "**First five minutes.**", "**Decision.**", "**Verification.**"] {
            assert!(text.contains(part), "Mcp{name}: {part} is missing");
        }
        // Names in italics, which `infra/observe/show` looks up. Text in bold has two asterisks.
        let names = text.replace("**", "\n");
        for named in names.lines().flat_map(|line| line.split('*').skip(1).step_by(2)) {
            let is_panel = panels.iter().any(|panel| panel == named);
            let is_section = manual.contains(&format!("\n## {named}\n")) || manual.contains(&format!("\n**{named}.**"));
            let is_legend = named.starts_with(char::is_lowercase);
            assert!(is_panel || is_section || is_legend, "Mcp{name}: there is no panel or section `{named}`");
        }
    }
}

#[test]
fn the_recording_shows_the_commands_of_its_list_and_is_shown_in_the_readme() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).unwrap();
    let (cast, picture) = (read("docs/recording/first-hour.cast"), read("docs/recording/first-hour.svg"));
    let events = cast.lines().skip(1).map(|line| serde_json::from_str::<(f64, String, String)>(line).unwrap());
    let shown: String = events.map(|(_, _, text)| text).collect();
    let mut rest = shown.as_str();
    for command in recorded() {
        let typed = format!("{command}\r\n");
        let at =
            rest.find(&typed).unwrap_or_else(|| panic!("`{command}` is not in the recording, or in another order"));
        rest = &rest[at + typed.len()..];
        assert!(picture.contains(&command), "`{command}` is not in the SVG");
    }
    assert!(picture.len() < 500_000, "the SVG has {} bytes", picture.len());
    assert!(read("README.md").contains("(docs/recording/first-hour.svg)"));
}

/// `infra/observe/replay` compares them with the alerts that recorded metrics make fire. Any server has no metrics of ours.
#[test]
fn every_experiment_names_its_alerts_and_every_name_is_that_of_an_alert() {
    let alerts: BTreeSet<String> =
        observe::rules().iter().filter_map(|rule| rule["alert"].as_str().map(str::to_owned)).collect();
    let mut problems = Vec::new();
    for entry in std::fs::read_dir(root().join("chaos/experiments")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let file: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        let is_foreign = file.get("stack").and_then(toml::Value::as_str) == Some("target");
        match (file.get("alerts"), is_foreign) {
            (Some(named), false) => {
                let named = named.as_array().unwrap().iter().map(|alert| alert.as_str().unwrap());
                problems.extend(named.filter(|alert| !alerts.contains(*alert)).map(|alert| format!("{name}: {alert}")));
            }
            (None, true) => {}
            (None, false) => {
                problems.push(format!("{name}: it names no `alerts`; an empty list if it makes none fire"))
            }
            (Some(_), true) => problems.push(format!("{name}: its stack exports no metrics, so it has no `alerts`")),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
