//! `search_memory`: finds memories by their words.

use super::{READS, now_us, refused, validate};
use crate::cursor::Binding;
use crate::store::{SearchQuery, Store};
use crate::tenant::Tenant;
use crate::terms;
use mcp_contracts::limits::MAX_QUERY_BYTES;
use mcp_contracts::memory::{Hit, SearchMemory, SearchReply, tool};
use mcp_contracts::{Scope, ToolError, metric};
use mcp_kit::{CallContext, Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::SEARCH,
    title: "Search memories",
    description: "Finds memories that have at least one of the words, best first: rare words, short texts and recent memories \
                  count more. Tags, type and time narrow it down.",
    annotations: READS,
    scopes: &[Scope::MemoryRead],
};

pub(super) fn tool(store: Arc<dyn Store>) -> Tool {
    Tool::new(INFO, move |context: CallContext, request: SearchMemory| {
        let store = Arc::clone(&store);
        async move { search(&*store, &Tenant::of(&context.claims), request).await }
    })
}

async fn search(store: &dyn Store, tenant: &Tenant, mut request: SearchMemory) -> Result<SearchReply, ToolError> {
    if request.query.len() > MAX_QUERY_BYTES {
        return Err(validate::invalid(format!(
            "`query` has {} bytes, {MAX_QUERY_BYTES} are allowed",
            request.query.len()
        )));
    }
    let terms = terms::of_query(&request.query);
    if terms.is_empty() {
        return Err(
            validate::invalid("`query` has no word to look for").with_hint("use `list_memories` to see everything")
        );
    }
    let (limit, selection) = (validate::limit(request.limit)?, validate::selection(&request.filter)?);
    let cursor = request.cursor.take();
    request.limit = None;
    let binding = Binding::new(tenant, &format!("search {}", serde_json::to_string(&request).unwrap_or_default()));
    let (as_of, after) = match &cursor {
        Some(cursor) => {
            binding.parse_search(cursor).map(|(as_of, rank)| (as_of, Some(rank))).ok_or_else(validate::bad_cursor)?
        }
        None => (now_us(), None),
    };
    let query = SearchQuery { terms, selection, limit: limit + 1, as_of, after };
    let mut found = store.search(tenant, query).await.map_err(refused)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let outcome = if found.is_empty() { "miss" } else { "hit" };
    metrics::counter!(metric::MEMORY_LOOKUPS_TOTAL, "outcome" => outcome).increment(1);
    let next_cursor = found.last().filter(|_| more).map(|last| binding.search(as_of, last.rank));
    let hits = found.into_iter().map(|found| Hit { memory: found.memory, score: found.rank.score }).collect();
    Ok(SearchReply { hits, next_cursor })
}
