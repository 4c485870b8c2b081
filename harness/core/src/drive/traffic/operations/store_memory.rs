//! Stores a memory. One in three is for the whole workspace, so that colleagues have something to read.

use crate::drive::effect::{self, SentEffect};
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request};
use harness_history::RecordState;
use mcp_contracts::Service;
use mcp_contracts::memory::{Visibility, tool};
use rand::RngExt as _;
use serde::Serialize;

pub(crate) const OPERATION: BuiltInOperation = BuiltInOperation::new(tool::STORE, Service::Memory, |input| request(input, None));

const KINDS: &[&str] = &["note", "decision", "incident", "runbook"];
const SHARED_OF: u32 = 3;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Arguments {
    content: String,
    tags: [&'static str; 1],
    #[serde(rename = "type")]
    kind: &'static str,
    visibility: Visibility,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
}

/// Returns a request with a new content. A request with an idempotency key may be repeated.
pub(super) fn request(input: &mut RequestInput<'_>, idempotency_key: Option<String>) -> Request {
    let (arguments, state) = entry(input, input.number, idempotency_key);
    Request::new(Service::Memory, tool::STORE, &arguments).sending(SentEffect::Write(state))
}

/// Returns a new memory with this number, and what the history stores of it.
pub(super) fn entry(
    input: &mut RequestInput<'_>,
    number: u64,
    idempotency_key: Option<String>,
) -> (impl Serialize + use<>, RecordState) {
    let shared = input.rng.random_range(0..SHARED_OF) == 0;
    let (content, state) = input.content_of(shared, number);
    let (tag, visibility) = (input.tag(), if shared { Visibility::Workspace } else { Visibility::Private });
    let kind = KINDS[input.rng.random_range(0..KINDS.len())];
    let state = RecordState {
        visibility: Some(effect::visibility(visibility)),
        tags: Some(effect::digest_of_tags([tag].into_iter())),
        ..state
    };
    (Arguments { content, tags: [tag], kind, visibility, idempotency_key }, state)
}
