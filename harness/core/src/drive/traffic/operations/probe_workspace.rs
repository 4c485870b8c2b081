//! Tries to read a memory that a colleague shares in another workspace, which must not be found.

use super::get_memory;
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request};
use mcp_contracts::Service;
use rand::Rng as _;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(NAME, Service::Memory, request);

const NAME: &str = "probe_workspace";

fn request(input: &mut RequestInput<'_>) -> Request {
    let choice = input.rng.next_u32();
    let record = input.known_records.in_other_workspace(input.identity, choice);
    get_memory::request(record.map(|record| record.id).as_deref()).named(NAME)
}
