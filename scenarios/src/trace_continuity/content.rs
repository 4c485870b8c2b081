//! What a log line never holds: a token, or a word of what somebody remembered, asked or told, also where a call is blocked or refused.

use super::{WRITTEN, marks, since};
use harness_core::drive::scenario::{Actor, Ask, Broken, Stage};
use mcp_contracts::{ErrorCode, Service};
use serde_json::{Value, json};

/// Words of what is remembered, asked and told, and the beginning of every token.
const NEVER_LOGGED: [&str; 4] = ["quokka", "wombat", "numbat", "eyJ"];

/// What does not go on is logged as well: a bad token, a blocked statement, a forged verdict, a reserved tag.
pub(super) async fn refusals(stage: &Stage<'_>, ann: &mut Actor<'_>) -> Result<(), Broken> {
    let (marks, execution) = (marks(stage).await?, "refused-1");
    let statement = json!({ "action": "database", "intent": "drop the wombat", "text": "DROP TABLE numbat;" });
    let mut forged = json!({ "patternId": "quokka", "request": statement, "executionId": execution });
    forged["verdictToken"] = json!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJudW1iYXQifQ.c2ln");
    let tagged = json!({ "content": "the quokka waits", "tags": ["org:wombat"] });
    let blocked = ann.send(Ask::tool("check_guardrails", statement).execution(execution)).await;
    let _ = blocked.gives("a statement is blocked", |reply| reply["verdict"] == "block");
    let refused = ann.send(Ask::tool("inject_pattern", forged).execution(execution)).await;
    let _ = refused.refuses("a forged verdict is refused", ErrorCode::VerdictInvalid);
    let refused = ann.send(Ask::tool("store_memory", tagged).execution(execution)).await;
    let _ = refused.refuses("a reserved tag is refused", ErrorCode::ReservedTag);
    let mut nobody = stage.user("ann", "acme").with_token(Some("eyJhbGciOiJub25lIn0.eyJzdWIiOiJudW1iYXQifQ."));
    let _ = nobody.call("memory_stats", json!({})).await.has_status("a token without a signature is refused", 401);
    let logged = async || {
        let lines = since(stage, &marks).await.ok()?;
        let ended = |tool: &str, outcome: &str| {
            let is_it = |line: &Value| line["executionId"] == execution && line["tool"] == tool;
            lines.iter().any(|(_, line)| is_it(line) && line["outcome"] == outcome)
        };
        let calls = ended("check_guardrails", "ok")
            && ended("inject_pattern", ErrorCode::VerdictInvalid.name())
            && ended("store_memory", ErrorCode::ReservedTag.name());
        let refused = lines.iter().any(|(of, line)| *of == Service::Memory && line["reason"].is_string());
        (refused && calls).then_some(())
    };
    stage.until("each of them is in a log, with how it ended", WRITTEN, logged).await;
    Ok(())
}

pub(super) async fn nothing_said(stage: &Stage<'_>, start: &[usize]) -> Result<(), Broken> {
    let lines = since(stage, start).await?;
    let telling = |(_, line): &&(Service, Value)| NEVER_LOGGED.iter().any(|word| line.to_string().contains(word));
    let told: Vec<_> = lines.iter().filter(telling).collect();
    let expected = "no line of any service holds a token, or a word of what was remembered, asked or told";
    stage.expect(
        expected,
        !lines.is_empty() && told.is_empty(),
        format!("{} lines, of which do: {told:?}", lines.len()),
        &[],
    );
    Ok(())
}
