//! Files of rules and patterns change under traffic. A new file takes effect. An invalid file changes nothing, and its
//! problem is logged with the line. A corrected file takes effect, and the removal of a file removes its content. No
//! other call is affected.

mod catalogue;
mod rules;

use harness_core::drive::scenario::{Actor, Scenario, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use harness_history::counted;
use mcp_contracts::Service;
use mcp_contracts::service::READYZ_PATH;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "rule-reload",
    "changed files of rules and patterns take effect under traffic, and an invalid one changes nothing",
    topology,
    |stage| Box::pin(play(stage)),
)
.with_fixtures(|| vec![rules::fixture(), catalogue::fixture()])
.within(180);

/// Deadline for a change of a file to take effect.
const RELOAD_DEADLINE: Duration = Duration::from_secs(20);
/// Name of the file that the scenario adds, makes invalid, corrects and removes.
const FILE: &str = "more.yaml";

fn topology() -> Topology {
    Topology::full().with_load_quotas()
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let mut callers = [stage.user("cal", "callers"), stage.user("cleo", "callers")];
    let (made, failed) = (Cell::new(0_u64), RefCell::new(Vec::new()));
    let call = async |caller: &mut Actor<'_>| {
        let harmless = json!({ "action": "edit", "intent": "write a note", "text": "a pear" });
        let checked = caller.call("check_guardrails", harmless).await;
        let selected = caller.call("select_pattern", json!({ "intent": "test something first" })).await;
        made.set(made.get() + 2);
        let wrong = [(checked.op(), checked["verdict"] == "allow"), (selected.op(), selected.is_ok())];
        failed.borrow_mut().extend(wrong.into_iter().filter(|(_, holds)| !holds).map(|(op, _)| op));
    };
    let changes = async {
        rules::play(stage).await?;
        catalogue::play(stage).await
    };
    let played = stage.with_background_calls(&mut callers, call, changes).await;
    let (made, failed) = (made.get(), failed.into_inner());
    let details = format!("{}, {} with another answer", counted(made, "call", "calls"), failed.len());
    stage.expect("no call during the changes got another answer", made > 0 && failed.is_empty(), details, &failed);
    played
}

/// Waits until a service reports that it uses the last valid files, or that it no longer does.
async fn expect_last_valid(stage: &Stage<'_>, service: Service, what: &str, expected: bool) -> Result<(), StepFailed> {
    let part = &stage.instances(service)[0];
    let reported = async || {
        let (status, page) = stage.page(part, READYZ_PATH, None).await;
        let fallback = page["fallbacks"].as_array()?.contains(&json!(what));
        (status == Some(200) && fallback == expected).then_some(())
    };
    let cause = if expected { "with an invalid file" } else { "with a corrected file" };
    let state = if expected { "reports the last valid files" } else { "reports no fallback" };
    let details = stage
        .wait_until(&format!("{cause} `{}` is ready and {state}", service.name()), RELOAD_DEADLINE, reported)
        .await;
    details.ok_or_else(|| StepFailed(format!("`{}` did not report it", service.name())))
}

/// Waits until the log names the problem of the file and its line.
async fn expect_logged(stage: &Stage<'_>, service: Service, mark: usize, line: u64, word: &str) {
    let part = &stage.instances(service)[0];
    let is_it = |entry: &Value| {
        let file = entry["file"].as_str().is_some_and(|file| file.ends_with(FILE));
        let problem = entry["problem"].as_str().is_some_and(|problem| problem.contains(word));
        let severe = entry["severity"] == "error" || entry["severity"] == "warning";
        file && problem && severe && entry["line"] == line
    };
    let logged = async || stage.log_since(part, mark).await.ok()?.iter().any(is_it).then_some(());
    stage.wait_until(&format!("the log names the file, its line {line} and `{word}`"), RELOAD_DEADLINE, logged).await;
}
