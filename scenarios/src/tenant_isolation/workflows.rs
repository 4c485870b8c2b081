//! Workflows: each draws on the memories of its own user, and is seen by that user and by an admin of the organisation; not by its id, not by its
//! key, and not by going on with it.

use harness_core::drive::scenario::{Actor, Broken, Stage};
use mcp_contracts::{ErrorCode, Scope};
use serde_json::{Value, json};

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let (mut ann, mut zoe) = (stage.user("ann", "acme"), stage.user("zoe", "zeta"));
    let note = json!({ "content": ann.private("Releases of billing wait for the quokka migration") });
    let stored = ann.call("store_memory", note).await.ok("ann remembers something").or_stop()?;
    let order = json!({
        "agent": "general", "action": "answer", "intent": "say what releases of billing wait for", "text": "They waited on Monday.",
        "idempotencyKey": "release-1",
    });
    let knows = |reply: &Value| reply.to_string().contains("quokka");
    let ran = ann.call("run_workflow", order.clone()).await;
    let ran = ran.gives("a workflow of hers draws on it", |reply| {
        let used = reply["memories"].as_array().into_iter().flatten().any(|memory| memory["id"] == stored["id"]);
        reply["status"] == "completed" && used && knows(reply)
    });
    let id = ran.or_stop()?["executionId"].clone();
    let other = zoe.call("run_workflow", order).await;
    let _ = other
        .gives("the same order under the same key is another one elsewhere, and knows nothing of it", |reply| {
            reply["status"] == "completed" && reply["executionId"] != id && !knows(reply)
        });
    seen_by(stage, &mut ann, &mut zoe, &id).await?;

    let later = json!({ "agent": "general", "action": "answer", "intent": "say what zeta waits for", "text": "", "executionId": id });
    let taken = zoe.call("run_workflow", later).await;
    let _ = taken.gives("who goes on with a foreign execution gets nothing of it", |reply| !knows(reply));
    let own = ann.call("get_execution", json!({ "executionId": id })).await;
    let _ = own.gives("and after that it is still what it was", |reply| {
        reply["intent"] == "say what releases of billing wait for" && knows(reply)
    });
    Ok(())
}

async fn seen_by<'s>(stage: &'s Stage<'s>, ann: &mut Actor<'s>, zoe: &mut Actor<'s>, id: &Value) -> Result<(), Broken> {
    let mut bob = stage.user("bob", "acme");
    let mut elsewhere = stage.user("ann", "acme").in_workspace("elsewhere");
    let mut admin = stage.user("ada", "acme").with_scopes(&[Scope::Admin]);
    let mut foreign_admin = stage.user("zac", "zeta").with_scopes(&[Scope::Admin]);
    let by_id = json!({ "executionId": id });
    let listed = |reply: &Value| {
        let all = reply["executions"].as_array().into_iter().flatten();
        all.clone().any(|execution| execution["executionId"] == *id)
    };
    for (who, actor) in [("its user", &mut *ann), ("an admin of its organisation", &mut admin)] {
        let shown = actor.call("get_execution", by_id.clone()).await;
        let _ = shown.gives(&format!("{who} sees the execution"), |reply| reply["executionId"] == *id);
        let _ = actor.call("list_executions", json!({})).await.gives(&format!("{who} finds it in a list"), listed);
    }
    for (who, actor) in [
        ("another organisation", &mut *zoe),
        ("an admin of another organisation", &mut foreign_admin),
        ("a colleague", &mut bob),
        ("its user in another workspace", &mut elsewhere),
    ] {
        let shown = actor.call("get_execution", by_id.clone()).await;
        let _ = shown.refuses(&format!("{who} does not see the execution"), ErrorCode::NotFound);
        let found = actor.call("list_executions", json!({ "limit": 100 })).await;
        let _ = found.gives(&format!("{who} does not find it in a list"), |reply| {
            reply["executions"].is_array() && !listed(reply)
        });
    }
    let second = json!({ "agent": "general", "action": "answer", "intent": "say good morning", "text": "" });
    let _ = ann.call("run_workflow", second).await.or_stop()?;
    let page = ann.call("list_executions", json!({ "limit": 1 })).await;
    let page = page.gives("a list has a next page", |reply| reply["nextCursor"].is_string());
    let next = json!({ "limit": 1, "cursor": page["nextCursor"] });
    let _ = zoe
        .call("list_executions", next.clone())
        .await
        .refuses("its cursor leads nobody else there", ErrorCode::BadCursor);
    let _ = ann.call("list_executions", next).await.gives("but its reader", listed);
    Ok(())
}
