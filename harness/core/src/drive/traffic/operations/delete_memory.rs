//! Deletes one of the user's own memories. A user without a memory stores one.

use super::store_memory;
use crate::drive::effect::SentEffect;
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde_json::json;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(tool::DELETE, Service::Memory, request);

fn request(input: &mut RequestInput<'_>) -> Request {
    let Some(record) = input.own_record() else { return store_memory::request(input, None) };
    Request::new(Service::Memory, tool::DELETE, &json!({ "id": &*record.id })).sending(SentEffect::Delete { key: record.id })
}
