//! The limits of the arguments of memory: at the limit accepted, above it refused.

use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::Service;
use mcp_contracts::limits::{
    MAX_CONTENT_BYTES, MAX_IMPORT, MAX_KIND_BYTES, MAX_METADATA_BYTES, MAX_PAGE, MAX_QUERY_BYTES, MAX_TAG_BYTES,
    MAX_TAGS,
};
use serde_json::{Value, json};

pub(crate) const FIELDS: HardeningCheck = HardeningCheck {
    id: "MCP-LIM-04",
    title: "every argument of memory is accepted at its limit and refused above it",
    score: 5.3,
    why: "A field without a limit lets a client fill the disk; a page without a limit lets it copy everything at once.",
    sources: &["OWASP API4:2023", "OWASP API3:2023", "CWE-770"],
    needs: &[Need::Token, Need::Service(Service::Memory)],
    how: "Sends content, tags, type, metadata, queries, pages and imports at their limits, which must be accepted, and with one more, which must be refused.",
    remedy: "Check lengths where the arguments are read, in bytes.",
    fix_in: &["services/memory/src/tools/validate.rs", "services/contracts/src/limits.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(fields(probe)),
};

async fn fields(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Memory)?;
    let ann = probe.user("ann", "acme");
    for (what, tool, fitting, above) in cases(&probe.mark("limit")) {
        let request = |arguments: &Value| HttpRequest::tool(tool, arguments).bearer(&ann.token);
        probe.control(&part, &format!("{what} at the limit"), &request(&fitting)).await?;
        let answer = probe.send(&part, &request(&above)).await;
        let content = answer.structured();
        let signs = [
            ("the reply has a result", answer.has_result()),
            ("the reply has structured content", answer.has_result() && content.is_object()),
        ];
        probe.judge(&part, &format!("{what} above the limit"), answer.is_refused(), &signs, &[&answer]);
    }
    Ok(())
}

type Case = (&'static str, &'static str, Value, Value);

/// Returns each limit with arguments that reach it and arguments that exceed it.
fn cases(mark: &str) -> Vec<Case> {
    let text = |length: usize| {
        let mut text = mark.to_owned();
        text.extend(std::iter::repeat_n('a', length.saturating_sub(mark.len())));
        text
    };
    let stored = |field: &str, value: Value| {
        let mut memory = json!({ "content": format!("{mark} {field} {}", value.to_string().len()) });
        memory[field] = value;
        memory
    };
    let tags = |count: usize| Value::from((0..count).map(|number| format!("tag-{number}")).collect::<Vec<_>>());
    // `{"a":""}` has 8 bytes.
    let metadata = |bytes: usize| json!({ "a": "x".repeat(bytes - 8) });
    let import = |count: usize| {
        let memories: Vec<Value> =
            (0..count).map(|number| json!({ "content": format!("{mark} {count} {number}") })).collect();
        json!({ "memories": memories })
    };
    let page = |limit: u32| json!({ "limit": limit });
    let query = |bytes: usize| json!({ "query": "a ".repeat(bytes / 2) + &"a".repeat(bytes % 2) });
    let content = |bytes: usize| json!({ "content": text(bytes) });
    vec![
        ("content", "store_memory", content(MAX_CONTENT_BYTES), content(MAX_CONTENT_BYTES + 1)),
        ("the number of tags", "store_memory", stored("tags", tags(MAX_TAGS)), stored("tags", tags(MAX_TAGS + 1))),
        (
            "a tag",
            "store_memory",
            stored("tags", json!([text(MAX_TAG_BYTES)])),
            stored("tags", json!([text(MAX_TAG_BYTES + 1)])),
        ),
        (
            "the kind",
            "store_memory",
            stored("type", json!(text(MAX_KIND_BYTES))),
            stored("type", json!(text(MAX_KIND_BYTES + 1))),
        ),
        (
            "metadata",
            "store_memory",
            stored("metadata", metadata(MAX_METADATA_BYTES)),
            stored("metadata", metadata(MAX_METADATA_BYTES + 1)),
        ),
        ("a query", "search_memory", query(MAX_QUERY_BYTES), query(MAX_QUERY_BYTES + 1)),
        ("a page of a list", "list_memories", page(MAX_PAGE), page(MAX_PAGE + 1)),
        ("a page of an export", "export_memories", page(MAX_PAGE), page(MAX_PAGE + 1)),
        ("an import", "import_memories", import(MAX_IMPORT), import(MAX_IMPORT + 1)),
    ]
}
