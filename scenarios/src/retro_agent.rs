//! What one retrospective decides opens the next one of the same team: open items come back, what the notes call done is closed and stays away.
//! Another organisation, and another workspace of the same one, hold theirs without any of it.

use crate::lifecycle::patient;
use harness_core::drive::scenario::{Actor, Broken, Reply, Scenario, Stage};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "retro-agent",
    "what a retrospective decides opens the next one of its team, and of no other",
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
/// What the notes of the next time say of one item; of the other they say nothing.
const NEXT: &str = "Sprint 43. We have 60 minutes.\n\nLimit pull requests to 300 lines: done since last week\n- the build is slow, 48 minutes\n";
const QUIET: &str = "Sprint 44. We have 60 minutes. All quiet.\n";

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let (mut ann, mut bob, mut zoe) = (stage.user("ann", "acme"), stage.user("bob", "acme"), stage.user("zoe", "zeta"));
    let mut elsewhere = stage.user("ann", "acme").in_workspace("elsewhere");

    let first = held(&mut ann, "42", NOTES).await?;
    let decided = texts(&first, "actions", "what");
    let _ = first.gives("the first retrospective decides on two items and finds none", |reply| {
        let full = ["what", "owner", "due", "measure", "theme"];
        let complete = |action: &Value| full.iter().all(|name| action[*name].is_string());
        reply["memories"] == json!([])
            && items(reply, "carried").is_empty()
            && items(reply, "actions").iter().all(complete)
    });
    let both = |what: &str| decided.iter().any(|item| item.contains(what));
    let (done, open) = ("pull requests to 300 lines", "slot for flaky tests");
    stage.expect(
        "they are the ideas of the team",
        both(done) && both(open) && decided.len() == 2,
        format!("{decided:?}"),
        &[],
    );
    let stats = ann.call("memory_stats", json!({})).await;
    let _ =
        stats.gives("each item is remembered, and the plan", |reply| reply["workspace"] == 3 && reply["private"] == 0);

    for (who, actor) in [("another organisation", &mut zoe), ("another workspace", &mut elsewhere)] {
        let theirs = held(actor, "42", NEXT).await?;
        let _ = theirs.gives(&format!("{who} finds nothing of it"), |reply| {
            reply["memories"] == json!([]) && items(reply, "carried").iter().all(|item| item["id"].is_null())
        });
    }
    let second = held(&mut bob, "43", NEXT).await?;
    let carried = texts(&second, "carried", "what");
    let seen = format!("{carried:?}");
    stage.expect("a colleague's next retrospective opens with both items", carried == decided, seen, &[second.op()]);
    let _ = second.gives("one is done by the notes, the other is open and has its owner and its date", |reply| {
        let is = |item: &Value, what: &str, status: &str| {
            item["what"].as_str().is_some_and(|text| text.contains(what))
                && item["status"] == status
                && item["due"].is_string()
        };
        let carried = items(reply, "carried");
        carried.iter().any(|item| is(item, done, "done")) && carried.iter().any(|item| is(item, open, "open"))
    });
    let third = held(&mut ann, "44", QUIET).await?;
    let left = texts(&third, "carried", "what");
    let seen = format!("{left:?}");
    let one = |what: &str| left.iter().any(|item| item.contains(what));
    stage.expect("what was done does not come back", !one(done), &seen, &[third.op()]);
    stage.expect("what was open does", one(open), &seen, &[third.op()]);
    Ok(())
}

/// Holds a retrospective, in which everything takes part.
async fn held<'s>(actor: &mut Actor<'s>, sprint: &str, notes: &str) -> Result<Reply<'s>, Broken> {
    let intent = format!("Prepare the retrospective of sprint {sprint}");
    let work = json!({ "agent": "retro", "action": "answer", "intent": intent, "text": notes });
    let reply = actor.call("run_workflow", work).await;
    let reply = reply.gives("a retrospective is prepared, from notes and memory", |reply| {
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
