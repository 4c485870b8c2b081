//! Requests a verdict on a small commit.

use crate::drive::traffic::operation::{Coded, Draw, Request};
use mcp_contracts::Service;
use mcp_contracts::guardrails::tool;
use serde_json::json;

pub(super) const OPERATION: Coded = Coded::new(tool::VALIDATE_COMMIT, Service::Guardrails, request);

fn request(draw: &mut Draw<'_>) -> Request {
    let arguments =
        json!({ "message": draw.intent(), "files": [{ "path": "src/ledger.rs", "change": "fn total() {}" }] });
    Request::new(Service::Guardrails, tool::VALIDATE_COMMIT, &arguments)
}
