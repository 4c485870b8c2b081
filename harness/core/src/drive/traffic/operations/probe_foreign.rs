//! Tries to read a memory of another organisation, which must not be found.

use crate::drive::traffic::operation::{Draw, Operation, Request};
use super::get_memory;
use mcp_contracts::Service;
use rand::Rng as _;

pub(super) struct ProbeForeign;

const NAME: &str = "probe_foreign";

impl Operation for ProbeForeign {
    fn name(&self) -> &str {
        NAME
    }

    fn service(&self) -> &str {
        Service::Memory.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        let (other, choice) = (draw.rng.next_u32(), draw.rng.next_u32());
        let record = draw.ledger.foreign(draw.identity.organisation, other, choice);
        get_memory::request(record.map(|record| record.id).as_deref()).named(NAME)
    }
}
