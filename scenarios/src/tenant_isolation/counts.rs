//! What is counted: what became of patterns in one organisation moves no recommendation of another, and calls of one are not calls of another.

use harness_core::drive::scenario::{Actor, Broken, Stage};
use mcp_contracts::Service;
use mcp_contracts::orchestrator::QUOTA_PATH;
use serde_json::{Value, json};

/// How often a pattern is turned down, and how often a call is made.
const TIMES: u64 = 3;

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let (mut ann, mut zoe) = (stage.user("ann", "acme"), stage.user("zoe", "zeta"));
    history(&mut ann, &mut zoe).await?;
    calls(stage, &mut ann, &mut zoe).await;
    Ok(())
}

async fn history(ann: &mut Actor<'_>, zoe: &mut Actor<'_>) -> Result<(), Broken> {
    let wish = json!({ "intent": "plan a load test of the checkout", "limit": 20 });
    let before = zoe.call("select_pattern", wish.clone()).await.or_stop()?;
    let id = before["patterns"][0]["id"].clone();
    let tell = |number: u64, outcome: &str| json!({ "patternId": id, "outcome": outcome, "executionId": format!("run-{number}") });
    for number in 1..=TIMES {
        let told = ann.call("log_pattern_usage", tell(number, "rejected")).await;
        let _ =
            told.gives("ann turns a pattern down", |reply| reply["uses"] == number && reply["acceptanceRate"] == 0.0);
    }
    let history = |reply: &Value| {
        let all = reply["patterns"].as_array().into_iter().flatten();
        all.clone()
            .find(|pattern| pattern["id"] == id)
            .and_then(|pattern| pattern["scoreParts"]["successHistory"].as_f64())
    };
    let here = ann.call("select_pattern", wish.clone()).await;
    let _ =
        here.gives("which counts against it where she works", |reply| history(reply).is_some_and(|part| part < 0.0));
    let there = zoe.call("select_pattern", wish).await;
    let _ = there.gives("and changes nothing elsewhere", |reply| reply == before.value());
    let first = zoe.call("log_pattern_usage", tell(1, "accepted")).await;
    let _ = first.gives("elsewhere the first use is the first, also under the same execution", |reply| {
        reply["recorded"] == true && reply["uses"] == 1 && reply["acceptanceRate"] == 1.0
    });
    Ok(())
}

/// The quota page: each sees its own organisation, and its own calls alone move it.
async fn calls(stage: &Stage<'_>, ann: &mut Actor<'_>, zoe: &mut Actor<'_>) {
    let before = (page(ann).await, page(zoe).await);
    let mut ops = Vec::new();
    for _ in 0..TIMES {
        ops.push(ann.call("list_executions", json!({})).await.ok("ann calls the orchestrator").op());
    }
    let after = (page(ann).await, page(zoe).await);
    let own = (&after.0["orgId"], &after.1["orgId"]) == (&json!(ann.organisation()), &json!(zoe.organisation()));
    stage.expect("each sees the quota page of its own organisation", own, format!("{after:?}"), &[]);
    let (used, moved) = (used(&before.0).zip(used(&after.0)), format!("{before:?}, then {after:?}"));
    stage.expect(
        "her calls are counted as hers",
        used.is_some_and(|(before, after)| after == before + TIMES),
        &moved,
        &ops,
    );
    let same = after.1["services"].is_array() && counted(&before.1) == counted(&after.1);
    stage.expect("and not as those of another organisation", same, &moved, &ops);
}

async fn page(actor: &mut Actor<'_>) -> Value {
    actor.page(Service::Orchestrator, QUOTA_PATH).await.1
}

/// Calls at the orchestrator.
fn used(page: &Value) -> Option<u64> {
    let services = page["services"].as_array()?.iter();
    services.clone().find(|service| service["service"] == Service::Orchestrator.name())?["used"].as_u64()
}

/// Calls at every service.
fn counted(page: &Value) -> Vec<&Value> {
    page["services"].as_array().into_iter().flatten().map(|service| &service["used"]).collect()
}
