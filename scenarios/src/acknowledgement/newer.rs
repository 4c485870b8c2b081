//! The newer era: the call itself asks, and is repeated with the answer.

use super::{RULE, Way, request, yes};
use harness_core::drive::scenario::{Actor, Ask, Broken, Reply};
use mcp_contracts::ErrorCode;

/// Is asked, declines, tries what must not pass, and accepts; answers what that led to.
pub(super) async fn asked<'s>(
    ann: &mut Actor<'s>,
    others: &mut [(&str, Actor<'_>)],
    way: &Way,
) -> Result<Reply<'s>, Broken> {
    let (name, call) = (way.name, |table: &str| Ask::tool(way.tool, request(way, table)));
    let question = ann.send(call("customers").can_ask()).await;
    let names_it = |text: &str| text.contains(RULE) && text.contains("(high)");
    let question = question.asks(&format!("{name}, the call itself asks and names the rule"), names_it);
    let declined = ann.send(call("customers").declining(&question)).await;
    let _ = declined.gives(&format!("{name}, what is declined does not go on"), way.stopped);
    let other = ann.send(call("orders").answering(&question, yes())).await;
    let _ = other.refuses(&format!("{name}, the answer is not good for another request"), ErrorCode::VerdictInvalid);
    for (who, actor) in others {
        let foreign = actor.send(call("customers").answering(&question, yes())).await;
        let _ = foreign.refuses(&format!("{name}, {who} cannot give the answer"), ErrorCode::VerdictInvalid);
    }
    let accepted = ann.send(call("customers").answering(&question, yes())).await;
    let accepted = accepted.gives(&format!("{name}, what is accepted goes on"), way.goes_on).or_stop()?;
    let again = ann.send(call("customers").answering(&question, yes())).await;
    let _ = again.refuses(&format!("{name}, the same answer is good once"), ErrorCode::VerdictUsed);
    Ok(accepted)
}
