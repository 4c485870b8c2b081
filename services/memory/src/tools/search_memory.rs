//! `search_memory`: finds memories by their words.

use super::{READS, store_tool, tool_error, validate};
use crate::cursor::Binding;
use crate::store::{SearchHit, SearchQuery, Store};
use crate::tenant::Tenant;
use crate::terms;
use crate::time::now_us;
use mcp_contracts::limits::MAX_QUERY_BYTES;
use mcp_contracts::memory::{Hit, SearchMemory, SearchReply, WordShare, tool};
use mcp_contracts::{Scope, ToolError, metric};
use mcp_kit::{Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::SEARCH,
    title: "Search memories",
    description: "Finds the memories you can see that contain at least one word of `query`, best match first: rare and exact words, short texts \
                  and recent memories score higher. `tags`, `type`, `createdAfter` and `createdBefore` narrow the search. If the reply has a \
                  `nextCursor`, repeat the call with it as `cursor` for the next page.",
    annotations: READS,
    scopes: &[Scope::MemoryRead],
};

pub(super) fn tool(store: &Arc<dyn Store>) -> Tool {
    store_tool(INFO, store, run)
}

async fn run(store: Arc<dyn Store>, tenant: Tenant, mut request: SearchMemory) -> Result<SearchReply, ToolError> {
    let bytes = request.query.len();
    if bytes > MAX_QUERY_BYTES {
        return Err(validate::invalid(format!("`query` has {bytes} bytes, {MAX_QUERY_BYTES} are allowed")));
    }
    let terms = terms::of_query(&request.query);
    let words: Vec<String> = terms.concepts.iter().map(|concept| concept.word.clone()).collect();
    if terms.is_empty() {
        return Err(validate::invalid("`query` contains no word").with_hint("use `list_memories` to see all memories"));
    }
    let (limit, selection) = (validate::limit(request.limit)?, validate::selection(&request.filter)?);
    let cursor = request.cursor.take();
    let explain = std::mem::take(&mut request.explain);
    // A cursor is bound to the query, but not to `limit` and `explain`: a client may change these from page to page.
    request.limit = None;
    let binding = Binding::new(&tenant, "search", &request);
    let parse = |cursor: String| binding.parse_search(&cursor).ok_or_else(validate::bad_cursor);
    let (as_of, after) = cursor.map(parse).transpose()?.unzip();
    let as_of = as_of.unwrap_or_else(now_us);
    // One hit more than the page holds shows if there is a next page.
    let query = SearchQuery { terms, selection, limit: limit + 1, as_of, after };
    let mut hits = store.search(&tenant, query).await.map_err(tool_error)?;
    let has_more = hits.len() > limit;
    hits.truncate(limit);
    let outcome = if hits.is_empty() { "miss" } else { "hit" };
    metrics::counter!(metric::MEMORY_LOOKUPS_TOTAL, "outcome" => outcome).increment(1);
    let next_cursor = hits.last().filter(|_| has_more).map(|last| binding.search(as_of, &last.place()));
    let hit = |hit: SearchHit| Hit {
        score: hit.rank.score,
        matches: if explain { shares(&words, &hit.parts) } else { Vec::new() },
        memory: hit.memory,
    };
    Ok(SearchReply { hits: hits.into_iter().map(hit).collect(), next_cursor })
}

/// Returns the words that a hit has, with the greatest share first.
fn shares(words: &[String], parts: &[f64]) -> Vec<WordShare> {
    let sum: f64 = parts.iter().sum();
    // Two digits, because a model reads the reply and each digit costs tokens.
    let share = |part: &f64| (part / sum * 100.0).round() / 100.0;
    let matched = words.iter().zip(parts).filter(|(_, part)| **part > 0.0);
    let mut shares: Vec<WordShare> =
        matched.map(|(word, part)| WordShare { word: word.clone(), share: share(part) }).collect();
    shares.sort_by(|one, other| other.share.total_cmp(&one.share));
    shares
}
