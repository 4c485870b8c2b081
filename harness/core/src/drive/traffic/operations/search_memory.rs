//! Searches for two words of a content.

use crate::drive::effect::{SentEffect, low_half};
use crate::drive::traffic::operation::{BuiltInOperation, Request};
use harness_history::Query;
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde::Serialize;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(tool::SEARCH, Service::Memory, |input| {
    let query = input.words();
    let sent = SentEffect::Scan(Query { words: Some(low_half(&query)), ..Query::default() });
    Request::new(Service::Memory, tool::SEARCH, &Arguments { query, limit: LIMIT }).sending(sent)
});

const LIMIT: u32 = 10;

#[derive(Serialize)]
struct Arguments {
    query: String,
    limit: u32,
}
