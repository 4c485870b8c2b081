//! Requests recommendations for an intent.

use crate::drive::traffic::operation::{Coded, Request};
use mcp_contracts::Service;
use mcp_contracts::patterns::tool;
use serde_json::json;

pub(super) const OPERATION: Coded = Coded::new(tool::SELECT, Service::Patterns, |draw| {
    Request::new(Service::Patterns, tool::SELECT, &json!({ "intent": draw.intent() }))
});
