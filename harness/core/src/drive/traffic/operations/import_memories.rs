//! Imports a few memories at once, all or none.

use super::store_memory;
use crate::drive::effect::SentEffect;
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use rand::RngExt as _;
use serde_json::json;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(tool::IMPORT, Service::Memory, request);

/// Most memories of one import.
const MOST: u64 = 4;

fn request(input: &mut RequestInput<'_>) -> Request {
    let (number, count) = (input.number, input.rng.random_range(2..=MOST));
    // The number of a call is unique in the run and far below 2^40, so that these numbers are unique too.
    let entries = (1..=count).map(|entry| store_memory::entry(input, number | entry << 40, None));
    let (memories, states): (Vec<_>, Vec<_>) = entries.collect::<Vec<_>>().into_iter().unzip();
    Request::new(Service::Memory, tool::IMPORT, &json!({ "memories": memories })).sending(SentEffect::Writes(states))
}
