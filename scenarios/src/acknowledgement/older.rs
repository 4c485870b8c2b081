//! The older era: the reply carries a token, which `acknowledge_guardrails` changes into one that is good once.

use super::{BY_HAND, BY_WORKFLOW, RULE, Way, request, yes};
use harness_core::drive::scenario::{Actor, Ask, Broken, Reply};
use mcp_contracts::ErrorCode;
use serde_json::json;

/// Gets a token and acknowledges it; answers the first reply and what the token was changed into.
pub(super) async fn second_tool<'s>(
    ann: &mut Actor<'s>,
    others: &mut [(&str, Actor<'_>)],
    way: &Way,
) -> Result<(Reply<'s>, Reply<'s>), Broken> {
    let name = way.name;
    let stopped = ann.send(Ask::tool(way.tool, request(way, "customers")).legacy()).await;
    let stopped = stopped.gives(&format!("{name}, an older client gets the rule and a token"), |reply| {
        (way.stopped)(reply) && reply["rules"][0]["id"] == RULE && reply["verdictToken"].is_string()
    });
    let stopped = stopped.or_stop()?;
    let take = || {
        let arguments = json!({ "verdictToken": stopped["verdictToken"], "reason": yes()["reason"] });
        Ask::tool("acknowledge_guardrails", arguments).legacy()
    };
    for (who, actor) in others {
        let foreign = actor.send(take()).await;
        let _ = foreign.refuses(&format!("{name}, {who} cannot acknowledge it"), ErrorCode::VerdictInvalid);
    }
    let taken = ann.send(take()).await;
    let taken = taken.gives(&format!("{name}, whoever asked can acknowledge it"), BY_HAND.goes_on).or_stop()?;
    let again = ann.send(take()).await;
    let _ = again.refuses(&format!("{name}, the token is acknowledged once"), ErrorCode::VerdictUsed);
    Ok((stopped, taken))
}

/// The stopped workflow goes on with its acknowledged token: the same execution, for its own caller, once.
pub(super) async fn resumed(
    ann: &mut Actor<'_>,
    others: &mut [(&str, Actor<'_>)],
    stopped: &Reply<'_>,
    taken: &Reply<'_>,
) {
    let run = |table: &str| {
        let mut request = request(&BY_WORKFLOW, table);
        request["verdictToken"] = taken["verdictToken"].clone();
        request["executionId"] = stopped["executionId"].clone();
        Ask::tool("run_workflow", request).legacy()
    };
    let other = ann.send(run("orders")).await;
    let _ = other.refuses("an acknowledged workflow is not another one", ErrorCode::VerdictInvalid);
    for (who, actor) in others {
        let foreign = actor.send(run("customers")).await;
        let _ = foreign.refuses(&format!("{who} cannot go on with it"), ErrorCode::VerdictInvalid);
    }
    let done = ann.send(run("customers")).await;
    let _ = done.gives("whoever asked goes on with the same execution", |reply| {
        (BY_WORKFLOW.goes_on)(reply) && reply["executionId"] == stopped["executionId"]
    });
    let again = ann.send(run("customers")).await;
    let _ = again.refuses("and not once more", ErrorCode::VerdictUsed);
}
