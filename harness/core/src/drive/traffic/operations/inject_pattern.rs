//! Requests a verdict, selects a pattern, and injects it with that verdict, as the orchestrator does in a workflow.

use super::check_guardrails;
use crate::drive::effect::injection;
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request, ToolReply};
use mcp_contracts::{Service, guardrails, patterns};
use serde_json::{Map, Value, json};

pub(super) const OPERATION: BuiltInOperation =
    BuiltInOperation::new(patterns::tool::INJECT, Service::Guardrails, request).followed_by(follow_up);

fn request(input: &mut RequestInput<'_>) -> Request {
    let action = check_guardrails::action(input);
    Request::new(Service::Guardrails, guardrails::tool::CHECK, &action).with_context(json!({ "request": action }))
}

fn follow_up(sent: &Request, reply: &ToolReply<'_>) -> Option<Request> {
    let (answer, mut known) = (reply.value(), sent.context.clone());
    match &*sent.tool {
        guardrails::tool::CHECK => {
            known["verdictToken"] = answer["verdictToken"].as_str()?.into();
            known["executionId"] = answer["executionId"].clone();
            let intent = json!({ "intent": "investigate an incident" });
            Some(Request::new(Service::Patterns, patterns::tool::SELECT, &intent).with_context(known))
        }
        patterns::tool::SELECT => {
            let pattern = &answer["patterns"][0];
            known["patternId"] = pattern["id"].as_str()?.into();
            let names = pattern["variables"].as_array().into_iter().flatten().filter_map(Value::as_str);
            // The service injects only values that are a part of the judged request (decision 0023).
            let value = known["request"]["text"].clone();
            known["variables"] = names.map(|name| (name.to_owned(), value.clone())).collect::<Map<_, _>>().into();
            let text = |name: &str| known[name].as_str().unwrap_or_default();
            let sent = injection(text("patternId"), text("executionId"), &known["request"]);
            Some(Request::new(Service::Patterns, patterns::tool::INJECT, &known).sending(sent))
        }
        _ => None,
    }
}
