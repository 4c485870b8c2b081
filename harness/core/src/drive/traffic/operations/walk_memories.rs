//! Lists memories by a tag, page after page, while others write.

use super::list_memories;
use crate::drive::traffic::operation::{Coded, Draw, Request, ToolReply};
use mcp_contracts::Service;

pub(super) const OPERATION: Coded = Coded::new(NAME, Service::Memory, request).followed_by(follow_up);

const NAME: &str = "walk_memories";
/// A walk ends after this page, so that one user does not list for the whole run.
const LAST_PAGE: u32 = 4;

fn request(draw: &mut Draw<'_>) -> Request {
    let tag = draw.tag();
    list_memories::request(tag, None).named(NAME).with_context(tag.into())
}

fn follow_up(sent: &Request, reply: &ToolReply<'_>) -> Option<Request> {
    if sent.page == LAST_PAGE {
        return None;
    }
    let page = reply.value();
    let next = list_memories::request(sent.context.as_str()?, Some(page["nextCursor"].as_str()?));
    Some(Request { page: sent.page + 1, ..next.named(NAME).with_context(sent.context.clone()) })
}
