//! An incident goes in as people write it down, a root-cause report comes out that rests on it and on what the organisation remembers: the past
//! incident that looks alike is named, and nothing of another organisation. The report is there for its owner, and for the next incident.

mod report;

use crate::lifecycle::patient;
use harness_core::drive::scenario::{Actor, Broken, Reply, Scenario, Stage};
use mcp_contracts::ErrorCode;
use serde_json::{Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "rca-agent",
    "a root-cause report rests on the incident and on what its organisation remembers",
    patient,
    |stage| Box::pin(play(stage)),
)
.within(90)
.requires(&["no-lost-writes", "tenant-isolation", "degraded-is-declared"]);

const INTENT: &str = "Find out why checkout was slow after the deploy of the ledger-service";

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let (mut ann, mut bob, mut zoe) = (stage.user("ann", "acme"), stage.user("bob", "acme"), stage.user("zoe", "zeta"));
    let alike = past(&mut ann, "checkout slow: the connection pool of ledger-service exhausted by a migration").await?;
    let other = past(&mut ann, "the office printer ran out of paper").await?;
    let foreign = past(&mut zoe, "checkout slow: ledger-service timeouts after a deploy, pool exhausted").await?;

    let done = run(&mut ann).await.gives("an incident becomes a root-cause report", |reply| {
        let complete = reply["status"] == "completed" && reply["reasons"] == json!([]);
        complete && reply["verdict"] == "allow" && reply["artefact"]["kind"] == "root_cause_report"
    });
    let done = done.or_stop()?;
    report::steps(stage, &done);
    report::holds(stage, &done);
    let related = related(&done);
    let seen = format!("{related:?}");
    stage.expect("the past incident that looks alike is named", related.contains(&alike), &seen, &[done.op()]);
    stage.expect("one that does not is not", !related.contains(&other), &seen, &[done.op()]);
    let silent = !done.value().to_string().contains(&foreign);
    stage.expect("and nothing of another organisation is in the reply", silent, &seen, &[done.op()]);

    kept(&mut ann, [("a colleague", &mut bob), ("another organisation", &mut zoe)], &done).await;
    remembered(stage, &mut bob, &mut zoe, &[alike, other], &foreign).await
}

/// Stores an incident of the past for the whole workspace.
async fn past(actor: &mut Actor<'_>, text: &str) -> Result<String, Broken> {
    let content = actor.shared(&format!("Incident: {text}."));
    let note = json!({ "content": content, "type": "incident", "tags": ["rca"], "visibility": "workspace" });
    Ok(actor.call("store_memory", note).await.ok("an incident of the past is remembered").or_stop()?.text("id"))
}

async fn run<'s>(actor: &mut Actor<'s>) -> Reply<'s> {
    let work = json!({ "agent": "rca", "action": "answer", "intent": INTENT, "text": report::INCIDENT, "role": "sre" });
    actor.call("run_workflow", work).await
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Ids of the memories that a report names as related.
fn related(reply: &Reply<'_>) -> Vec<String> {
    let ids = list(&reply["artefact"]["data"], "related").iter().filter_map(|related| related["id"].as_str());
    ids.map(str::to_owned).collect()
}

/// The run can be looked at later, by whoever made it and by nobody else.
async fn kept(ann: &mut Actor<'_>, others: [(&str, &mut Actor<'_>); 2], done: &Reply<'_>) {
    let by_id = json!({ "executionId": done["executionId"] });
    let shown = ann.call("get_execution", by_id.clone()).await;
    let _ = shown.gives("the execution is shown as it was answered", |reply| reply == done.value());
    let mine = json!({ "agent": "rca" });
    let listed = ann.call("list_executions", mine.clone()).await;
    let _ = listed.gives("and is the one in the list", |reply| {
        let all = list(reply, "executions");
        all.len() == 1 && all[0]["executionId"] == done["executionId"] && all[0]["status"] == "completed"
    });
    for (who, actor) in others {
        let shown = actor.call("get_execution", by_id.clone()).await;
        let _ = shown.refuses(&format!("{who} does not see it"), ErrorCode::NotFound);
        let listed = actor.call("list_executions", mine.clone()).await;
        let _ = listed.gives(&format!("{who} has no execution yet"), |reply| list(reply, "executions").is_empty());
    }
}

/// The outcome is one more memory of the workspace, which the next incident of a colleague finds and another organisation does not.
async fn remembered(
    stage: &Stage<'_>,
    bob: &mut Actor<'_>,
    zoe: &mut Actor<'_>,
    known: &[String],
    foreign: &str,
) -> Result<(), Broken> {
    let stats = bob.call("memory_stats", json!({})).await;
    let count = known.len() as u64 + 1;
    let _ = stats.gives("the outcome is one more memory of the workspace", |reply| {
        reply["workspace"] == count && list(reply, "tags").contains(&json!({ "tag": "rca", "count": count }))
    });
    let next = run(bob).await.ok("a colleague has the same incident later").or_stop()?;
    let outcome: Vec<String> = related(&next).into_iter().filter(|id| !known.contains(id)).collect();
    let digest = list(next.value(), "memories").iter().any(|memory| {
        let excerpt = memory["excerpt"].as_str().unwrap_or_default();
        memory["id"].as_str() == outcome.first().map(String::as_str) && excerpt.starts_with("Incident: Find out why")
    });
    let seen = format!("{outcome:?} of {}", next["memories"]);
    stage.expect("and the report of the first one is found", outcome.len() == 1 && digest, seen, &[next.op()]);

    let theirs = run(zoe).await.ok("another organisation has the same incident").or_stop()?;
    let (named, read) = (related(&theirs), list(theirs.value(), "memories"));
    let own = named == [foreign] && read.iter().all(|memory| memory["id"] == foreign) && read.len() == 1;
    stage.expect("and is told of its own past alone", own, format!("{named:?} of {read:?}"), &[theirs.op()]);
    Ok(())
}
