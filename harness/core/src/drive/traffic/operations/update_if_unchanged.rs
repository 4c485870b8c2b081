//! Replaces the content of one of the user's own memories if it still has the version that the user knows.

use super::update_memory;
use crate::drive::traffic::operation::{Coded, Draw, Request};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;

pub(super) const OPERATION: Coded = Coded::new(NAME, Service::Memory, request);

const NAME: &str = "update_if_unchanged";

fn request(draw: &mut Draw<'_>) -> Request {
    let request = update_memory::request(draw, true);
    if request.tool == tool::UPDATE { request.named(NAME) } else { request }
}
