//! Lists memories by a tag, page after page, while others write.

use crate::drive::traffic::operation::{Draw, Operation, Request, ToolReply};
use super::list_memories;
use mcp_contracts::Service;

pub(super) struct WalkMemories;

const NAME: &str = "walk_memories";
/// A walk ends after this page, so that one user does not list for the whole run.
const LAST_PAGE: u32 = 4;

impl Operation for WalkMemories {
    fn name(&self) -> &str {
        NAME
    }

    fn service(&self) -> &str {
        Service::Memory.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        let tag = draw.tag();
        list_memories::request(tag, None).named(NAME).with_context(tag.into())
    }

    fn follow_up(&self, sent: &Request, reply: &ToolReply<'_>, _draw: &mut Draw<'_>) -> Option<Request> {
        if sent.page == LAST_PAGE {
            return None;
        }
        let page = reply.value();
        let next = list_memories::request(sent.context.as_str()?, Some(page["nextCursor"].as_str()?));
        Some(Request { page: sent.page + 1, ..next.named(NAME).with_context(sent.context.clone()) })
    }
}
