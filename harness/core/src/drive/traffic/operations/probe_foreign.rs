//! Tries to read a memory of another organisation, which must not be found.

use super::get_memory;
use crate::drive::traffic::operation::{Coded, Draw, Request};
use mcp_contracts::Service;
use rand::Rng as _;

pub(super) const OPERATION: Coded = Coded::new(NAME, Service::Memory, request);

const NAME: &str = "probe_foreign";

pub(super) fn request(draw: &mut Draw<'_>) -> Request {
    let (other, choice) = (draw.rng.next_u32(), draw.rng.next_u32());
    let record = draw.ledger.foreign(draw.identity, other, choice);
    get_memory::request(record.map(|record| record.id).as_deref()).named(NAME)
}
