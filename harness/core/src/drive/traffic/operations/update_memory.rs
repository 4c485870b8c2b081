//! Replaces the content of one of the user's own memories, regardless of its version.

use super::store_memory;
use crate::drive::effect::Sent;
use crate::drive::traffic::operation::{Coded, Draw, Request};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde::Serialize;

pub(super) const OPERATION: Coded = Coded::new(tool::UPDATE, Service::Memory, |draw| request(draw, false));

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Arguments<'a> {
    id: &'a str,
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_version: Option<u64>,
}

/// Returns a request that changes a memory of the user. If `conditional`, the memory must still have the version that
/// the user knows. A user without a memory stores one.
pub(super) fn request(draw: &mut Draw<'_>, conditional: bool) -> Request {
    let Some(record) = draw.own_record() else { return store_memory::request(draw, None) };
    let expected_version = record.version.filter(|_| conditional);
    let (content, value) = draw.content(record.shared);
    let arguments = Arguments { id: &record.id, content, expected_version };
    let request = Request::new(Service::Memory, tool::UPDATE, &arguments);
    request.sending(Sent::Update { key: record.id, value, expected: expected_version })
}
