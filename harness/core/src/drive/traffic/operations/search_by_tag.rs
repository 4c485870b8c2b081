//! Searches for two words of a content among the memories with a tag. With a tag, the search does not return the
//! memories that the orchestrator stores for its users, whose contents have no canary.

use crate::drive::effect::{SentEffect, digest_of_tags, low_half};
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request};
use harness_history::Query;
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde_json::json;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(NAME, Service::Memory, request);

const NAME: &str = "search_by_tag";

fn request(input: &mut RequestInput<'_>) -> Request {
    let (words, tag) = (input.words(), input.tag());
    let digest = Some(digest_of_tags([tag].into_iter()));
    let sent = SentEffect::Scan(Query { words: Some(low_half(&words)), tags: digest, ..Query::default() });
    let arguments = json!({ "query": words, "tags": [tag], "limit": 10 });
    Request::new(Service::Memory, tool::SEARCH, &arguments).named(NAME).sending(sent)
}
