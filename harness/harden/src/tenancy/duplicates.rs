//! The detection of duplicates reveals nothing of other tenants.

use super::{call, note, store, strangers};
use harness_core::drive::hardening::{HardeningCheck, Lane, Need, Probe, Stop};
use mcp_contracts::Service;
use serde_json::json;

pub(crate) const DUPLICATES: HardeningCheck = HardeningCheck {
    id: "MCP-TEN-08",
    title: "a text or key that another user stored is new for everyone else",
    score: 5.9,
    why: "A reply that says *exists already* across tenants lets a client test which texts others have.",
    sources: &["OWASP API1:2023", "CWE-203"],
    needs: &[Need::Token, Need::SecondTenant, Need::Service(Service::Memory)],
    how: "Stores a text with an idempotency key, then the same text and key as a colleague, as another organisation and in another workspace. Each must be created with an id of its own.",
    remedy: "Make the tenant a part of the hash of contents and of the key of repetitions.",
    fix_in: &["services/memory/src/store/sqlite/write.rs"],
    follows: &["MCP-AUTH-06"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(duplicates(probe)),
};

async fn duplicates(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Memory)?;
    let (ann, text) = (probe.user("ann", "acme"), format!("the same text {}", probe.mark("twice")));
    let keyed = json!({ "content": format!("keyed {text}"), "idempotencyKey": "note-1" });
    for (what, arguments) in [("the same text", note(&text)), ("the same idempotency key", keyed)] {
        let id = store(probe, &part, &ann, &arguments).await?;
        for (who, stranger) in strangers(probe) {
            let answer = call(probe, &part, &stranger, "store_memory", &arguments).await;
            let stored = answer.structured();
            let signs = [
                ("the reply says that it exists already", answer.has_result() && stored["created"] == false),
                ("the reply has the id of the other", stored["id"] == json!(id)),
            ];
            let holds = stored["created"] == true && stored["id"].is_string() && stored["id"] != json!(id);
            probe.judge(&part, &format!("{what} by {who}"), holds, &signs, &[&answer]);
        }
    }
    Ok(())
}
