//! Tries to read a memory of another organisation, which must not be found.

use super::get_memory;
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request};
use mcp_contracts::Service;
use rand::Rng as _;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(NAME, Service::Memory, request);

const NAME: &str = "probe_foreign";

pub(super) fn request(input: &mut RequestInput<'_>) -> Request {
    let (other, choice) = (input.rng.next_u32(), input.rng.next_u32());
    let record = input.known_records.foreign(input.identity, other, choice);
    get_memory::request(record.map(|record| record.id).as_deref()).named(NAME)
}
