//! Stores a memory, and repeats the request with the same idempotency key until it is answered.

use super::store_memory;
use crate::drive::traffic::operation::{Coded, Draw, Request, ToolReply};
use mcp_contracts::Service;

pub(super) const OPERATION: Coded = Coded::new(NAME, Service::Memory, request).followed_by(follow_up);

const NAME: &str = "store_once";

fn request(draw: &mut Draw<'_>) -> Request {
    let key = draw.key();
    store_memory::request(draw, Some(key)).named(NAME)
}

fn follow_up(sent: &Request, reply: &ToolReply<'_>) -> Option<Request> {
    sent.repeated(reply.outcome)
}
