//! What only the scope `admin` allows: no name of a role gives it.

use harness_core::drive::hardening::{Answer, Caller, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::{Role, Scope, Service};
use serde_json::{Value, json};

/// Names of roles that a careless service would trust.
const ROLES: [&str; 6] = ["member", "admin", "Administrator", "owner", "root", "system"];

pub(crate) const ADMIN: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-15",
    title: "what only an administrator may do is refused to every role without the scope `admin`",
    score: 8.1,
    why: "A role is a text about the user; a service that takes it as a permission makes everyone with a well-chosen title an administrator.",
    sources: &["OWASP API5:2023", "OWASP MCP02:2025", "CWE-285", "CWE-863"],
    needs: &[Need::Key, Need::Service(Service::Memory), Need::Service(Service::Orchestrator)],
    how: "A user shares a memory and runs a workflow. Colleagues with six roles, with every scope except `admin`, read the execution, list it, change the memory and delete it: each must be refused. With the scope `admin` the same calls must succeed.",
    remedy: "Decide by scopes, never by the name of a role.",
    fix_in: &["services/memory/src/tenant.rs", "services/orchestrator/src/tools.rs"],
    follows: &["MCP-AUTH-06", "MCP-TEN-02"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(admin(probe)),
};

/// What a user owns.
struct Owned {
    memory: String,
    orchestrator: String,
    note: Value,
    execution: Value,
}

async fn admin(probe: &Probe<'_>) -> Result<(), Stop> {
    let ann = probe.user("ann", "acme");
    let owned = owned(probe, &ann).await?;
    for role in ROLES {
        let bob = probe.user_with("bob", "acme", |grant| grant.role = Role(role.to_owned()));
        for (what, part, request) in functions(&owned) {
            let answer = probe.send(&part, &request.bearer(&bob.token)).await;
            judge(probe, &owned, &ann, (&part, &format!("`{what}` as `{role}`")), &answer).await;
        }
        let list = HttpRequest::tool("list_executions", &json!({ "limit": 100 })).bearer(&bob.token);
        let listed = probe.send(&owned.orchestrator, &list).await;
        let execution = owned.execution.as_str().unwrap_or_default();
        let entries = listed.structured()["executions"].as_array().map_or(0, Vec::len);
        let shown = listed.body_text().contains(execution);
        let signs =
            [("the list has the execution of a colleague", shown), ("a list of a new user has entries", entries > 0)];
        probe.judge(
            &owned.orchestrator,
            &format!("`list_executions` as `{role}`"),
            listed.has_result() && !shown,
            &signs,
            &[&listed],
        );
    }
    // After the others, because an administrator really deletes the memory.
    let root = probe.user_with_scopes("root", "acme", &[Scope::Admin]);
    for (what, part, request) in functions(&owned) {
        probe.control(&part, &format!("`{what}` with the scope `admin`"), &request.bearer(&root.token)).await?;
    }
    Ok(())
}

async fn owned(probe: &Probe<'_>, ann: &Caller) -> Result<Owned, Stop> {
    let (memory, orchestrator) = (probe.need(Service::Memory)?, probe.need(Service::Orchestrator)?);
    let note = json!({ "content": probe.mark("shared"), "visibility": "workspace" });
    let store = HttpRequest::tool("store_memory", &note).bearer(&ann.token);
    let note = probe.control(&memory, "a shared memory is stored", &store).await?.structured()["id"].clone();
    let text = "10:02 UTC release 4.1 went out";
    let run = json!({ "agent": "general", "action": "answer", "intent": "explain the release", "text": text });
    let run = HttpRequest::tool("run_workflow", &run).bearer(&ann.token);
    let execution = probe.control(&orchestrator, "a workflow runs", &run).await?.structured()["executionId"].clone();
    if !note.is_string() || !execution.is_string() {
        return Err(Stop::Unclear("a reply has no id".to_owned()));
    }
    Ok(Owned { memory, orchestrator, note, execution })
}

/// Returns what only an administrator may do with what another user owns.
fn functions(owned: &Owned) -> Vec<(&'static str, String, HttpRequest)> {
    let (memory, note) = (&owned.memory, &owned.note);
    let get = json!({ "executionId": owned.execution });
    let update = json!({ "id": note, "content": "changed by another user" });
    vec![
        ("get_execution", owned.orchestrator.clone(), HttpRequest::tool("get_execution", &get)),
        ("update_memory", memory.clone(), HttpRequest::tool("update_memory", &update)),
        ("delete_memory", memory.clone(), HttpRequest::tool("delete_memory", &json!({ "id": note }))),
    ]
}

/// Judges a call that must be refused. The second sign is its effect.
async fn judge(probe: &Probe<'_>, owned: &Owned, ann: &Caller, (part, case): (&str, &str), answer: &Answer) {
    let refused = answer.is_refused() && !answer.has_result();
    let effect = if part == owned.orchestrator {
        answer.structured()["executionId"] == owned.execution
    } else if refused {
        false
    } else {
        let get = HttpRequest::tool("get_memory", &json!({ "id": owned.note })).bearer(&ann.token);
        let read = probe.send(part, &get).await;
        !read.body_text().contains(&probe.mark("shared"))
    };
    let signs = [("the reply has a result", answer.has_result()), ("the call had its effect", effect)];
    probe.judge(part, case, refused, &signs, &[answer]);
}
