//! Searches for two words of a content.

use crate::drive::traffic::operation::{Draw, Operation, Request};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde::Serialize;

pub(super) struct SearchMemory;

const LIMIT: u32 = 10;

#[derive(Serialize)]
struct Arguments {
    query: String,
    limit: u32,
}

impl Operation for SearchMemory {
    fn name(&self) -> &str {
        tool::SEARCH
    }

    fn service(&self) -> &str {
        Service::Memory.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        Request::new(Service::Memory.name(), tool::SEARCH, &Arguments { query: draw.words(), limit: LIMIT })
    }
}
