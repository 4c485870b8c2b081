//! Runs a workflow whose action is of high risk. Without a verdict it must be blocked.

use super::run_workflow;
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request};
use mcp_contracts::Service;
use serde_json::json;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(NAME, Service::Orchestrator, request);

const NAME: &str = "risky_workflow";

fn request(input: &mut RequestInput<'_>) -> Request {
    let arguments =
        json!({ "agent": "general", "action": "deploy", "intent": input.intent(), "text": "roll out the fix" });
    run_workflow::request(&arguments).named(NAME)
}
