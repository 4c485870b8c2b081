//! Handles that a service gives to one user: a confirmation, a verdict, a key of repetitions. They are worth nothing for others.

use super::{call, store, strangers};
use harness_core::drive::hardening::{Caller, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::Service;
use serde_json::json;

const TAG: &str = "handles";

pub(crate) const HANDLES: HardeningCheck = HardeningCheck {
    id: "MCP-TEN-05",
    title: "the confirmation, verdict or idempotency key of another user has no effect",
    score: 7.1,
    why: "Handles travel through agents, logs and prompts; one that is not bound to its user lets a finder delete, acknowledge or read in the name of another.",
    sources: &["MCP security best practices, state handle hijacking", "OWASP API1:2023", "CWE-639", "CWE-384"],
    needs: &[
        Need::Token,
        Need::SecondTenant,
        Need::Service(Service::Memory),
        Need::Service(Service::Guardrails),
        Need::Service(Service::Orchestrator),
    ],
    how: "Deletes by tag with the confirmation token of another user, acknowledges the verdict of another user, and runs a workflow with the idempotency key of another user, as a colleague, as another organisation and in another workspace. Nothing may be deleted or acknowledged, and each workflow must get an execution of its own. The owner's calls must succeed.",
    remedy: "Put organisation, workspace and user into what a handle signs, and into the key of repetitions.",
    fix_in: &["services/memory/src/confirm.rs", "services/guardrails/src/tools/acknowledge_guardrails.rs"],
    follows: &["MCP-AUTH-06", "MCP-TEN-02"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(handles(probe)),
};

async fn handles(probe: &Probe<'_>) -> Result<(), Stop> {
    let ann = probe.user("ann", "acme");
    confirmation(probe, &ann).await?;
    verdict(probe, &ann).await?;
    repetition(probe, &ann).await
}

async fn confirmation(probe: &Probe<'_>, ann: &Caller) -> Result<(), Stop> {
    let part = probe.need(Service::Memory)?;
    // Each text is another one, because an equal text is a duplicate.
    let tagged = |user: &Caller| {
        let grant = &user.grant;
        let owner = format!("{} {} {}", grant.organisation, grant.user, grant.workspace);
        json!({ "content": format!("{} {owner}", probe.mark("tagged")), "tags": [TAG] })
    };
    let id = store(probe, &part, ann, &tagged(ann)).await?;
    let dry_run = call(probe, &part, ann, "delete_by_tag", &json!({ "tags": [TAG], "dryRun": true })).await;
    let token = dry_run.structured()["confirmationToken"].clone();
    let delete = json!({ "tags": [TAG], "confirmationToken": token });
    for (who, stranger) in strangers(probe) {
        let own = store(probe, &part, &stranger, &tagged(&stranger)).await?;
        let answer = call(probe, &part, &stranger, "delete_by_tag", &delete).await;
        let (mut gone, mut kept) = (false, true);
        for (user, id) in [(ann, &id), (&stranger, &own)] {
            let read = call(probe, &part, user, "get_memory", &json!({ "id": id })).await;
            (gone, kept) = (gone || read.is_refused(), kept && read.has_result());
        }
        let signs = [("the reply has a result", answer.has_result()), ("a memory was deleted", gone)];
        probe.judge(&part, &format!("a confirmation used by {who}"), answer.is_refused() && kept, &signs, &[&answer]);
    }
    let own = HttpRequest::tool("delete_by_tag", &delete).bearer(&ann.token);
    probe.control(&part, "the owner confirms", &own).await?;
    Ok(())
}

async fn verdict(probe: &Probe<'_>, ann: &Caller) -> Result<(), Stop> {
    let part = probe.need(Service::Guardrails)?;
    let text = "ALTER TABLE customers RENAME COLUMN name TO full_name;";
    let action = json!({ "action": "database", "intent": "review a migration that renames a column", "text": text });
    let checked = call(probe, &part, ann, "check_guardrails", &action).await;
    let token = checked.structured()["verdictToken"].clone();
    if checked.structured()["verdict"] != "acknowledge" || !token.is_string() {
        return Err(Stop::Unclear("the rules of this stack let no verdict be acknowledged".to_owned()));
    }
    let acknowledge = json!({ "verdictToken": token, "reason": "every reader of the old name has moved" });
    // A verdict is bound to user and organisation; a workspace has no verdicts of its own.
    for (who, stranger) in strangers(probe).into_iter().take(2) {
        let answer = call(probe, &part, &stranger, "acknowledge_guardrails", &acknowledge).await;
        let signs = [
            ("the reply has a result", answer.has_result()),
            ("the reply has a verdict token", answer.structured()["verdictToken"].is_string()),
        ];
        probe.judge(&part, &format!("a verdict acknowledged by {who}"), answer.is_refused(), &signs, &[&answer]);
    }
    let own = HttpRequest::tool("acknowledge_guardrails", &acknowledge).bearer(&ann.token);
    probe.control(&part, "the owner acknowledges", &own).await?;
    Ok(())
}

async fn repetition(probe: &Probe<'_>, ann: &Caller) -> Result<(), Stop> {
    let part = probe.need(Service::Orchestrator)?;
    let text = "10:02 UTC release 4.1 went out";
    let run = json!({ "agent": "general", "action": "answer", "intent": "explain the release", "text": text, "idempotencyKey": "run-1" });
    let first = probe
        .control(&part, "a workflow with a key", &HttpRequest::tool("run_workflow", &run).bearer(&ann.token))
        .await?;
    let id = first.structured()["executionId"].clone();
    for (who, stranger) in strangers(probe) {
        let answer = call(probe, &part, &stranger, "run_workflow", &run).await;
        let own = &answer.structured()["executionId"];
        let listed = call(probe, &part, &stranger, "list_executions", &json!({})).await;
        let count = listed.structured()["executions"].as_array().map_or(0, Vec::len);
        let signs = [
            ("the reply has the execution of the other", *own == id && !id.is_null()),
            ("the caller has no execution of its own", answer.has_result() && count == 0),
        ];
        let holds = answer.has_result() && own.is_string() && *own != id;
        probe.judge(&part, &format!("an idempotency key used by {who}"), holds, &signs, &[&answer, &listed]);
    }
    Ok(())
}
