//! Searches for two words of a content among the memories with a tag. Beside workflows, it sees only what operations have written: the
//! orchestrator stores memories for its users, too, and their content has no mark.

use crate::drive::traffic::operation::{Draw, Operation, Request};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde_json::json;

pub(super) struct SearchByTag;

const NAME: &str = "search_by_tag";

impl Operation for SearchByTag {
    fn name(&self) -> &str {
        NAME
    }

    fn service(&self) -> &str {
        Service::Memory.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        let arguments = json!({ "query": draw.words(), "tags": [draw.tag()], "limit": 10 });
        Request::new(Service::Memory.name(), tool::SEARCH, &arguments).named(NAME)
    }
}
