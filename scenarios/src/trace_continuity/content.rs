//! No log line contains a token, or a word of a memory, a request or a text, even if a call is blocked or rejected.

use super::{LOG_DEADLINE, marks, since};
use harness_core::drive::scenario::{Actor, ScenarioRequest, Stage, StepFailed};
use harness_history::counted;
use mcp_contracts::{ErrorCode, Service};
use serde_json::{Value, json};

/// Words from memories, requests and texts, and the prefix of every token.
// Rare words, because a common one could occur in a log for another reason.
pub(crate) const SECRET_WORDS: [&str; 4] = ["quokka", "wombat", "numbat", "eyJ"];

/// Makes calls that are rejected: an invalid token, a blocked statement, a forged verdict, a reserved tag. Expects that each is logged.
pub(super) async fn refusals(stage: &Stage<'_>, ann: &mut Actor<'_>) -> Result<(), StepFailed> {
    let (marks, execution) = (marks(stage).await?, "refused-1");
    let statement = json!({ "action": "database", "intent": "drop the wombat", "text": "DROP TABLE numbat;" });
    let mut forged = json!({ "patternId": "quokka", "request": statement, "executionId": execution });
    forged["verdictToken"] = json!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJudW1iYXQifQ.c2ln");
    let tagged = json!({ "content": "the quokka waits", "tags": ["org:wombat"] });
    let blocked = ann.send(ScenarioRequest::tool("check_guardrails", statement).execution(execution)).await;
    let _ = blocked.expect_result("a statement is blocked", |reply| reply["verdict"] == "block");
    let rejected = ann.send(ScenarioRequest::tool("inject_pattern", forged).execution(execution)).await;
    let _ = rejected.expect_error("a forged verdict is rejected", ErrorCode::VerdictInvalid);
    let rejected = ann.send(ScenarioRequest::tool("store_memory", tagged).execution(execution)).await;
    let _ = rejected.expect_error("a reserved tag is rejected", ErrorCode::ReservedTag);
    let mut unsigned = stage.user("ann", "acme").with_token(Some("eyJhbGciOiJub25lIn0.eyJzdWIiOiJudW1iYXQifQ."));
    let _ =
        unsigned.call("memory_stats", json!({})).await.expect_status("a token without a signature is rejected", 401);
    let logged = async || {
        let lines = since(stage, &marks).await.ok()?;
        let ended = |tool: &str, outcome: &str| {
            let is_call = |line: &Value| line["executionId"] == execution && line["tool"] == tool;
            lines.iter().any(|(_, line)| is_call(line) && line["outcome"] == outcome)
        };
        let calls = ended("check_guardrails", "ok")
            && ended("inject_pattern", ErrorCode::VerdictInvalid.name())
            && ended("store_memory", ErrorCode::ReservedTag.name());
        let refused = lines.iter().any(|(of, line)| *of == Service::Memory && line["reason"].is_string());
        (refused && calls).then_some(())
    };
    stage.wait_until("each rejected call is in a log with its outcome", LOG_DEADLINE, logged).await;
    Ok(())
}

pub(super) async fn expect_no_content(stage: &Stage<'_>, start: &[usize]) -> Result<(), StepFailed> {
    let lines = since(stage, start).await?;
    let reveals = |(_, line): &&(Service, Value)| SECRET_WORDS.iter().any(|word| line.to_string().contains(word));
    let revealing: Vec<_> = lines.iter().filter(reveals).collect();
    let expected = "no log line of any service holds a token or content";
    stage.expect(
        expected,
        !lines.is_empty() && revealing.is_empty(),
        format!("{}, revealing: {revealing:?}", counted(lines.len(), "line", "lines")),
        &[],
    );
    Ok(())
}
