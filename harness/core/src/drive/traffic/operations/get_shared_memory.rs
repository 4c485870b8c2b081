//! Reads a memory that a colleague shares with the workspace.

use crate::drive::traffic::operation::{Draw, Operation, Request};
use super::get_memory;
use mcp_contracts::Service;
use rand::Rng as _;

pub(super) struct GetSharedMemory;

const NAME: &str = "get_shared_memory";

impl Operation for GetSharedMemory {
    fn name(&self) -> &str {
        NAME
    }

    fn service(&self) -> &str {
        Service::Memory.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        let record = draw.ledger.shared(draw.identity.organisation, draw.rng.next_u32());
        get_memory::request(record.map(|record| record.id).as_deref()).named(NAME)
    }
}
