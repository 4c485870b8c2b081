//! An experiment on a running stack: its faults act on the connections of the clients, never on the parts.

#[path = "support/program.rs"]
mod program;

use program::{code, harness, run, text};
use serde_json::Value;

/// The shortest experiment that can still prove something: 4 s of resets between the clients and memory.
const CUT_OFF: &str = r#"
id = "X9"
about = "callers are cut off now and then, and come back"
stack = "memory"
steady = "3s"
recovery = "4s"
requires = ["no-lost-writes"]

[load]
rate = 60
mix = { store_memory = 2, get_memory = 2 }

[after]
all = ["error_rate<1%"]

[expect]
errors = ["reset", "connect"]

[[fault]]
kind = "network"
from = "client"
to = "memory"
rule = { toxic = { kind = "reset" }, share = 0.4 }
lasts = "4s"
"#;

#[test]
fn faults_on_a_running_stack_act_on_its_callers_only() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cut-off.toml"), CUT_OFF).unwrap();
    let up = run(folder.path(), &["up", "--only", "memory"]);
    assert_eq!(code(&up), 0, "{}", text(&up));
    let stack: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join(".harness/stack.json")).unwrap()).unwrap();
    let parts = stack["parts"].as_array().unwrap();
    let url = parts.iter().find(|part| part["name"] == "memory").unwrap()["url"].as_str().unwrap();
    let url = format!("memory={url}");
    let chaos = |name: &str| {
        let mut command = harness();
        command.env("JWT_SECRET", stack["secret"].as_str().unwrap()).current_dir(folder.path());
        command.args(["chaos", name, "--url", &url]).output().unwrap()
    };
    let (_, memory) = url.split_once('=').unwrap();
    let mut wrong = harness();
    wrong.env("JWT_SECRET", "a-key").current_dir(folder.path());
    wrong.args(["load", "patterns"]);
    for service in ["memory", "guardrails", "patterns", "orchestrator"] {
        wrong.args(["--url", &format!("{service}={memory}")]);
    }
    let wrong = wrong.output().unwrap();
    assert_eq!(code(&wrong), 69, "{}", text(&wrong));
    assert!(text(&wrong).contains("service: it is `mcp-memory`"), "{}", text(&wrong));
    let refused = chaos("redis-outage");
    assert_eq!(code(&refused), 64, "{}", text(&refused));
    for expected in ["`QUOTA_FREE_DAILY=80` of `memory`", "`kill redis` needs a stack that the harness started"] {
        assert!(text(&refused).contains(expected), "{}", text(&refused));
    }
    let disturbed = chaos("./cut-off.toml");
    let status = run(folder.path(), &["status"]);
    let down = run(folder.path(), &["down"]);
    // Findings about speed depend on the machine and are not asserted. Findings about writes and errors are.
    let said = text(&disturbed);
    for check in ["fault-hit", "all-faults-healed", "no-lost-writes", "tenant-isolation", "well-formed-errors"] {
        let finding = said.lines().find(|line| line.trim_start().starts_with(check));
        assert!(finding.is_some_and(|line| line.contains(" pass ")), "{check}: {said}");
    }
    assert!(said.contains("are not searched for secrets") && !said.contains("no-secret-in-logs"), "{said}");
    assert_eq!((code(&status), code(&down)), (0, 0), "the stack goes on: {}", text(&status));
}
