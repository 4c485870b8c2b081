//! Scans a content for secrets, personal data and instructions to a model.

use crate::drive::traffic::operation::{Coded, Request};
use mcp_contracts::Service;
use mcp_contracts::guardrails::tool;
use serde_json::json;

pub(super) const OPERATION: Coded = Coded::new(tool::SCAN_TEXT, Service::Guardrails, |draw| {
    Request::new(Service::Guardrails, tool::SCAN_TEXT, &json!({ "text": draw.content(false).0 }))
});
