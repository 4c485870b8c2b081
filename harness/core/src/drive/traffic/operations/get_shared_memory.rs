//! Reads a memory that a colleague shares with the workspace.

use super::get_memory;
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request};
use mcp_contracts::Service;
use rand::Rng as _;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(NAME, Service::Memory, request);

const NAME: &str = "get_shared_memory";

fn request(input: &mut RequestInput<'_>) -> Request {
    let choice = input.rng.next_u32();
    let record = input.hot_record(false).or_else(|| input.known_records.shared(input.identity, choice));
    get_memory::request(record.map(|record| record.id).as_deref()).named(NAME)
}
