//! Searches for two words of a content.

use crate::drive::traffic::operation::{Coded, Request};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde::Serialize;

pub(super) const OPERATION: Coded = Coded::new(tool::SEARCH, Service::Memory, |draw| {
    Request::new(Service::Memory, tool::SEARCH, &Arguments { query: draw.words(), limit: LIMIT })
});

const LIMIT: u32 = 10;

#[derive(Serialize)]
struct Arguments {
    query: String,
    limit: u32,
}
