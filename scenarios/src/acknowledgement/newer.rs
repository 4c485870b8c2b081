//! Stateless clients: the reply to the call asks for the acknowledgement, and the client repeats the call with the
//! answer.

use super::{RULE, Route, acknowledgement, request};
use harness_core::drive::scenario::{Actor, Reply, ScenarioRequest, StepFailed};
use mcp_contracts::ErrorCode;

/// Declines, tries answers that must not be accepted, then acknowledges. Returns the reply to the acknowledged call.
pub(super) async fn acknowledge<'s>(
    ann: &mut Actor<'s>,
    others: &mut [(&str, Actor<'_>)],
    route: &Route,
) -> Result<Reply<'s>, StepFailed> {
    let (name, call) = (route.name, |table: &str| ScenarioRequest::tool(route.tool, request(route, table)));
    let question = ann.send(call("customers").supports_elicitation()).await;
    let names_it = |text: &str| text.contains(RULE) && text.contains("(high)");
    let question =
        question.expect_question(&format!("{name}: the call asks for an acknowledgement and names the rule"), names_it);
    let declined = ann.send(call("customers").declining(&question)).await;
    let _ = declined.expect_result(&format!("{name}: a declined request does not continue"), route.stopped);
    let other = ann.send(call("orders").answering(&question, acknowledgement())).await;
    let _ =
        other.expect_error(&format!("{name}: the answer is not valid for another request"), ErrorCode::VerdictInvalid);
    for (who, actor) in others {
        let reply = actor.send(call("customers").answering(&question, acknowledgement())).await;
        let _ = reply.expect_error(&format!("{name}: {who} cannot give the answer"), ErrorCode::VerdictInvalid);
    }
    let accepted = ann.send(call("customers").answering(&question, acknowledgement())).await;
    let accepted =
        accepted.expect_result(&format!("{name}: an acknowledged request continues"), route.proceeds).or_stop()?;
    let again = ann.send(call("customers").answering(&question, acknowledgement())).await;
    let _ = again.expect_error(&format!("{name}: the answer is valid only once"), ErrorCode::VerdictUsed);
    Ok(accepted)
}
