//! Scans a content for secrets, personal data and orders to a model.

use crate::drive::traffic::operation::{Draw, Operation, Request};
use mcp_contracts::Service;
use mcp_contracts::guardrails::tool;
use serde_json::json;

pub(super) struct ScanText;

impl Operation for ScanText {
    fn name(&self) -> &str {
        tool::SCAN_TEXT
    }

    fn service(&self) -> &str {
        Service::Guardrails.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        Request::new(Service::Guardrails.name(), tool::SCAN_TEXT, &json!({ "text": draw.content(false) }))
    }
}
