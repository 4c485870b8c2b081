//! The memory step: fetches earlier outcomes of similar tasks. If memory does not answer, the agent works from its input alone.

use super::steps::{StepResult, StepTimer, reason};
use super::{Run, Workflow};
use crate::agent::{RCA_TAG, RETRO_ACTION_TAG, topic};
use crate::peer::{PeerError, PeerReply};
use crate::peers::{LIST, SEARCH};
use mcp_contracts::limits::{MAX_QUERY_BYTES, MAX_TAG_BYTES};
use mcp_contracts::memory::{Filter, ListMemories, Memory, MemoryPage, SearchMemory, SearchReply, TagMatch};
use mcp_contracts::metric;
use mcp_contracts::orchestrator::{AgentName, Reason, StepName, StepOutcome, UsedMemory};

const MAX_MEMORIES: u32 = 8;
const MAX_ACTION_ITEMS: u32 = 20;
const EXCERPT_CHARS: usize = 160;

#[derive(Debug)]
pub(super) struct RecalledMemories {
    pub(super) memories: Vec<Memory>,
    /// Set if memory did not answer.
    pub(super) missing: Option<PeerError>,
    pub(super) step: StepResult,
}

impl RecalledMemories {
    /// Returns the memories in the form in which a reply lists them.
    pub(super) fn used(&self) -> Vec<UsedMemory> {
        let excerpt = |memory: &Memory| {
            // Enough for an excerpt, because a word with its space has at least two characters; the rest is not read.
            let words: Vec<&str> = memory.content.split_whitespace().take(EXCERPT_CHARS / 2).collect();
            words.join(" ").chars().take(EXCERPT_CHARS).collect()
        };
        let used = |memory: &Memory| UsedMemory {
            id: memory.id.clone(),
            excerpt: excerpt(memory),
            visibility: memory.visibility,
        };
        self.memories.iter().map(used).collect()
    }
}

impl Workflow {
    /// Fetches action items for a retrospective, and similar memories for the other agents.
    pub(super) async fn recall(&self, run: &Run<'_>) -> RecalledMemories {
        let timer = StepTimer::begin(StepName::Memory);
        let topic = topic(&run.request.action.intent).map(|topic| format!("topic:{topic}"));
        let tagged = |tag: &str| {
            let mut tags = vec![tag.to_owned()];
            tags.extend(topic.filter(|topic| topic.len() <= MAX_TAG_BYTES));
            Filter { tags, tag_match: TagMatch::Any, ..Filter::default() }
        };
        let called = match run.request.agent {
            AgentName::Retro => self.list(run, tagged(RETRO_ACTION_TAG)).await,
            AgentName::Rca => self.search(run, tagged(RCA_TAG)).await,
            AgentName::General => self.search(run, Filter::default()).await,
        };
        let outcome = match &called.result {
            Ok(memories) if memories.is_empty() => "miss",
            Ok(_) => "hit",
            Err(_) => "error",
        };
        metrics::counter!(metric::MEMORY_LOOKUPS_TOTAL, "outcome" => outcome).increment(1);
        let step = match &called.result {
            Ok(_) => timer.ok("memory", &called),
            Err(error) => timer
                .end(StepOutcome::Fallback, "static_context", called.attempts)
                .with_detail(error.name())
                .degraded(reason(error, Reason::MemoryUnavailable)),
        };
        let (memories, missing) = match called.result {
            Ok(memories) => (memories, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        RecalledMemories { memories, missing, step }
    }

    async fn list(&self, run: &Run<'_>, filter: Filter) -> PeerReply<Vec<Memory>> {
        let arguments = ListMemories { filter, limit: Some(MAX_ACTION_ITEMS), cursor: None };
        let called = self.peers.memory.call::<_, MemoryPage>(&run.call(LIST, true), &arguments).await;
        PeerReply { result: called.result.map(|page| page.memories), attempts: called.attempts }
    }

    async fn search(&self, run: &Run<'_>, filter: Filter) -> PeerReply<Vec<Memory>> {
        let query = cut(run.request.action.intent.trim(), MAX_QUERY_BYTES).to_owned();
        let arguments = SearchMemory { query, filter, limit: Some(MAX_MEMORIES), cursor: None, explain: false };
        let called = self.peers.memory.call::<_, SearchReply>(&run.call(SEARCH, true), &arguments).await;
        let result: Result<Vec<Memory>, PeerError> =
            called.result.map(|reply| reply.hits.into_iter().map(|hit| hit.memory).collect());
        PeerReply { result, attempts: called.attempts }
    }
}

/// Returns at most the first `most` bytes of a text, cut at a character boundary.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
