//! Deletes one of the user's own memories. A user without a memory stores one.

use crate::drive::traffic::operation::{Draw, Operation, Request};
use super::store_memory;
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde_json::json;

pub(super) struct DeleteMemory;

impl Operation for DeleteMemory {
    fn name(&self) -> &str {
        tool::DELETE
    }

    fn service(&self) -> &str {
        Service::Memory.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        let Some(record) = draw.own_record() else { return store_memory::request(draw, None) };
        Request::new(Service::Memory.name(), tool::DELETE, &json!({ "id": &*record.id }))
    }
}
