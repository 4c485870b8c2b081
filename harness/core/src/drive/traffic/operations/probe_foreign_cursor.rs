//! Goes on from a cursor that a list of another organisation returned. The right answer is an error, or a page without a foreign memory.

use super::{list_memories, probe_foreign};
use crate::drive::effect::SentEffect;
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request};
use harness_history::Query;
use mcp_contracts::Service;
use rand::Rng as _;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(NAME, Service::Memory, request);

const NAME: &str = "probe_foreign_cursor";

fn request(input: &mut RequestInput<'_>) -> Request {
    let other = input.rng.next_u32();
    // Until a walk has returned a cursor, the attempt is one by id.
    let Some(position) = input.known_records.foreign_position(input.identity, other) else { return probe_foreign::request(input) };
    let request = list_memories::request(Some(&position.tag), Some(&position.cursor), list_memories::LIMIT);
    let sent = match &request.sent {
        SentEffect::Scan(query) => SentEffect::Scan(Query { target: Some(position.last), ..query.clone() }),
        other => other.clone(),
    };
    request.named(NAME).sending(sent)
}
