//! Verdicts: what the guardrails allowed one organisation, or what one of its people took on, is good for no other, and is not used up by it.

use harness_core::drive::scenario::{Actor, Broken, Reply, Stage};
use mcp_contracts::ErrorCode;
use serde_json::{Value, json};

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let (mut ann, mut zoe) = (stage.user("ann", "acme"), stage.user("zoe", "zeta"));
    let found = ann.call("select_pattern", json!({ "intent": "review a database migration" })).await.or_stop()?;
    let pattern = found["patterns"][0].clone();

    let harmless =
        json!({ "action": "answer", "intent": "explain why checkout was slow", "text": "p99 rose to 4.1 s" });
    let allowed = ann.call("check_guardrails", harmless.clone()).await.ok("something is allowed").or_stop()?;
    used(&mut ann, &mut zoe, &pattern, &harmless, &allowed, "an allowed verdict").await;

    let risky = json!({ "action": "edit", "intent": "rename a column", "text": "ALTER TABLE users RENAME COLUMN name TO full_name;" });
    let asked = ann.call("check_guardrails", risky.clone()).await;
    let asked =
        asked.gives("something needs an acknowledgement", |reply| reply["verdict"] == "acknowledge").or_stop()?;
    let take_on = json!({ "verdictToken": asked["verdictToken"], "reason": "the old code does not run any more" });
    let foreign = zoe.call("acknowledge_guardrails", take_on.clone()).await;
    let _ = foreign.refuses("another organisation cannot take it on", ErrorCode::VerdictInvalid);
    let taken = ann.call("acknowledge_guardrails", take_on).await.ok("its own can, all the same").or_stop()?;
    let mut order = risky.clone();
    order["agent"] = json!("general");
    (order["verdictToken"], order["executionId"]) = (taken["verdictToken"].clone(), taken["executionId"].clone());
    let ran = zoe.call("run_workflow", order).await;
    let _ = ran.refuses("another organisation runs no workflow with what was taken on", ErrorCode::VerdictInvalid);
    used(&mut ann, &mut zoe, &pattern, &risky, &taken, "an acknowledged verdict").await;
    Ok(())
}

/// First somebody else tries, then its owner uses it.
async fn used(
    ann: &mut Actor<'_>,
    zoe: &mut Actor<'_>,
    pattern: &Value,
    request: &Value,
    verdict: &Reply<'_>,
    what: &str,
) {
    let names = pattern["variables"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let variables: serde_json::Map<String, Value> = names.map(|name| (name.to_owned(), json!("users"))).collect();
    let inject = json!({
        "patternId": pattern["id"], "request": request, "executionId": verdict["executionId"],
        "verdictToken": verdict["verdictToken"], "variables": variables,
    });
    let foreign = zoe.call("inject_pattern", inject.clone()).await;
    let _ = foreign.refuses(&format!("{what} injects nothing for another organisation"), ErrorCode::VerdictInvalid);
    let own = ann.call("inject_pattern", inject).await;
    let _ = own.gives(&format!("{what} still injects for its own"), |reply| reply["patternId"] == pattern["id"]);
}
