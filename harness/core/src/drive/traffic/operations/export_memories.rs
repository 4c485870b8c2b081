//! Exports the memories with a tag, page after page.

use crate::drive::effect::{SentEffect, digest_of_tags};
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request, ToolReply};
use harness_history::Query;
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde_json::json;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(tool::EXPORT, Service::Memory, request).followed_by(follow_up);

const LIMIT: u32 = 50;
/// An export ends after this page, so that one user does not export for the whole run.
const LAST_PAGE: u32 = 3;

fn request(input: &mut RequestInput<'_>) -> Request {
    page(input.tag(), None)
}

fn page(tag: &str, cursor: Option<&str>) -> Request {
    let sent = SentEffect::Scan(Query { tags: Some(digest_of_tags([tag].into_iter())), ..Query::default() });
    let mut arguments = json!({ "tags": [tag], "limit": LIMIT });
    if let Some(cursor) = cursor {
        arguments["cursor"] = cursor.into();
    }
    Request::new(Service::Memory, tool::EXPORT, &arguments).sending(sent).with_context(tag.into())
}

fn follow_up(sent: &Request, reply: &ToolReply<'_>) -> Option<Request> {
    if sent.page == LAST_PAGE {
        return None;
    }
    let next = page(sent.context.as_str()?, Some(&reply.cursor()?));
    Some(Request { page: sent.page + 1, ..next })
}
