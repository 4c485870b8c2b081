//! Requests a verdict on an action of low risk.

use crate::drive::traffic::operation::{Draw, Operation, Request};
use mcp_contracts::Service;
use mcp_contracts::guardrails::tool;
use serde_json::{Value, json};

pub(super) struct CheckGuardrails;

/// Returns an action that every rule allows.
pub(super) fn action(draw: &mut Draw<'_>) -> Value {
    json!({ "action": "answer", "intent": draw.intent(), "text": "p99 rose to 4.1 s" })
}

impl Operation for CheckGuardrails {
    fn name(&self) -> &str {
        tool::CHECK
    }

    fn service(&self) -> &str {
        Service::Guardrails.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        Request::new(Service::Guardrails.name(), tool::CHECK, &action(draw))
    }
}
