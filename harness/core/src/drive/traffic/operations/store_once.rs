//! Stores a memory, and repeats the request with the same idempotency key until it is answered.

use super::store_memory;
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request, ToolReply};
use mcp_contracts::Service;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(NAME, Service::Memory, request).followed_by(follow_up);

const NAME: &str = "store_once";

fn request(input: &mut RequestInput<'_>) -> Request {
    let key = input.key();
    store_memory::request(input, Some(key)).named(NAME)
}

fn follow_up(sent: &Request, reply: &ToolReply<'_>) -> Option<Request> {
    sent.repeated(reply.outcome)
}
