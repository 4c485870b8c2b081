//! Access by the id of a memory that another user owns.

use super::{call, note, store, strangers, unknown_id};
use harness_core::drive::hardening::{HardeningCheck, Lane, Need, Probe, Stop};
use mcp_contracts::Service;
use serde_json::json;

const NEEDS: &[Need] = &[Need::Token, Need::SecondTenant, Need::Service(Service::Memory)];
const FIX_IN: &[&str] = &["services/memory/src/store/sqlite/read.rs", "services/memory/src/store/sqlite/write.rs"];
const WORDS: &str = "the ledger of billing is slow";

pub(crate) const READ: HardeningCheck = HardeningCheck {
    id: "MCP-TEN-01",
    title: "a foreign id reads nothing and gets the reply of an unknown id",
    score: 9.1,
    why: "Ids are seen in logs, links and shared texts. A user who has one would read the memory of its owner.",
    sources: super::TENANT_SOURCES,
    needs: NEEDS,
    how: "Reads a private memory by its id as a colleague, as another organisation and in another workspace. Each reply must be that to an id that does not exist.",
    remedy: "Restrict the query to the tenant of the token, so that the rows of other tenants are never read.",
    fix_in: FIX_IN,
    follows: &["MCP-AUTH-06"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(read(probe)),
};

pub(crate) const CHANGE: HardeningCheck = HardeningCheck {
    id: "MCP-TEN-02",
    title: "a foreign id changes and deletes nothing",
    score: 9.1,
    why: "A user who has an id would rewrite what another agent remembers and acts upon.",
    sources: super::TENANT_SOURCES,
    needs: NEEDS,
    how: "Updates and deletes a private memory by its id as a colleague, as another organisation and in another workspace. Each must be refused, and the owner must read it unchanged.",
    remedy: "Restrict the statement to the tenant of the token.",
    fix_in: FIX_IN,
    follows: &["MCP-AUTH-06"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(change(probe)),
};

async fn read(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Memory)?;
    let (ann, text) = (probe.user("ann", "acme"), format!("{WORDS} {}", probe.mark("canary")));
    let id = store(probe, &part, &ann, &note(&text)).await?;
    for (who, stranger) in strangers(probe) {
        let foreign = call(probe, &part, &stranger, "get_memory", &json!({ "id": id })).await;
        let unknown = call(probe, &part, &stranger, "get_memory", &json!({ "id": unknown_id(&id) })).await;
        let same_code = foreign.refusal_code() == unknown.refusal_code();
        let same_body = foreign.body_text().replace(&id, "") == unknown.body_text().replace(&unknown_id(&id), "");
        let signs = [
            ("the reply has a result", foreign.has_result()),
            ("the reply has the text of the memory", foreign.body_text().contains(&text)),
            ("an unknown id gets another code", foreign.status.is_some() && !same_code),
            ("an unknown id gets another reply", foreign.status.is_some() && !same_body),
        ];
        let holds = foreign.is_refused() && same_code && same_body;
        probe.judge(&part, &format!("read by {who}"), holds, &signs, &[&foreign, &unknown]);
    }
    Ok(())
}

async fn change(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Memory)?;
    let (ann, text) = (probe.user("ann", "acme"), format!("{WORDS} {}", probe.mark("canary")));
    for (who, stranger) in strangers(probe) {
        for tool in ["update_memory", "delete_memory"] {
            let text = format!("{text} {who} {tool}");
            let id = store(probe, &part, &ann, &note(&text)).await?;
            let mut arguments = json!({ "id": id });
            if tool == "update_memory" {
                arguments["content"] = json!("changed by a stranger");
            }
            let changed = call(probe, &part, &stranger, tool, &arguments).await;
            let read = call(probe, &part, &ann, "get_memory", &json!({ "id": id })).await;
            let unchanged = read.structured()["content"] == json!(text);
            let signs = [
                ("the reply has a result", changed.has_result()),
                ("the owner does not read what it stored", read.status.is_some() && !unchanged),
            ];
            let holds = changed.is_refused() && unchanged;
            probe.judge(&part, &format!("`{tool}` by {who}"), holds, &signs, &[&changed, &read]);
        }
    }
    Ok(())
}
