//! Searches for the own word of a memory of another organisation, which must find nothing.

use crate::drive::canary::word_of;
use crate::drive::effect::{SentEffect, low_half};
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request};
use harness_history::Query;
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use rand::Rng as _;
use serde_json::json;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(NAME, Service::Memory, request);

const NAME: &str = "probe_foreign_search";
/// A word that no content has, for a user that knows no foreign memory.
const UNUSED_WORD: &str = "kxxxxxxxxxxxxxxxx";

fn request(input: &mut RequestInput<'_>) -> Request {
    let (other, choice) = (input.rng.next_u32(), input.rng.next_u32());
    let record = input.known_records.foreign(input.identity, other, choice);
    let target = record.as_ref().filter(|record| record.canary.is_some()).map(|record| record.id.clone());
    let word =
        record.and_then(|record| record.canary).map_or_else(|| UNUSED_WORD.to_owned(), |canary| word_of(&canary));
    let sent = SentEffect::Scan(Query { words: Some(low_half(&word)), target, ..Query::default() });
    Request::new(Service::Memory, tool::SEARCH, &json!({ "query": word, "limit": 10 })).named(NAME).sending(sent)
}
