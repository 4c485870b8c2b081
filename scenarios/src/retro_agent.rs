//! The action items of a retrospective appear in the next retrospective of the same team. Open items return, and items
//! that the notes call done are closed. No item appears in another organisation, or in another workspace of the same
//! organisation.

use crate::lifecycle::patient;
use harness_core::drive::scenario::{Actor, Reply, Scenario, Stage, StepFailed};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "retro-agent",
    "the action items of a retrospective appear in the next one of the same team only",
    patient,
    |stage| Box::pin(play(stage)),
)
.within(90)
.requires(&["degraded-is-declared"]);

const NOTES: &str = "Sprint 42, two-week sprint, team of 7. We have 60 minutes.\n\n\
    ## What didn't go well\n\
    - Code reviews waited 3 days on average\n\
    - Flaky e2e tests blocked the main branch four times\n\n\
    ## Ideas\n\
    - Limit pull requests to 300 lines\n\
    - A weekly slot for flaky tests\n";
/// The notes of the next retrospective: one item is done, the other is not mentioned.
const NEXT: &str = "Sprint 43. We have 60 minutes.\n\nLimit pull requests to 300 lines: done since last week\n- the build is slow, 48 minutes\n";
const QUIET: &str = "Sprint 44. We have 60 minutes. All quiet.\n";

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let (mut ann, mut bob, mut zoe) = (stage.user("ann", "acme"), stage.user("bob", "acme"), stage.user("zoe", "zeta"));
    let mut elsewhere = stage.user("ann", "acme").in_workspace("elsewhere");

    let first = hold_retrospective(&mut ann, "42", NOTES).await?;
    let decided = texts(&first, "actions", "what");
    let _ = first.expect_result("the first retrospective has action items and carries none over", |reply| {
        let full = ["what", "owner", "due", "measure", "theme"];
        let complete = |action: &Value| full.iter().all(|name| action[*name].is_string());
        reply["memories"] == json!([])
            && items(reply, "carried").is_empty()
            && items(reply, "actions").iter().all(complete)
    });
    let decides = |what: &str| decided.iter().any(|item| item.contains(what));
    let (done, open) = ("pull requests to 300 lines", "slot for flaky tests");
    stage.expect(
        "the two action items are the ideas of the team",
        decides(done) && decides(open) && decided.len() == 2,
        format!("{decided:?}"),
        &[],
    );
    let stats = ann.call("memory_stats", json!({})).await;
    let _ = stats
        .expect_result("both items and the plan are stored", |reply| reply["workspace"] == 3 && reply["private"] == 0);

    for (who, actor) in [("another organisation", &mut zoe), ("another workspace", &mut elsewhere)] {
        let theirs = hold_retrospective(actor, "42", NEXT).await?;
        let _ = theirs.expect_result(&format!("{who} sees none of it"), |reply| {
            reply["memories"] == json!([]) && items(reply, "carried").iter().all(|item| item["id"].is_null())
        });
    }
    let second = hold_retrospective(&mut bob, "43", NEXT).await?;
    let carried = texts(&second, "carried", "what");
    let details = format!("{carried:?}");
    stage.expect(
        "a colleague's next retrospective carries both items over",
        carried == decided,
        details,
        &[second.op()],
    );
    let _ = second.expect_result("one item is done, the other is open with its date", |reply| {
        let is = |item: &Value, what: &str, status: &str| {
            item["what"].as_str().is_some_and(|text| text.contains(what))
                && item["status"] == status
                && item["due"].is_string()
        };
        let carried = items(reply, "carried");
        carried.iter().any(|item| is(item, done, "done")) && carried.iter().any(|item| is(item, open, "open"))
    });
    let third = hold_retrospective(&mut ann, "44", QUIET).await?;
    let remaining = texts(&third, "carried", "what");
    let details = format!("{remaining:?}");
    let has = |what: &str| remaining.iter().any(|item| item.contains(what));
    stage.expect("the item that is done does not return", !has(done), &details, &[third.op()]);
    stage.expect("the open item returns", has(open), &details, &[third.op()]);
    Ok(())
}

/// Runs a workflow that prepares a retrospective, and expects that it uses no fallback.
async fn hold_retrospective<'s>(actor: &mut Actor<'s>, sprint: &str, notes: &str) -> Result<Reply<'s>, StepFailed> {
    let intent = format!("Prepare the retrospective of sprint {sprint}");
    let work = json!({ "agent": "retro", "action": "answer", "intent": intent, "text": notes });
    let reply = actor.call("run_workflow", work).await;
    let reply = reply.expect_result("a retrospective is prepared from notes and memory", |reply| {
        reply["status"] == "completed" && reply["artefact"]["kind"] == "retrospective_plan"
    });
    reply.or_stop()
}

fn items<'v>(reply: &'v Value, name: &str) -> &'v [Value] {
    reply["artefact"]["data"][name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn texts(reply: &Reply<'_>, list: &str, name: &str) -> BTreeSet<String> {
    items(reply.value(), list).iter().filter_map(|item| item[name].as_str()).map(str::to_owned).collect()
}
