//! Replaces the content of one of the user's own memories, regardless of its version.

use super::store_memory;
use crate::drive::effect::SentEffect;
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use rand::RngExt as _;
use serde::Serialize;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(tool::UPDATE, Service::Memory, |input| request(input, false));

/// One in this number of conditional updates of a hot memory expects the version before the last change, as a client does that read it
/// too early. It must be refused.
const STALE_OF: u32 = 4;

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
pub(super) fn request(input: &mut RequestInput<'_>, conditional: bool) -> Request {
    let hot = input.hot_record(true);
    let is_stale = hot.is_some() && input.rng.random_range(0..STALE_OF) == 0;
    let Some(record) = hot.or_else(|| input.own_record()) else { return store_memory::request(input, None) };
    let known = record.version.filter(|_| conditional);
    let expected_version = known.map(|version| if is_stale { version.saturating_sub(1).max(1) } else { version });
    let (content, value) = input.content(record.shared);
    let arguments = Arguments { id: &record.id, content, expected_version };
    let request = Request::new(Service::Memory, tool::UPDATE, &arguments);
    request.sending(SentEffect::Update { key: record.id, value, expected: expected_version })
}
