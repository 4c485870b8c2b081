//! One workflow is one trace: every service logs its calls with the same trace, execution, user and organisation. The
//! trace is that of the caller (W3C Trace Context). If the caller sends no trace or an invalid one, the workflow gets a
//! new trace. No log line contains content or a token.

mod content;

pub(crate) use content::SECRET_WORDS;

use crate::lifecycle;
use harness_core::drive::scenario::{Actor, Scenario, ScenarioRequest, Stage, StepFailed};
use harness_history::counted;
use mcp_contracts::{Service, headers};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "trace-continuity",
    "one workflow is one trace in the logs of all services, and no log holds content",
    lifecycle::patient,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.requires(&["degraded-is-declared"]);

/// The calls that one workflow causes in the log of each service.
pub(crate) const CALLS: [(Service, &[&str]); 4] = [
    (Service::Orchestrator, &["run_workflow"]),
    (Service::Guardrails, &["check_guardrails"]),
    (Service::Memory, &["search_memory", "import_memories"]),
    (Service::Patterns, &["select_pattern", "inject_pattern", "log_pattern_usage"]),
];
/// Deadline for a line to appear in its log.
const LOG_DEADLINE: Duration = Duration::from_secs(20);

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let mut ann = stage.user("ann", "acme");
    let start = marks(stage).await?;
    let note = json!({ "content": ann.private_content("Releases of billing wait for the quokka") });
    let _ = ann.call("store_memory", note).await.expect_ok("a memory is stored that the workflow uses").or_stop()?;
    // The highest bit is set, because a trace of zeros is invalid.
    let own_trace = format!("{:032x}", u128::from(stage.seed()) | 1 << 127);
    // A span of zeros is invalid.
    let no_span = format!("00-{own_trace}-{:016x}-01", 0);
    let mut earlier = BTreeSet::from([own_trace.clone()]);
    for (how, parent, trace) in [
        ("with a trace", Some(format!("00-{own_trace}-{:016x}-01", 7)), Some(&own_trace)),
        ("without a trace", None, None),
        ("with an invalid trace", Some(no_span), None),
    ] {
        let lines = workflow(stage, &mut ann, how, parent.as_deref()).await?;
        let traces: BTreeSet<&str> =
            lines.iter().map(|(_, line)| line["traceId"].as_str().unwrap_or_default()).collect();
        let one = traces.len() == 1 && traces.iter().all(|trace| is_trace(trace));
        let same = trace.map_or_else(
            || traces.iter().all(|new| earlier.insert((*new).to_owned())),
            |trace| traces.contains(&**trace),
        );
        let which = if trace.is_some() { "the caller's trace" } else { "a new trace" };
        let expected = format!("a workflow {how} has {which} in the logs of all services");
        let details: Vec<String> =
            lines.iter().map(|(of, line)| format!("{} {} {}", of.name(), line["tool"], line["traceId"])).collect();
        stage.expect(&expected, one && same, details.join(", "), &[]);
        expect_fields(stage, &ann, how, &lines);
    }
    content::refusals(stage, &mut ann).await?;
    content::expect_no_content(stage, &start).await
}

/// Runs a workflow and waits until each of its calls is logged.
async fn workflow(
    stage: &Stage<'_>,
    ann: &mut Actor<'_>,
    how: &str,
    parent: Option<&str>,
) -> Result<Vec<(Service, Value)>, StepFailed> {
    let marks = marks(stage).await?;
    let arguments = json!({
        "agent": "general", "action": "answer", "intent": "say what releases of billing and of the wombat wait for",
        "text": "They waited on Monday, says the numbat.",
    });
    let mut call = ScenarioRequest::tool("run_workflow", arguments);
    if let Some(parent) = parent {
        call = call.header(headers::TRACEPARENT, parent);
    }
    let complete = |reply: &Value| reply["status"] == "completed" && reply.to_string().contains("quokka");
    let ran = ann.send(call).await.expect_result(&format!("a workflow {how} uses all services"), complete).or_stop()?;
    let logged = async || {
        let lines = since(stage, &marks).await.ok()?;
        let lines: Vec<_> = lines.into_iter().filter(|(_, line)| line["executionId"] == ran["executionId"]).collect();
        let called = |service, tool: &str| lines.iter().any(|(of, line)| *of == service && line["tool"] == tool);
        CALLS.iter().all(|(service, tools)| tools.iter().all(|tool| called(*service, tool))).then_some(lines)
    };
    let lines = stage
        .wait_until(&format!("each call of a workflow {how} is logged under its execution"), LOG_DEADLINE, logged)
        .await;
    lines.ok_or_else(|| {
        StepFailed("the calls of the workflow are not logged, so its trace cannot be checked".to_owned())
    })
}

/// Expects that every line has its service, tool, user, organisation and duration.
fn expect_fields(stage: &Stage<'_>, ann: &Actor<'_>, how: &str, lines: &[(Service, Value)]) {
    let is_complete = |(service, line): &&(Service, Value)| {
        let text = |name: &str| line[name].as_str().unwrap_or_default();
        (text("service"), text("orgId"), text("userId")) == (service.name(), ann.organisation(), "ann")
            && !text("tool").is_empty()
            && !text("timestamp").is_empty()
            && text("severity") == "info"
            && line["durationMs"].as_f64().is_some_and(|took| took > 0.0)
    };
    let wrong: Vec<_> = lines.iter().filter(|line| !is_complete(line)).collect();
    let expected = format!("each line of a workflow {how} names its service, tool, user, organisation and duration");
    stage.expect(
        &expected,
        wrong.is_empty(),
        format!("{}, incomplete: {wrong:?}", counted(lines.len(), "line", "lines")),
        &[],
    );
}

async fn marks(stage: &Stage<'_>) -> Result<Vec<usize>, StepFailed> {
    let mut marks = Vec::new();
    for (service, _) in CALLS {
        marks.push(stage.log_mark(service.name()).await?);
    }
    Ok(marks)
}

/// Returns the lines of every service since the marks.
async fn since(stage: &Stage<'_>, marks: &[usize]) -> Result<Vec<(Service, Value)>, StepFailed> {
    let mut lines = Vec::new();
    for ((service, _), mark) in CALLS.into_iter().zip(marks) {
        lines.extend(stage.log_since(service.name(), *mark).await?.into_iter().map(|line| (service, line)));
    }
    Ok(lines)
}

fn is_trace(text: &str) -> bool {
    text.len() == 32
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && text.bytes().any(|byte| byte != b'0')
}
