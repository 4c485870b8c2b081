//! Goes on from a cursor that a list of another organisation returned. The right answer is an error, or a page without a foreign memory.

use super::{list_memories, probe_foreign};
use crate::drive::effect::SentEffect;
use crate::drive::traffic::operation::{Coded, Draw, Request};
use harness_history::Query;
use mcp_contracts::Service;
use rand::Rng as _;

pub(super) const OPERATION: Coded = Coded::new(NAME, Service::Memory, request);

const NAME: &str = "probe_foreign_cursor";

fn request(draw: &mut Draw<'_>) -> Request {
    let other = draw.rng.next_u32();
    // Until a walk has returned a cursor, the attempt is one by id.
    let Some(place) = draw.ledger.foreign_place(draw.identity, other) else { return probe_foreign::request(draw) };
    let request = list_memories::request(Some(&place.tag), Some(&place.cursor), list_memories::LIMIT);
    let sent = match &request.sent {
        SentEffect::Scan(query) => SentEffect::Scan(Query { target: Some(place.last), ..query.clone() }),
        other => other.clone(),
    };
    request.named(NAME).sending(sent)
}
