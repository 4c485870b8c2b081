//! Lists memories by a tag.

use crate::drive::effect::{SentEffect, digest_of_tags};
use crate::drive::traffic::operation::{BuiltInOperation, Request};
use harness_history::Query;
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde::Serialize;

pub(super) const OPERATION: BuiltInOperation =
    BuiltInOperation::new(tool::LIST, Service::Memory, |input| request(Some(input.tag()), None, LIMIT));

pub(super) const LIMIT: u32 = 10;

#[derive(Serialize)]
struct Arguments<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<[&'a str; 1]>,
    limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
}

/// Returns a request for one page of the memories with this tag, or of all.
pub(super) fn request(tag: Option<&str>, cursor: Option<&str>, limit: u32) -> Request {
    let sent = SentEffect::Scan(Query { tags: tag.map(|tag| digest_of_tags([tag].into_iter())), ..Query::default() });
    Request::new(Service::Memory, tool::LIST, &Arguments { tags: tag.map(|tag| [tag]), limit, cursor }).sending(sent)
}
