//! Selects a pattern and reports that it was accepted.

use crate::drive::traffic::operation::{Draw, Operation, Request, ToolReply};
use mcp_contracts::Service;
use mcp_contracts::patterns::tool;
use serde_json::json;

pub(super) struct LogPatternUsage;

impl Operation for LogPatternUsage {
    fn name(&self) -> &str {
        tool::LOG_USAGE
    }

    fn service(&self) -> &str {
        Service::Patterns.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        let context = draw.key().into();
        Request::new(Service::Patterns.name(), tool::SELECT, &json!({ "intent": draw.intent() })).with_context(context)
    }

    fn follow_up(&self, sent: &Request, reply: &ToolReply<'_>, _draw: &mut Draw<'_>) -> Option<Request> {
        if sent.tool != tool::SELECT {
            return None;
        }
        let pattern = reply.value()["patterns"][0]["id"].as_str()?.to_owned();
        let usage = json!({ "patternId": pattern, "outcome": "accepted", "executionId": sent.context });
        Some(Request::new(Service::Patterns.name(), tool::LOG_USAGE, &usage))
    }
}
