//! Requests recommendations for an intent.

use crate::drive::traffic::operation::{BuiltInOperation, Request};
use mcp_contracts::Service;
use mcp_contracts::patterns::tool;
use serde_json::json;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(tool::SELECT, Service::Patterns, |input| {
    Request::new(Service::Patterns, tool::SELECT, &json!({ "intent": input.intent() }))
});
