//! Requests a verdict on an action of low risk.

use crate::drive::traffic::operation::{Coded, Draw, Request};
use mcp_contracts::Service;
use mcp_contracts::guardrails::tool;
use serde_json::{Value, json};

pub(super) const OPERATION: Coded =
    Coded::new(tool::CHECK, Service::Guardrails, |draw| Request::new(Service::Guardrails, tool::CHECK, &action(draw)));

/// Returns an action that every rule allows.
pub(super) fn action(draw: &mut Draw<'_>) -> Value {
    json!({ "action": "answer", "intent": draw.intent(), "text": "p99 rose to 4.1 s" })
}
