//! Scans a content for secrets, personal data and instructions to a model.

use crate::drive::traffic::operation::{BuiltInOperation, Request};
use mcp_contracts::Service;
use mcp_contracts::guardrails::tool;
use serde_json::json;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(tool::SCAN_TEXT, Service::Guardrails, |input| {
    Request::new(Service::Guardrails, tool::SCAN_TEXT, &json!({ "text": input.content(false).0 }))
});
