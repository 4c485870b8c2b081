//! What was deleted is gone, on every way to it.

use super::{Call, call, expect_hidden, store};
use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::Service;
use serde_json::json;

pub(crate) const DELETED: HardeningCheck = HardeningCheck {
    id: "MCP-TEN-11",
    title: "a deleted memory is unreachable by every tool, also through a cursor from before",
    score: 6.5,
    why: "A user who deletes a secret from its memory relies on it, and data protection law may require it.",
    sources: &["OWASP API3:2023", "CWE-212", "CWE-825"],
    needs: &[Need::Token, Need::Service(Service::Memory)],
    how: "Stores three memories, opens a list, deletes one, then reads, searches, lists, exports and continues the list. The owner must have found it before, and no reply may have its text after.",
    remedy: "Delete the row and its index entries in one transaction; keep no copy in a cache or a cursor.",
    fix_in: &["services/memory/src/store/sqlite/write.rs"],
    follows: &["MCP-AUTH-06"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(deleted(probe)),
};

async fn deleted(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Memory)?;
    let (ann, word) = (probe.user("ann", "acme"), probe.mark("walrus"));
    let text = format!("the secret of the {word}");
    let id = store(probe, &part, &ann, &json!({ "content": text, "tags": [word] })).await?;
    for number in 0..2 {
        store(probe, &part, &ann, &json!({ "content": format!("note {number}"), "tags": [word] })).await?;
    }
    let found = call(probe, &part, &ann, "search_memory", &json!({ "query": word })).await;
    if !found.body_text().contains(&text) {
        return Err(Stop::Unclear(format!("the memory was not found before: {}", found.describe())));
    }
    // The newest come first, so that the deleted one would be on a later page.
    let first = call(probe, &part, &ann, "list_memories", &json!({ "limit": 1 })).await;
    let cursor = first.structured()["nextCursor"].clone();
    if !cursor.is_string() {
        return Err(Stop::Unclear(format!("the list has no second page: {}", first.describe())));
    }
    let delete = HttpRequest::tool("delete_memory", &json!({ "id": id })).bearer(&ann.token);
    probe.control(&part, "the owner deletes it", &delete).await?;
    // The id alone proves nothing, because a refusal may repeat it; so the text is the first sign and the tags of the row the second.
    for (tool, arguments) in [
        ("get_memory", json!({ "id": id })),
        ("search_memory", json!({ "query": word })),
        ("list_memories", json!({ "limit": 100 })),
        ("list_memories", json!({ "limit": 100, "cursor": cursor })),
        ("export_memories", json!({})),
    ] {
        let answer = call(probe, &part, &ann, tool, &arguments).await;
        let case = if arguments["cursor"].is_null() {
            format!("`{tool}`")
        } else {
            format!("`{tool}` with a cursor from before")
        };
        match tool {
            "get_memory" => {
                let signs = [
                    ("the reply has a result", answer.has_result()),
                    ("the reply has the text", answer.body_text().contains(&text)),
                ];
                probe.judge(&part, &case, answer.is_refused(), &signs, &[&answer]);
            }
            _ => {
                // The cursor may end with the memory that it named.
                let call = if arguments["cursor"].is_null() { Call::Valid } else { Call::MayBeRefused };
                expect_hidden(probe, &part, &case, call, &answer, (&text, &id));
            }
        }
    }
    Ok(())
}
