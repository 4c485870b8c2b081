//! Requests recommendations for an intent.

use crate::drive::traffic::operation::{Draw, Operation, Request};
use mcp_contracts::Service;
use mcp_contracts::patterns::tool;
use serde_json::json;

pub(super) struct SelectPattern;

impl Operation for SelectPattern {
    fn name(&self) -> &str {
        tool::SELECT
    }

    fn service(&self) -> &str {
        Service::Patterns.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        Request::new(Service::Patterns.name(), tool::SELECT, &json!({ "intent": draw.intent() }))
    }
}
