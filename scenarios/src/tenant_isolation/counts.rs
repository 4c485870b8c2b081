//! Counters: the use of patterns in one organisation does not change the recommendations for another organisation, and
//! calls of one organisation are not counted for another.

use harness_core::drive::scenario::{Actor, Stage, StepFailed};
use mcp_contracts::Service;
use mcp_contracts::orchestrator::QUOTA_PATH;
use serde_json::{Value, json};

/// How often a pattern is rejected, and how often a call is made.
const TIMES: u64 = 3;

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let (mut ann, mut zoe) = (stage.user("ann", "acme"), stage.user("zoe", "zeta"));
    history(&mut ann, &mut zoe).await?;
    calls(stage, &mut ann, &mut zoe).await;
    Ok(())
}

async fn history(ann: &mut Actor<'_>, zoe: &mut Actor<'_>) -> Result<(), StepFailed> {
    let query = json!({ "intent": "plan a load test of the checkout", "limit": 20 });
    let before = zoe.call("select_pattern", query.clone()).await.or_stop()?;
    let id = before["patterns"][0]["id"].clone();
    let usage = |number: u64, outcome: &str| json!({ "patternId": id, "outcome": outcome, "executionId": format!("run-{number}") });
    for number in 1..=TIMES {
        let logged = ann.call("log_pattern_usage", usage(number, "rejected")).await;
        let _ = logged.expect_result("a user rejects a pattern", |reply| {
            reply["uses"] == number && reply["acceptanceRate"] == 0.0
        });
    }
    let history = |reply: &Value| {
        let all = reply["patterns"].as_array().into_iter().flatten();
        all.clone()
            .find(|pattern| pattern["id"] == id)
            .and_then(|pattern| pattern["scoreParts"]["successHistory"].as_f64())
    };
    let here = ann.call("select_pattern", query.clone()).await;
    let _ = here.expect_result("the rejections lower its score in that organisation", |reply| {
        history(reply).is_some_and(|part| part < 0.0)
    });
    let there = zoe.call("select_pattern", query).await;
    let _ =
        there.expect_result("the rejections change nothing for another organisation", |reply| reply == before.value());
    let first = zoe.call("log_pattern_usage", usage(1, "accepted")).await;
    let _ = first.expect_result(
        "the first use in another organisation is counted as its first, even under the same execution id",
        |reply| reply["recorded"] == true && reply["uses"] == 1 && reply["acceptanceRate"] == 1.0,
    );
    Ok(())
}

/// Expects that the quota page shows the organisation of the caller, and only the calls of that organisation.
async fn calls(stage: &Stage<'_>, ann: &mut Actor<'_>, zoe: &mut Actor<'_>) {
    let before = (page(ann).await, page(zoe).await);
    let mut ops = Vec::new();
    for _ in 0..TIMES {
        ops.push(ann.call("list_executions", json!({})).await.expect_ok("a user calls the orchestrator").op());
    }
    let after = (page(ann).await, page(zoe).await);
    let own = (&after.0["orgId"], &after.1["orgId"]) == (&json!(ann.organisation()), &json!(zoe.organisation()));
    stage.expect("each user gets the quota page of its own organisation", own, format!("{after:?}"), &[]);
    let (used, pages) = (used(&before.0).zip(used(&after.0)), format!("{before:?}, then {after:?}"));
    stage.expect(
        "calls are counted for the caller's organisation",
        used.is_some_and(|(before, after)| after == before + TIMES),
        &pages,
        &ops,
    );
    let same = after.1["services"].is_array() && counted(&before.1) == counted(&after.1);
    stage.expect("calls are not counted for another organisation", same, &pages, &ops);
}

async fn page(actor: &mut Actor<'_>) -> Value {
    actor.page(Service::Orchestrator, QUOTA_PATH).await.1
}

/// Returns the number of calls at the orchestrator.
fn used(page: &Value) -> Option<u64> {
    let services = page["services"].as_array()?.iter();
    services.clone().find(|service| service["service"] == Service::Orchestrator.name())?["used"].as_u64()
}

/// Returns the number of calls at every service.
fn counted(page: &Value) -> Vec<&Value> {
    page["services"].as_array().into_iter().flatten().map(|service| &service["used"]).collect()
}
