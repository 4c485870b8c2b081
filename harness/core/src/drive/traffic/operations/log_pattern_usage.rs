//! Selects a pattern and reports that it was accepted.

use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request, ToolReply};
use mcp_contracts::Service;
use mcp_contracts::patterns::tool;
use serde_json::json;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(tool::LOG_USAGE, Service::Patterns, request).followed_by(follow_up);

fn request(input: &mut RequestInput<'_>) -> Request {
    let context = input.key().into();
    Request::new(Service::Patterns, tool::SELECT, &json!({ "intent": input.intent() })).with_context(context)
}

fn follow_up(sent: &Request, reply: &ToolReply<'_>) -> Option<Request> {
    if sent.tool != tool::SELECT {
        return None;
    }
    let pattern = reply.value()["patterns"][0]["id"].as_str()?.to_owned();
    let usage = json!({ "patternId": pattern, "outcome": "accepted", "executionId": sent.context });
    Some(Request::new(Service::Patterns, tool::LOG_USAGE, &usage))
}
