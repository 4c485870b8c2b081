//! Runs a workflow whose action is of low risk.

use super::check_guardrails;
use crate::drive::effect::SentEffect;
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request};
use mcp_contracts::Service;
use mcp_contracts::orchestrator::tool;
use serde_json::Value;

pub(super) const OPERATION: BuiltInOperation =
    BuiltInOperation::new(tool::RUN_WORKFLOW, Service::Orchestrator, |input| request(&arguments(input)));

/// Returns the arguments of a workflow that every rule allows.
pub(super) fn arguments(input: &mut RequestInput<'_>) -> Value {
    let mut arguments = check_guardrails::action(input);
    arguments["agent"] = "general".into();
    arguments
}

/// Returns a request to run a workflow.
pub(super) fn request(arguments: &Value) -> Request {
    let key = arguments["idempotencyKey"].as_str().map(Into::into);
    Request::new(Service::Orchestrator, tool::RUN_WORKFLOW, arguments).sending(SentEffect::Workflow { key })
}
