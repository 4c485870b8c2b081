//! Deletes one of the user's own memories. A user without a memory stores one.

use super::store_memory;
use crate::drive::effect::SentEffect;
use crate::drive::traffic::operation::{Coded, Draw, Request};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde_json::json;

pub(super) const OPERATION: Coded = Coded::new(tool::DELETE, Service::Memory, request);

fn request(draw: &mut Draw<'_>) -> Request {
    let Some(record) = draw.own_record() else { return store_memory::request(draw, None) };
    Request::new(Service::Memory, tool::DELETE, &json!({ "id": &*record.id })).sending(SentEffect::Delete { key: record.id })
}
