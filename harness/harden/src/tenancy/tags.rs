//! The tags that carry the tenant come from the token, and from nothing that a client writes.

use super::{call, store};
use harness_core::drive::hardening::{Answer, HardeningCheck, Lane, Need, Probe, Stop};
use mcp_contracts::Service;
use serde_json::json;

pub(crate) const RESERVED: HardeningCheck = HardeningCheck {
    id: "MCP-TEN-03",
    title: "no client writes the tags that carry the tenant",
    score: 8.6,
    why: "A forged tag would put text into the memory of another organisation, whose agents act upon it.",
    sources: &["OWASP API3:2023", "OWASP MCP06:2025", "CWE-915"],
    needs: &[Need::Token, Need::SecondTenant, Need::Service(Service::Memory)],
    how: "Stores, updates and imports memories with the tags `org:`, `user:` and `workspace:` of another organisation, in other case and with other characters of Unicode. The plain forms must be refused, and none may reach the other organisation.",
    remedy: "Refuse reserved prefixes after folding case and Unicode, in every tool that writes tags.",
    fix_in: &["services/memory/src/tools/validate.rs", "services/memory/src/tools/store_memory.rs"],
    follows: &["MCP-AUTH-06"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(reserved(probe)),
};

async fn reserved(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Memory)?;
    let (ann, zoe) = (probe.user("ann", "acme"), probe.user("zoe", "zeta"));
    let own = store(probe, &part, &zoe, &json!({ "content": "an honest note", "tags": ["honest"] })).await?;
    let org = ann.organisation();
    for tag in [format!("org:{org}"), "user:ann".to_owned(), "workspace:elsewhere".to_owned()] {
        let stored = json!({ "content": format!("forged {tag}"), "tags": [tag] });
        let updated = json!({ "id": own, "tags": [tag] });
        for (tool, arguments) in [("store_memory", &stored), ("update_memory", &updated)] {
            let answer = call(probe, &part, &zoe, tool, arguments).await;
            let id = answer.structured()["id"].clone();
            let read = call(probe, &part, &zoe, "get_memory", &json!({ "id": id })).await;
            let signs =
                [("the reply has a result", answer.has_result()), ("the memory can be read", read.has_result())];
            let case = format!("`{tool}` with the tag `{}`", shown(&tag, org));
            probe.judge(&part, &case, answer.is_refused(), &signs, &[&answer, &read]);
        }
    }
    for (number, tag) in disguised(org).into_iter().enumerate() {
        // A text of its own for each: memory stores the same text of a user once, with its first tags.
        let content = format!("disguised {} {number}", probe.mark("canary"));
        let answer = call(probe, &part, &zoe, "store_memory", &json!({ "content": content, "tags": [tag] })).await;
        let listed = call(probe, &part, &ann, "list_memories", &json!({})).await;
        let searched = call(probe, &part, &ann, "search_memory", &json!({ "query": content })).await;
        let has = |answer: &Answer| answer.body_text().contains(&content);
        let signs =
            [("the other organisation lists it", has(&listed)), ("the other organisation finds it", has(&searched))];
        let decided = answer.has_result() || answer.is_refused();
        let holds = decided && listed.has_result() && searched.has_result() && !has(&listed) && !has(&searched);
        probe.judge(
            &part,
            &format!("a disguised tag `{}`", shown(&tag, org)),
            holds,
            &signs,
            &[&answer, &listed, &searched],
        );
    }
    Ok(())
}

/// Returns forms of the tag of an organisation that look like it or fold to it.
fn disguised(org: &str) -> Vec<String> {
    vec![
        format!("ORG:{org}"),
        format!(" org:{org}"),
        format!("org :{org}"),
        format!("\u{ff4f}\u{ff52}\u{ff47}:{org}"),
        format!("org\u{ff1a}{org}"),
        format!("o\u{200b}rg:{org}"),
        format!("\u{43e}rg:{org}"),
    ]
}

/// Renders a tag in ASCII, without the name of the organisation, which differs in each run.
fn shown(tag: &str, org: &str) -> String {
    let letter =
        |letter: char| if letter.is_ascii() { letter.to_string() } else { letter.escape_unicode().to_string() };
    tag.replace(org, "<organisation>").chars().map(letter).collect()
}
