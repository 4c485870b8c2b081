//! Reads one of the user's own memories.

use crate::drive::traffic::operation::{Draw, Operation, Request, UNUSED_ID};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde::Serialize;

pub(crate) struct GetMemory;

#[derive(Serialize)]
struct Arguments<'a> {
    id: &'a str,
}

/// Returns a request for the memory with this id; `None` is an id that no memory has.
pub(crate) fn request(id: Option<&str>) -> Request {
    Request::new(Service::Memory.name(), tool::GET, &Arguments { id: id.unwrap_or(UNUSED_ID) })
}

impl Operation for GetMemory {
    fn name(&self) -> &str {
        tool::GET
    }

    fn service(&self) -> &str {
        Service::Memory.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        request(draw.own_record().map(|record| record.id).as_deref())
    }
}
