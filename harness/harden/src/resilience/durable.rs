//! Acknowledged writes survive the end of a process.

use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::Service;
use serde_json::json;

/// Number of memories that are stored before the kill.
const WRITES: usize = 10;

pub(crate) const DURABLE: HardeningCheck = HardeningCheck {
    id: "MCP-RES-03",
    title: "no acknowledged write is lost when a service is killed",
    score: 6.5,
    why: "A client that got an answer relies on it; an agent that has lost a decision may decide differently the next time.",
    sources: &["OWASP MCP08:2025", "CWE-662", "CWE-459"],
    needs: &[Need::Token, Need::Control, Need::Service(Service::Memory)],
    how: "Stores ten memories, kills memory with SIGKILL after the last answer, starts it again and reads each memory with its content by its id and in the list.",
    remedy: "Sync a write to the disk before it is acknowledged.",
    fix_in: &["services/kit/src/database/writer.rs", "services/kit/src/database/open.rs"],
    follows: &["MCP-AUTH-06"],
    lane: Lane::Alone,
    probing: |probe| Box::pin(durable(probe)),
};

async fn durable(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Memory)?;
    let ann = probe.user("ann", "acme");
    let mut written: Vec<(String, String)> = Vec::new();
    for number in 0..WRITES {
        let content = format!("{} {number}", probe.mark("durable"));
        let store = HttpRequest::tool("store_memory", &json!({ "content": content })).bearer(&ann.token);
        let stored = probe.control(&part, "a memory is stored", &store).await?;
        written.extend(stored.structured()["id"].as_str().map(|id| (id.to_owned(), content)));
    }
    probe.stage().kill(&part).await?;
    probe.stage().start_again(&part).await?;
    probe.control(&part, "the service answers again", &HttpRequest::tools_list().bearer(&ann.token)).await?;
    let list = HttpRequest::tool("list_memories", &json!({ "limit": 100 })).bearer(&ann.token);
    let listed = probe.send(&part, &list).await;
    let (mut unread, mut last) = (0, None);
    for (id, content) in &written {
        let read = probe.send(&part, &HttpRequest::tool("get_memory", &json!({ "id": id })).bearer(&ann.token)).await;
        if read.structured()["content"] != json!(content) {
            unread += 1;
            last = Some(read);
        }
    }
    let memories = listed.structured()["memories"].as_array().cloned().unwrap_or_default();
    let is_listed = |(id, content): &&(String, String)| {
        memories.iter().any(|memory| memory["id"] == json!(id) && memory["content"] == json!(content))
    };
    let unlisted = written.len() - written.iter().filter(is_listed).count();
    let signs = [
        ("a memory cannot be read by its id, or has another content", unread > 0),
        ("a memory is not in the list with its content", listed.has_result() && unlisted > 0),
    ];
    let holds = written.len() == WRITES && unread == 0 && unlisted == 0 && listed.has_result();
    let answers: Vec<_> = std::iter::once(&listed).chain(&last).collect();
    probe.judge(&part, &format!("{WRITES} acknowledged writes before the kill"), holds, &signs, &answers);
    Ok(())
}
