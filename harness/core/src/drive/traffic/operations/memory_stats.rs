//! Requests the counts of what the user can see.

use crate::drive::traffic::operation::{Draw, Operation, Request};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde_json::json;

pub(super) struct MemoryStats;

impl Operation for MemoryStats {
    fn name(&self) -> &str {
        tool::STATS
    }

    fn service(&self) -> &str {
        Service::Memory.name()
    }

    fn request(&self, _draw: &mut Draw<'_>) -> Request {
        Request::new(Service::Memory.name(), tool::STATS, &json!({}))
    }
}
