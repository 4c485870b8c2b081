//! Replaces the content of one of the user's own memories if it still has the version that the user knows.

use crate::drive::traffic::operation::{Draw, Operation, Request};
use super::update_memory;
use mcp_contracts::Service;
use mcp_contracts::memory::tool;

pub(super) struct UpdateIfUnchanged;

const NAME: &str = "update_if_unchanged";

impl Operation for UpdateIfUnchanged {
    fn name(&self) -> &str {
        NAME
    }

    fn service(&self) -> &str {
        Service::Memory.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        let request = update_memory::request(draw, true);
        if request.tool == tool::UPDATE { request.named(NAME) } else { request }
    }
}
