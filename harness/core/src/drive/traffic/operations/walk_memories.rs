//! Lists memories by a tag, page after page, while others write. After the load, every user walks through everything that it can list.

use super::list_memories;
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request, ToolReply};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde_json::Value;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(NAME, Service::Memory, request).followed_by(follow_up);

/// The walk after the load; it goes on to the last page.
pub(crate) const WHOLE: BuiltInOperation = BuiltInOperation::new(NAME, Service::Memory, |_input| whole(None)).followed_by(follow_up_whole);

const NAME: &str = "walk_memories";
/// A walk ends after this page, so that one user does not list for the whole run.
const LAST_PAGE: u32 = 4;
/// Number of memories on a page of a walk after the load: the largest of the contract.
const WHOLE_LIMIT: u32 = 100;
/// A walk after the load ends after this page, in case the service never stops returning a cursor.
const WHOLE_LAST_PAGE: u32 = 10_000;

fn request(input: &mut RequestInput<'_>) -> Request {
    let tag = input.tag();
    list_memories::request(Some(tag), None, list_memories::LIMIT).named(NAME).with_context(tag.into())
}

/// Returns a request for the first page of everything, or of the memories with this tag.
pub(crate) fn whole(tag: Option<&str>) -> Request {
    list_memories::request(tag, None, WHOLE_LIMIT).named(NAME).with_context(tag.map_or(Value::Null, Value::from))
}

fn follow_up(sent: &Request, reply: &ToolReply<'_>) -> Option<Request> {
    next_page(sent, reply, list_memories::LIMIT, LAST_PAGE)
}

fn follow_up_whole(sent: &Request, reply: &ToolReply<'_>) -> Option<Request> {
    next_page(sent, reply, WHOLE_LIMIT, WHOLE_LAST_PAGE)
}

fn next_page(sent: &Request, reply: &ToolReply<'_>, limit: u32, last_page: u32) -> Option<Request> {
    if sent.page == last_page {
        return None;
    }
    let cursor = reply.cursor()?;
    let next = list_memories::request(sent.context.as_str(), Some(&cursor), limit);
    Some(Request { page: sent.page + 1, ..next.named(NAME).with_context(sent.context.clone()) })
}

/// Returns the tag and the cursor of a request for a later page by tag.
pub(crate) fn position(request: &Request) -> Option<(&str, String)> {
    let tag = request.context.as_str().filter(|_| request.tool == tool::LIST && request.page > 0)?;
    let arguments: Value = serde_json::from_str(&request.arguments).ok()?;
    Some((tag, arguments["cursor"].as_str()?.to_owned()))
}
