//! Verdicts: a verdict or an acknowledgement of one organisation is not valid for another organisation, and an attempt
//! by the other organisation does not use it up.

use harness_core::drive::scenario::{Actor, Reply, Stage, StepFailed};
use mcp_contracts::ErrorCode;
use serde_json::{Value, json};

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let (mut ann, mut zoe) = (stage.user("ann", "acme"), stage.user("zoe", "zeta"));
    let selected = ann.call("select_pattern", json!({ "intent": "review a database migration" })).await.or_stop()?;
    let pattern = selected["patterns"][0].clone();

    let harmless =
        json!({ "action": "answer", "intent": "explain why checkout was slow", "text": "p99 rose to 4.1 s" });
    let allowed =
        ann.call("check_guardrails", harmless.clone()).await.expect_ok("a harmless request is allowed").or_stop()?;
    expect_only_owner_uses(&mut ann, &mut zoe, &pattern, &harmless, &allowed, "an allowed verdict").await;

    let risky = json!({ "action": "edit", "intent": "rename a column", "text": "ALTER TABLE users RENAME COLUMN name TO full_name;" });
    let checked = ann.call("check_guardrails", risky.clone()).await;
    let checked = checked
        .expect_result("a risky request requires an acknowledgement", |reply| reply["verdict"] == "acknowledge")
        .or_stop()?;
    let acknowledgement =
        json!({ "verdictToken": checked["verdictToken"], "reason": "the old code does not run any more" });
    let foreign = zoe.call("acknowledge_guardrails", acknowledgement.clone()).await;
    let _ = foreign.expect_error("another organisation cannot acknowledge the request", ErrorCode::VerdictInvalid);
    let acknowledged = ann
        .call("acknowledge_guardrails", acknowledgement)
        .await
        .expect_ok("the organisation of the verdict can still acknowledge the request")
        .or_stop()?;
    let mut workflow = risky.clone();
    workflow["agent"] = json!("general");
    (workflow["verdictToken"], workflow["executionId"]) =
        (acknowledged["verdictToken"].clone(), acknowledged["executionId"].clone());
    let ran = zoe.call("run_workflow", workflow).await;
    let _ = ran
        .expect_error("another organisation cannot run a workflow with the acknowledgement", ErrorCode::VerdictInvalid);
    expect_only_owner_uses(&mut ann, &mut zoe, &pattern, &risky, &acknowledged, "an acknowledged verdict").await;
    Ok(())
}

/// Expects that another organisation cannot use a verdict, and that its own organisation still can.
async fn expect_only_owner_uses(
    ann: &mut Actor<'_>,
    zoe: &mut Actor<'_>,
    pattern: &Value,
    request: &Value,
    verdict: &Reply<'_>,
    what: &str,
) {
    let names = pattern["variables"].as_array().into_iter().flatten().filter_map(Value::as_str);
    // Only what was judged is injected.
    let variables: serde_json::Map<String, Value> =
        names.map(|name| (name.to_owned(), request["text"].clone())).collect();
    let inject = json!({
        "patternId": pattern["id"], "request": request, "executionId": verdict["executionId"],
        "verdictToken": verdict["verdictToken"], "variables": variables,
    });
    let foreign = zoe.call("inject_pattern", inject.clone()).await;
    let _ =
        foreign.expect_error(&format!("{what} injects nothing for another organisation"), ErrorCode::VerdictInvalid);
    let own = ann.call("inject_pattern", inject).await;
    let _ = own.expect_result(&format!("{what} still injects for its own organisation"), |reply| {
        reply["patternId"] == pattern["id"]
    });
}
