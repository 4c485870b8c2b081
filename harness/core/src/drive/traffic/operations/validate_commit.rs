//! Requests a verdict on a small commit.

use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request};
use mcp_contracts::Service;
use mcp_contracts::guardrails::tool;
use serde_json::json;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(tool::VALIDATE_COMMIT, Service::Guardrails, request);

fn request(input: &mut RequestInput<'_>) -> Request {
    let arguments =
        json!({ "message": input.intent(), "files": [{ "path": "src/ledger.rs", "change": "fn total() {}" }] });
    Request::new(Service::Guardrails, tool::VALIDATE_COMMIT, &arguments)
}
