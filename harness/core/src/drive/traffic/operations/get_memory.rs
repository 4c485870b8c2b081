//! Reads one of the user's own memories.

use crate::drive::effect::SentEffect;
use crate::drive::traffic::operation::{BuiltInOperation, Request, UNUSED_ID};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde::Serialize;

pub(crate) const OPERATION: BuiltInOperation =
    BuiltInOperation::new(tool::GET, Service::Memory, |input| request(input.own_record().map(|record| record.id).as_deref()));

#[derive(Serialize)]
struct Arguments<'a> {
    id: &'a str,
}

/// Returns a request for the memory with this id; `None` is an id that no memory has.
pub(crate) fn request(id: Option<&str>) -> Request {
    let id = id.unwrap_or(UNUSED_ID);
    Request::new(Service::Memory, tool::GET, &Arguments { id }).sending(SentEffect::Read { key: id.into() })
}
