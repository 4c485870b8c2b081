//! Files of rules and patterns change while calls go on: a new file takes effect, a bad one changes nothing and is told with its line, a mended one
//! takes effect, and one that is removed takes what was in it away. No call notices.

mod catalogue;
mod rules;

use harness_core::drive::scenario::{Actor, Broken, Scenario, Stage};
use harness_core::plan::topology::Topology;
use mcp_contracts::Service;
use mcp_contracts::service::READYZ_PATH;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "rule-reload",
    "changed files of rules and patterns take effect under calls, and a bad one changes nothing",
    topology,
    |stage| Box::pin(play(stage)),
)
.given(|| vec![rules::given(), catalogue::given()])
.within(180);

/// How long a change of a file may take until it is seen.
const SEEN: Duration = Duration::from_secs(20);
/// The file that comes, is bad, is mended and goes.
const FILE: &str = "more.yaml";

fn topology() -> Topology {
    Topology::full().under_load()
}

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let mut callers = [stage.user("cal", "callers"), stage.user("cleo", "callers")];
    let (made, failed) = (Cell::new(0_u64), RefCell::new(Vec::new()));
    let call = async |caller: &mut Actor<'_>| {
        let harmless = json!({ "action": "edit", "intent": "write a note", "text": "a pear" });
        let checked = caller.call("check_guardrails", harmless).await;
        let selected = caller.call("select_pattern", json!({ "intent": "test something first" })).await;
        made.set(made.get() + 2);
        let wrong = [(checked.op(), checked["verdict"] == "allow"), (selected.op(), selected.is_ok())];
        failed.borrow_mut().extend(wrong.into_iter().filter(|(_, held)| !held).map(|(op, _)| op));
    };
    let changes = async {
        rules::play(stage).await?;
        catalogue::play(stage).await
    };
    let played = stage.meanwhile(&mut callers, call, changes).await;
    let (made, failed) = (made.get(), failed.into_inner());
    let seen = format!("{made} calls, {} of them not answered as before", failed.len());
    stage.expect("not one call meanwhile was answered otherwise", made > 0 && failed.is_empty(), seen, &failed);
    played
}

/// Waits until a service says that it lives on its last good files, or that it does not.
async fn lives_on_last_good(stage: &Stage<'_>, service: Service, what: &str, expected: bool) -> Result<(), Broken> {
    let part = &stage.instances(service)[0];
    let says = async || {
        let (status, page) = stage.page(part, READYZ_PATH, None).await;
        let fallback = page["fallbacks"].as_array()?.contains(&json!(what));
        (status == Some(200) && fallback == expected).then_some(())
    };
    let now = if expected { "with the bad file" } else { "with the mended file" };
    let lives = if expected { "lives on its last good files" } else { "lives on its files again" };
    let seen = stage.until(&format!("{now} `{}` is ready, and says that it {lives}", service.name()), SEEN, says).await;
    seen.ok_or_else(|| Broken(format!("`{}` does not say so", service.name())))
}

/// Waits until the log tells what is wrong with the file, and where.
async fn told_in_log(stage: &Stage<'_>, service: Service, mark: usize, line: u64, word: &str) {
    let part = &stage.instances(service)[0];
    let is_it = |entry: &Value| {
        let file = entry["file"].as_str().is_some_and(|file| file.ends_with(FILE));
        let problem = entry["problem"].as_str().is_some_and(|problem| problem.contains(word));
        let loud = entry["severity"] == "error" || entry["severity"] == "warning";
        file && problem && loud && entry["line"] == line
    };
    let told = async || stage.log_since(part, mark).await.ok()?.iter().any(is_it).then_some(());
    stage.until(&format!("the log names the file, its line {line} and `{word}`"), SEEN, told).await;
}
