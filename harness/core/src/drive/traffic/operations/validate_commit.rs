//! Requests a verdict on a small commit.

use crate::drive::traffic::operation::{Draw, Operation, Request};
use mcp_contracts::Service;
use mcp_contracts::guardrails::tool;
use serde_json::json;

pub(super) struct ValidateCommit;

impl Operation for ValidateCommit {
    fn name(&self) -> &str {
        tool::VALIDATE_COMMIT
    }

    fn service(&self) -> &str {
        Service::Guardrails.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        let arguments = json!({ "message": draw.intent(), "files": [{ "path": "src/ledger.rs", "change": "fn total() {}" }] });
        Request::new(Service::Guardrails.name(), tool::VALIDATE_COMMIT, &arguments)
    }
}
