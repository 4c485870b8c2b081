//! Workflows: a workflow uses only the memories of its own user. Only that user and an admin of the organisation can
//! read the execution. No one else can reach it by its id, by its idempotency key, or by continuing it.

use harness_core::drive::scenario::{Actor, Stage, StepFailed};
use mcp_contracts::{ErrorCode, Scope};
use serde_json::{Value, json};

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let (mut ann, mut zoe) = (stage.user("ann", "acme"), stage.user("zoe", "zeta"));
    let note = json!({ "content": ann.private_content("Releases of billing wait for the quokka migration") });
    let stored = ann.call("store_memory", note).await.expect_ok("a user stores a memory").or_stop()?;
    let workflow = json!({
        "agent": "general", "action": "answer", "intent": "say what releases of billing wait for", "text": "They waited on Monday.",
        "idempotencyKey": "release-1",
    });
    // A rare word, so that a reply contains it only if the workflow used the memory.
    let uses_it = |reply: &Value| reply.to_string().contains("quokka");
    let ran = ann.call("run_workflow", workflow.clone()).await;
    let ran = ran.expect_result("a workflow of that user uses it", |reply| {
        let used = reply["memories"].as_array().into_iter().flatten().any(|memory| memory["id"] == stored["id"]);
        reply["status"] == "completed" && used && uses_it(reply)
    });
    let id = ran.or_stop()?["executionId"].clone();
    let other = zoe.call("run_workflow", workflow).await;
    let _ = other.expect_result(
        "the same workflow with the same key in another organisation is a new one without that memory",
        |reply| reply["status"] == "completed" && reply["executionId"] != id && !uses_it(reply),
    );
    expect_visibility(stage, &mut ann, &mut zoe, &id).await?;

    let later = json!({ "agent": "general", "action": "answer", "intent": "say what zeta waits for", "text": "", "executionId": id });
    let continued = zoe.call("run_workflow", later).await;
    let _ = continued
        .expect_result("continuing the execution of another organisation reveals nothing of it", |reply| {
            !uses_it(reply)
        });
    let own = ann.call("get_execution", json!({ "executionId": id })).await;
    let _ = own.expect_result("the execution is unchanged afterwards", |reply| {
        reply["intent"] == "say what releases of billing wait for" && uses_it(reply)
    });
    Ok(())
}

async fn expect_visibility<'s>(
    stage: &'s Stage<'s>,
    ann: &mut Actor<'s>,
    zoe: &mut Actor<'s>,
    id: &Value,
) -> Result<(), StepFailed> {
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
        let _ = shown.expect_result(&format!("{who} can read the execution"), |reply| reply["executionId"] == *id);
        let _ =
            actor.call("list_executions", json!({})).await.expect_result(&format!("the list of {who} has it"), listed);
    }
    for (who, actor) in [
        ("another organisation", &mut *zoe),
        ("an admin of another organisation", &mut foreign_admin),
        ("a colleague", &mut bob),
        ("its user in another workspace", &mut elsewhere),
    ] {
        let shown = actor.call("get_execution", by_id.clone()).await;
        let _ = shown.expect_error(&format!("{who} cannot read the execution"), ErrorCode::NotFound);
        let list = actor.call("list_executions", json!({ "limit": 100 })).await;
        let _ = list.expect_result(&format!("the list of {who} does not have it"), |reply| {
            reply["executions"].is_array() && !listed(reply)
        });
    }
    let second = json!({ "agent": "general", "action": "answer", "intent": "say good morning", "text": "" });
    let _ = ann.call("run_workflow", second).await.or_stop()?;
    let page = ann.call("list_executions", json!({ "limit": 1 })).await;
    let page = page.expect_result("the list has a next page", |reply| reply["nextCursor"].is_string());
    let next = json!({ "limit": 1, "cursor": page["nextCursor"] });
    let _ = zoe
        .call("list_executions", next.clone())
        .await
        .expect_error("the cursor is rejected for another user", ErrorCode::BadCursor);
    let _ = ann.call("list_executions", next).await.expect_result("the cursor works for its own user", listed);
    Ok(())
}
