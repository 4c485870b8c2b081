//! Tries to read a memory that a colleague shares in another workspace, which must not be found.

use super::get_memory;
use crate::drive::traffic::operation::{Coded, Draw, Request};
use mcp_contracts::Service;
use rand::Rng as _;

pub(super) const OPERATION: Coded = Coded::new(NAME, Service::Memory, request);

const NAME: &str = "probe_workspace";

fn request(draw: &mut Draw<'_>) -> Request {
    let choice = draw.rng.next_u32();
    let record = draw.ledger.elsewhere(draw.identity, choice);
    get_memory::request(record.map(|record| record.id).as_deref()).named(NAME)
}
