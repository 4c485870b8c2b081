//! The rca agent turns the notes of an incident into a root-cause report. The report names a similar past incident of
//! the same organisation, and nothing of another organisation. Its owner can read it later, and the next incident uses
//! it.

mod report;

use crate::lifecycle::patient;
use harness_core::drive::scenario::{Actor, Reply, Scenario, Stage, StepFailed};
use mcp_contracts::ErrorCode;
use serde_json::{Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "rca-agent",
    "a root-cause report uses the incident and the memories of its organisation only",
    patient,
    |stage| Box::pin(play(stage)),
)
.within(90)
.requires(&["no-lost-writes", "degraded-is-declared"]);

const INTENT: &str = "Find out why checkout was slow after the deploy of the ledger-service";

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let (mut ann, mut bob, mut zoe) = (stage.user("ann", "acme"), stage.user("bob", "acme"), stage.user("zoe", "zeta"));
    let similar =
        past_incident(&mut ann, "checkout slow: the connection pool of ledger-service exhausted by a migration")
            .await?;
    let unrelated = past_incident(&mut ann, "the office printer ran out of paper").await?;
    let foreign =
        past_incident(&mut zoe, "checkout slow: ledger-service timeouts after a deploy, pool exhausted").await?;

    let done = run(&mut ann).await.expect_result("an incident becomes a root-cause report", |reply| {
        let complete = reply["status"] == "completed" && reply["reasons"] == json!([]);
        complete && reply["verdict"] == "allow" && reply["artefact"]["kind"] == "root_cause_report"
    });
    let done = done.or_stop()?;
    report::steps(stage, &done);
    report::content(stage, &done);
    let related = related(&done);
    let details = format!("{related:?}");
    stage.expect("the similar past incident is named", related.contains(&similar), &details, &[done.op()]);
    stage.expect("an unrelated memory is not named", !related.contains(&unrelated), &details, &[done.op()]);
    let silent = !done.value().to_string().contains(&foreign);
    stage.expect("nothing of another organisation is in the reply", silent, &details, &[done.op()]);

    expect_stored(&mut ann, [("a colleague", &mut bob), ("another organisation", &mut zoe)], &done).await;
    expect_remembered(stage, &mut bob, &mut zoe, &[similar, unrelated], &foreign).await
}

/// Stores an incident of the past for the whole workspace.
async fn past_incident(actor: &mut Actor<'_>, text: &str) -> Result<String, StepFailed> {
    let content = actor.shared_content(&format!("Incident: {text}."));
    let note = json!({ "content": content, "type": "incident", "tags": ["rca"], "visibility": "workspace" });
    Ok(actor.call("store_memory", note).await.expect_ok("a past incident is stored").or_stop()?.text("id"))
}

async fn run<'s>(actor: &mut Actor<'s>) -> Reply<'s> {
    let work = json!({ "agent": "rca", "action": "answer", "intent": INTENT, "text": report::INCIDENT, "role": "sre" });
    actor.call("run_workflow", work).await
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Returns the ids of the memories that a report names as related.
fn related(reply: &Reply<'_>) -> Vec<String> {
    let ids = list(&reply["artefact"]["data"], "related").iter().filter_map(|related| related["id"].as_str());
    ids.map(str::to_owned).collect()
}

/// Expects that the execution can be read later, only by its own user.
async fn expect_stored(ann: &mut Actor<'_>, others: [(&str, &mut Actor<'_>); 2], done: &Reply<'_>) {
    let by_id = json!({ "executionId": done["executionId"] });
    let shown = ann.call("get_execution", by_id.clone()).await;
    let _ = shown.expect_result("the stored execution equals the reply", |reply| reply == done.value());
    let mine = json!({ "agent": "rca" });
    let listed = ann.call("list_executions", mine.clone()).await;
    let _ = listed.expect_result("the list has exactly this execution", |reply| {
        let all = list(reply, "executions");
        all.len() == 1 && all[0]["executionId"] == done["executionId"] && all[0]["status"] == "completed"
    });
    for (who, actor) in others {
        let shown = actor.call("get_execution", by_id.clone()).await;
        let _ = shown.expect_error(&format!("{who} cannot read it"), ErrorCode::NotFound);
        let listed = actor.call("list_executions", mine.clone()).await;
        let _ =
            listed.expect_result(&format!("the list of {who} is empty"), |reply| list(reply, "executions").is_empty());
    }
}

/// Expects that the outcome is a memory of the workspace, which the next incident of a colleague uses and another organisation does not.
async fn expect_remembered(
    stage: &Stage<'_>,
    bob: &mut Actor<'_>,
    zoe: &mut Actor<'_>,
    past: &[String],
    foreign: &str,
) -> Result<(), StepFailed> {
    let stats = bob.call("memory_stats", json!({})).await;
    let count = past.len() as u64 + 1;
    let _ = stats.expect_result("the outcome is a memory of the workspace", |reply| {
        reply["workspace"] == count && list(reply, "tags").contains(&json!({ "tag": "rca", "count": count }))
    });
    let next = run(bob).await.expect_ok("a colleague reports the same incident later").or_stop()?;
    let outcome: Vec<String> = related(&next).into_iter().filter(|id| !past.contains(id)).collect();
    let digest = list(next.value(), "memories").iter().any(|memory| {
        let excerpt = memory["excerpt"].as_str().unwrap_or_default();
        memory["id"].as_str() == outcome.first().map(String::as_str) && excerpt.starts_with("Incident: Find out why")
    });
    let details = format!("{outcome:?} of {}", next["memories"]);
    stage.expect("their report uses the outcome of the first one", outcome.len() == 1 && digest, details, &[next.op()]);

    let theirs = run(zoe).await.expect_ok("another organisation reports the same incident").or_stop()?;
    let (named, read) = (related(&theirs), list(theirs.value(), "memories"));
    let own = named == [foreign] && read.iter().all(|memory| memory["id"] == foreign) && read.len() == 1;
    stage.expect("their report uses only their own past", own, format!("{named:?} of {read:?}"), &[theirs.op()]);
    Ok(())
}
