//! Stores a memory, and sends the request again with the same idempotency key until it is answered.

use crate::drive::traffic::operation::{Draw, Operation, Request, ToolReply};
use super::store_memory;
use mcp_contracts::Service;

pub(super) struct StoreOnce;

const NAME: &str = "store_once";

impl Operation for StoreOnce {
    fn name(&self) -> &str {
        NAME
    }

    fn service(&self) -> &str {
        Service::Memory.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        let key = draw.key();
        store_memory::request(draw, Some(key)).named(NAME)
    }

    fn follow_up(&self, sent: &Request, reply: &ToolReply<'_>, _draw: &mut Draw<'_>) -> Option<Request> {
        sent.repeated(reply.outcome)
    }
}
