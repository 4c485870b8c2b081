//! Older clients: the reply has a token, which `acknowledge_guardrails` exchanges for another token that is valid once.

use super::{DIRECT, RULE, Route, WORKFLOW, acknowledgement, request};
use harness_core::drive::scenario::{Actor, Reply, ScenarioRequest, StepFailed};
use mcp_contracts::ErrorCode;
use serde_json::json;

/// Gets a token and acknowledges it. Returns the first reply and the reply with the new token.
pub(super) async fn acknowledge<'s>(
    ann: &mut Actor<'s>,
    others: &mut [(&str, Actor<'_>)],
    route: &Route,
) -> Result<(Reply<'s>, Reply<'s>), StepFailed> {
    let name = route.name;
    let stopped = ann.send(ScenarioRequest::tool(route.tool, request(route, "customers")).legacy()).await;
    let stopped = stopped.expect_result(&format!("{name}: an older client gets the rule and a token"), |reply| {
        (route.stopped)(reply) && reply["rules"][0]["id"] == RULE && reply["verdictToken"].is_string()
    });
    let stopped = stopped.or_stop()?;
    let acknowledge = || {
        let arguments = json!({ "verdictToken": stopped["verdictToken"], "reason": acknowledgement()["reason"] });
        ScenarioRequest::tool("acknowledge_guardrails", arguments).legacy()
    };
    for (who, actor) in others {
        let reply = actor.send(acknowledge()).await;
        let _ = reply.expect_error(&format!("{name}: {who} cannot acknowledge the token"), ErrorCode::VerdictInvalid);
    }
    let acknowledged = ann.send(acknowledge()).await;
    let acknowledged = acknowledged
        .expect_result(&format!("{name}: the caller can acknowledge the token"), DIRECT.proceeds)
        .or_stop()?;
    let again = ann.send(acknowledge()).await;
    let _ = again.expect_error(&format!("{name}: the token can be acknowledged only once"), ErrorCode::VerdictUsed);
    Ok((stopped, acknowledged))
}

/// Expects that a stopped workflow continues with its acknowledged token: the same execution, for its own caller, once.
pub(super) async fn resume(
    ann: &mut Actor<'_>,
    others: &mut [(&str, Actor<'_>)],
    stopped: &Reply<'_>,
    acknowledged: &Reply<'_>,
) {
    let run = |table: &str| {
        let mut request = request(&WORKFLOW, table);
        request["verdictToken"] = acknowledged["verdictToken"].clone();
        request["executionId"] = stopped["executionId"].clone();
        ScenarioRequest::tool("run_workflow", request).legacy()
    };
    let other = ann.send(run("orders")).await;
    let _ = other.expect_error("the token of a workflow is not valid for another workflow", ErrorCode::VerdictInvalid);
    for (who, actor) in others {
        let reply = actor.send(run("customers")).await;
        let _ = reply.expect_error(&format!("{who} cannot resume the workflow"), ErrorCode::VerdictInvalid);
    }
    let done = ann.send(run("customers")).await;
    let _ = done.expect_result("the caller resumes the same execution", |reply| {
        (WORKFLOW.proceeds)(reply) && reply["executionId"] == stopped["executionId"]
    });
    let again = ann.send(run("customers")).await;
    let _ = again.expect_error("the workflow cannot be resumed twice", ErrorCode::VerdictUsed);
}
