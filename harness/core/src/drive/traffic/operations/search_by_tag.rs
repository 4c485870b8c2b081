//! Searches for two words of a content among the memories with a tag. Beside workflows, it sees only what operations have written: the
//! orchestrator stores memories for its users, too, and their content has no mark.

use crate::drive::traffic::operation::{Coded, Draw, Request};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde_json::json;

pub(super) const OPERATION: Coded = Coded::new(NAME, Service::Memory, request);

const NAME: &str = "search_by_tag";

fn request(draw: &mut Draw<'_>) -> Request {
    let arguments = json!({ "query": draw.words(), "tags": [draw.tag()], "limit": 10 });
    Request::new(Service::Memory, tool::SEARCH, &arguments).named(NAME)
}
