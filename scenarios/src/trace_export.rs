//! One workflow is one connected trace at a collector: all four services send their spans over OTLP, the first span has the caller as its parent, and
//! the parent of every other span is in the trace. No span has content or a token.

use crate::lifecycle;
use crate::trace_continuity::{CALLS, SECRET_WORDS};
use harness_core::drive::scenario::{Actor, Scenario, ScenarioRequest, Span, Stage, StepFailed, TraceCollector};
use mcp_contracts::{Service, headers};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "trace-export",
    "one workflow is one connected trace at a collector of OTLP, and no span holds content",
    lifecycle::patient,
    |stage| Box::pin(play(stage)),
)
.on_its_own_processes()
.requires(&["degraded-is-declared"]);

/// Deadline for the spans of a workflow to arrive. A service sends a batch every 5 s.
const SPANS_DEADLINE: Duration = Duration::from_secs(30);
/// The span of the caller.
const CALLER: u64 = 7;

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let collector = TraceCollector::start().await?;
    lifecycle::reconfigure_all(stage, &collector.settings()).await?;
    let mut ann = stage.user("ann", "acme");
    let note = json!({ "content": ann.private_content("Releases of billing wait for the quokka") });
    let _ = ann.call("store_memory", note).await.expect_ok("a memory is stored that the workflow uses").or_stop()?;
    // The highest bit is set, because a trace of zeros is invalid.
    let trace = format!("{:032x}", u128::from(stage.seed()) | 1 << 127);
    run_workflow(&mut ann, &trace).await?;
    let Some(spans) = arrived(stage, &collector, &trace).await else { return Ok(()) };
    expect_connected(stage, &spans);
    refuse(&mut ann, &trace).await;
    expect_no_content(stage, &collector, &trace).await;
    Ok(())
}

fn parent_of(trace: &str) -> String {
    format!("00-{trace}-{CALLER:016x}-01")
}

async fn run_workflow(ann: &mut Actor<'_>, trace: &str) -> Result<(), StepFailed> {
    let arguments = json!({
        "agent": "general", "action": "answer", "intent": "say what releases of billing and of the wombat wait for",
        "text": "They waited on Monday, says the numbat.",
    });
    let call = ScenarioRequest::tool("run_workflow", arguments).header(headers::TRACEPARENT, &parent_of(trace));
    let complete = |reply: &Value| reply["status"] == "completed" && reply.to_string().contains("quokka");
    ann.send(call).await.expect_result("a workflow uses all services", complete).or_stop().map(drop)
}

/// Waits until every call of the workflow is a span of the trace. Returns the spans.
async fn arrived(stage: &Stage<'_>, collector: &TraceCollector, trace: &str) -> Option<Vec<Span>> {
    let complete = async || {
        let spans = collector.spans(trace);
        let has = |service: Service, tool: &str| {
            let name = format!("tools/call {tool}");
            spans.iter().any(|span| span.service == service.binary() && span.name == name)
        };
        CALLS.iter().all(|(service, tools)| tools.iter().all(|tool| has(*service, tool))).then_some(spans)
    };
    stage.wait_until("each call of the workflow is a span of the caller's trace", SPANS_DEADLINE, complete).await
}

fn expect_connected(stage: &Stage<'_>, spans: &[Span]) {
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    let roots: Vec<&Span> = spans.iter().filter(|span| !ids.contains(span.parent.as_str())).collect();
    let is_first = |span: &&Span| {
        span.service == Service::Orchestrator.binary()
            && span.name == "tools/call run_workflow"
            && span.parent == format!("{CALLER:016x}")
    };
    let details = || {
        let roots = roots.iter().map(|span| format!("{} {} of `{}`", span.service, span.name, span.parent));
        format!("{} spans, without a parent among them: {}", spans.len(), roots.collect::<Vec<_>>().join(", "))
    };
    let holds = roots.len() == 1 && roots.iter().all(is_first) && ids.len() == spans.len();
    stage.expect("the spans of all services are one tree below the caller's span", holds, details(), &[]);
}

/// Makes calls that are refused, with rare words in their arguments.
async fn refuse(ann: &mut Actor<'_>, trace: &str) {
    let statement = json!({ "action": "database", "intent": "drop the wombat", "text": "DROP TABLE numbat;" });
    let blocked = ScenarioRequest::tool("check_guardrails", statement).header(headers::TRACEPARENT, &parent_of(trace));
    let _ = ann.send(blocked).await.expect_result("a statement is blocked", |reply| reply["verdict"] == "block");
    let tagged = json!({ "content": "the quokka waits", "tags": ["org:wombat"] });
    let rejected = ScenarioRequest::tool("store_memory", tagged).header(headers::TRACEPARENT, &parent_of(trace));
    let _ = ann.send(rejected).await;
}

/// Waits for the spans of the refused calls, and expects that no span of any trace reveals a word of a text or a token.
async fn expect_no_content(stage: &Stage<'_>, collector: &TraceCollector, trace: &str) {
    let refused = async || {
        let has = |name: &str| {
            let direct = format!("{CALLER:016x}");
            collector.spans(trace).iter().any(|span| span.name == name && span.parent == direct)
        };
        (has("tools/call check_guardrails") && has("tools/call store_memory")).then_some(())
    };
    stage.wait_until("each refused call is a span of the caller's trace", SPANS_DEADLINE, refused).await;
    let spans = collector.all_spans();
    let reveals = |span: &&Span| SECRET_WORDS.iter().any(|word| span.text.contains(word));
    let revealing: Vec<&Span> = spans.iter().filter(reveals).collect();
    let details =
        format!("{} spans, {} unreadable requests, revealing: {revealing:?}", spans.len(), collector.unreadable());
    let holds = !spans.is_empty() && revealing.is_empty() && collector.unreadable() == 0;
    stage.expect("no span of any service holds a token or content", holds, details, &[]);
}
