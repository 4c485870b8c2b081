//! Requests a verdict on an action of low risk.

use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request};
use mcp_contracts::Service;
use mcp_contracts::guardrails::tool;
use serde_json::{Value, json};

pub(super) const OPERATION: BuiltInOperation =
    BuiltInOperation::new(tool::CHECK, Service::Guardrails, |input| Request::new(Service::Guardrails, tool::CHECK, &action(input)));

/// Returns an action that every rule allows.
pub(super) fn action(input: &mut RequestInput<'_>) -> Value {
    json!({ "action": "answer", "intent": input.intent(), "text": "p99 rose to 4.1 s" })
}
