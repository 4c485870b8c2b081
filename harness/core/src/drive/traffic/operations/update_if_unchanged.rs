//! Replaces the content of one of the user's own memories if it still has the version that the user knows.

use super::update_memory;
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(NAME, Service::Memory, request);

const NAME: &str = "update_if_unchanged";

fn request(input: &mut RequestInput<'_>) -> Request {
    let request = update_memory::request(input, true);
    if request.tool == tool::UPDATE { request.named(NAME) } else { request }
}
