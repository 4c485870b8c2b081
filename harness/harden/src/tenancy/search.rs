//! Lists, searches, exports and counts show nothing of other tenants, whatever the query.

use super::{Call, call, expect_hidden, note, store, strangers};
use harness_core::drive::hardening::{Caller, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::Service;
use serde_json::json;

const NEEDS: &[Need] = &[Need::Token, Need::SecondTenant, Need::Service(Service::Memory)];
const FIX_IN: &[&str] = &["services/memory/src/store/sqlite/search.rs", "services/memory/src/store/sqlite/read.rs"];

pub(crate) const HIDDEN: HardeningCheck = HardeningCheck {
    id: "MCP-TEN-07",
    title: "searches, lists, exports and counts show nothing of other tenants",
    score: 9.1,
    why: "A search that ranks over all rows and filters later shows texts, ids or counts of other customers.",
    sources: super::TENANT_SOURCES,
    needs: NEEDS,
    how: "Stores a private memory with words that no other has, then searches, lists, exports and counts as a colleague, as another organisation and in another workspace. The owner must find it, and no reply to the others may have its text or its id.",
    remedy: "Restrict every query to the tenant inside the store.",
    fix_in: FIX_IN,
    follows: &["MCP-AUTH-06"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(hidden(probe)),
};

pub(crate) const OPERATORS: HardeningCheck = HardeningCheck {
    id: "MCP-TEN-09",
    title: "no operator, quote or wildcard in a query leaves the tenant",
    score: 8.6,
    why: "A query language that reaches the store lets a client add conditions of its own.",
    sources: &["OWASP API8:2023", "OWASP MCP05:2025", "CWE-943", "CWE-89"],
    needs: NEEDS,
    how: "Searches as another organisation with wildcards, operators, field names, quotes, SQL and control characters. The owner must find the memory, and no reply to the other may have its text or its id.",
    remedy: "Take words from the query, never syntax; bind them as parameters.",
    fix_in: FIX_IN,
    follows: &["MCP-TEN-07"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(operators(probe)),
};

async fn hidden(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Memory)?;
    let (ann, word) = (probe.user("ann", "acme"), probe.mark("zebrafish"));
    let text = format!("the {word} deploy waits for the ledger");
    let id = store(probe, &part, &ann, &json!({ "content": text, "tags": [word] })).await?;
    let query = json!({ "query": word });
    let own = call(probe, &part, &ann, "search_memory", &query).await;
    if !own.body_text().contains(&id) {
        return Err(Stop::Unclear(format!("the owner does not find its memory: {}", own.describe())));
    }
    for (who, stranger) in strangers(probe) {
        can_search(probe, &part, who, &stranger).await?;
        for (tool, arguments) in [
            ("search_memory", query.clone()),
            ("search_memory", json!({ "query": format!("{word} ledger"), "explain": true, "tags": [word] })),
            ("list_memories", json!({ "tags": [word] })),
            ("list_memories", json!({ "limit": 100 })),
            ("export_memories", json!({})),
            ("memory_stats", json!({})),
        ] {
            let answer = call(probe, &part, &stranger, tool, &arguments).await;
            expect_hidden(
                probe,
                &part,
                &format!("`{tool}` by {who}, {arguments}").replace(&word, "WORD"),
                Call::Valid,
                &answer,
                (&text, &id),
            );
        }
    }
    Ok(())
}

/// Searches as a user who sees nothing of the memory, as a control request: a search that always fails shows nothing either.
async fn can_search(probe: &Probe<'_>, part: &str, who: &str, user: &Caller) -> Result<(), Stop> {
    let search = HttpRequest::tool("search_memory", &json!({ "query": "ledger" })).bearer(&user.token);
    probe.control(part, &format!("a search by {who}"), &search).await.map(drop)
}

async fn operators(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Memory)?;
    let (ann, zoe) = (probe.user("ann", "acme"), probe.user("zoe", "zeta"));
    let word = probe.mark("zebrafish");
    let text = format!("the {word} deploy waits for the ledger");
    let id = store(probe, &part, &ann, &note(&text)).await?;
    let own = call(probe, &part, &ann, "search_memory", &json!({ "query": word })).await;
    if !own.body_text().contains(&id) {
        return Err(Stop::Unclear(format!("the owner does not find its memory: {}", own.describe())));
    }
    let org = ann.organisation();
    let queries = [
        "*".to_owned(),
        format!("{word}*"),
        format!("\"{word} deploy\""),
        format!("{word} OR ledger"),
        format!("NEAR({word} deploy, 5)"),
        format!("content:{word}"),
        format!("org:{org} {word}"),
        format!("tenant:{org} OR {word}"),
        format!("{word}' OR '1'='1"),
        format!("{word}\") OR 1=1 --"),
        format!("{word}\u{0}"),
        format!("({word}) NOT (nothing)"),
        "%".to_owned(),
    ];
    can_search(probe, &part, "another organisation", &zoe).await?;
    for query in queries {
        let answer = call(probe, &part, &zoe, "search_memory", &json!({ "query": query })).await;
        let case = format!("the query {:?}", query.replace(&word, "WORD").replace(org, "ORGANISATION"));
        expect_hidden(probe, &part, &case, Call::MayBeRefused, &answer, (&text, &id));
    }
    Ok(())
}
