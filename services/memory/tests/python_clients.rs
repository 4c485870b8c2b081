//! Agents in Python work with the service through the client libraries that people use: `fixtures/clients/agent.py` stores, searches in three
//! languages, walks over pages, exports and imports. `make python-clients` prepares an environment for each library.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/service.rs"]
#[expect(dead_code, reason = "these tests need a part of it")]
mod service;

use serde_json::{Value, json};
use service::{Service, call, client, token_of};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// Deadline of an agent. On an idle machine it takes 3 s, most of it for imports of Python.
const DEADLINE: Duration = Duration::from_secs(120);

/// Returns the Python of the environment with a library.
fn python(library: &str) -> PathBuf {
    let list =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/clients/python").join(format!("{library}.txt"));
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../python-clients").join(library);
    let is_ready = std::fs::read(list).unwrap() == std::fs::read(place.join("packages.txt")).unwrap_or_default();
    assert!(
        is_ready,
        "the Python environment `{}` is missing or has other packages\nhint: make python-clients",
        place.display()
    );
    place.join("bin/python")
}

async fn an_agent_works_with(library: &str) {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path()).await;
    let (ann, zoe) = (token_of("acme", "ann", "default"), token_of("zeta", "zoe", "lab"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/clients/agent.py");
    let mut agent = tokio::process::Command::new(python(library));
    agent.arg(script).args([library, &format!("{}/mcp", service.url)]).current_dir(folder.path());
    agent.env_clear().env("TOKEN", &ann).env("OTHER_TOKEN", &zoe).env("PYTHONDONTWRITEBYTECODE", "1");
    agent.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(DEADLINE, agent.output()).await.expect("an agent ends by its deadline").unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{library}: {errors}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary, json!({ "library": library, "memories": 12, "pages": 4 }));
    // What the agent reports is in the service.
    for (token, private, workspace) in [(&ann, 11, 1), (&zoe, 11, 1)] {
        let stats = call(&client(), &service.url, token, "memory_stats", json!({})).await.unwrap().unwrap();
        assert_eq!((&stats["private"], &stats["workspace"]), (&json!(private), &json!(workspace)));
    }
    service.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_call_in_the_documents_works() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path()).await;
    let document = include_str!("../../../docs/mcp/DEV_SETUP.md");
    let (_, example) = document.split_once("```python\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let mut program = tokio::process::Command::new(python("mcp2"));
    program.args(["-c", example]).stdin(Stdio::null()).kill_on_drop(true).env_clear();
    program.env("TOKEN", token_of("acme", "ann", "default")).env("MCP_MEMORY_URL", &service.url);
    let output = tokio::time::timeout(DEADLINE, program.output()).await.expect("the example ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text, "Deploys wait for the ledger\n", "{}", String::from_utf8_lossy(&output.stderr));
    service.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_works_with_version_one_of_the_python_sdk() {
    an_agent_works_with("mcp1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_works_with_version_two_of_the_python_sdk() {
    an_agent_works_with("mcp2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_works_with_fastmcp() {
    an_agent_works_with("fastmcp").await;
}
