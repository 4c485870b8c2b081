//! Reads a memory that a colleague shares with the workspace.

use super::get_memory;
use crate::drive::traffic::operation::{Coded, Draw, Request};
use mcp_contracts::Service;
use rand::Rng as _;

pub(super) const OPERATION: Coded = Coded::new(NAME, Service::Memory, request);

const NAME: &str = "get_shared_memory";

fn request(draw: &mut Draw<'_>) -> Request {
    let record = draw.ledger.shared(draw.identity.organisation, draw.rng.next_u32());
    get_memory::request(record.map(|record| record.id).as_deref()).named(NAME)
}
