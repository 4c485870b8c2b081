//! Cursors are bound to their user and their query.

use super::{call, note, store};
use harness_core::drive::hardening::{HardeningCheck, Lane, Need, Probe, Stop};
use mcp_contracts::Service;
use serde_json::{Value, json};

pub(crate) const CURSORS: HardeningCheck = HardeningCheck {
    id: "MCP-TEN-04",
    title: "a cursor of another user, of another query or with changed bytes returns no page",
    score: 6.8,
    why: "A cursor that is not verified lets a client continue the list of another tenant, or read past its own filter.",
    sources: &[
        "MCP 2026-07-28, pagination",
        "MCP security best practices, state handles",
        "OWASP API1:2023",
        "CWE-639",
    ],
    needs: &[Need::Token, Need::SecondTenant, Need::Service(Service::Memory)],
    how: "Continues a list with the cursor of another organisation, with that of another filter, with changed and cut ones and with text. Each must be refused, never answered with memories.",
    remedy: "Sign the cursor together with the tenant and the query.",
    fix_in: &["services/memory/src/cursor.rs"],
    follows: &["MCP-AUTH-06"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(cursors(probe)),
};

async fn cursors(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Memory)?;
    let (ann, zoe) = (probe.user("ann", "acme"), probe.user("zoe", "zeta"));
    for user in [&ann, &zoe] {
        for number in 0..3 {
            store(probe, &part, user, &note(&format!("note {number} of {}", user.grant.user))).await?;
        }
    }
    let first = call(probe, &part, &ann, "list_memories", &json!({ "limit": 1 })).await;
    let cursor = first.structured()["nextCursor"].as_str().unwrap_or_default().to_owned();
    let own = json!({ "limit": 1, "cursor": cursor });
    let next = call(probe, &part, &ann, "list_memories", &own).await;
    if cursor.is_empty() || !next.has_result() {
        return Err(Stop::Unclear(format!("the owner cannot continue its list: {}", next.describe())));
    }
    probe.count_control();
    let mut changed = cursor.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8_lossy(&changed).into_owned();
    let other_filter = json!({ "limit": 1, "cursor": cursor, "tags": ["another"] });
    let with = |cursor: &str| json!({ "limit": 1, "cursor": cursor });
    let cases: [(&str, &_, Value); 5] = [
        ("the cursor of another organisation", &zoe, own),
        ("the cursor of another filter", &ann, other_filter),
        ("a changed cursor", &ann, with(&changed)),
        ("a cut cursor", &ann, with(&cursor[..middle])),
        ("a text that is no cursor", &ann, with("' OR 1=1 --")),
    ];
    for (case, user, arguments) in cases {
        let answer = call(probe, &part, user, "list_memories", &arguments).await;
        let rows = answer.structured()["memories"].as_array().map_or(0, Vec::len);
        let signs = [("the reply has a result", answer.has_result()), ("the reply has memories", rows > 0)];
        probe.judge(&part, case, answer.is_refused(), &signs, &[&answer]);
    }
    Ok(())
}
