//! Runs a workflow whose action is of high risk. Without a verdict it must be blocked.

use super::run_workflow;
use crate::drive::traffic::operation::{Coded, Draw, Request};
use mcp_contracts::Service;
use serde_json::json;

pub(super) const OPERATION: Coded = Coded::new(NAME, Service::Orchestrator, request);

const NAME: &str = "risky_workflow";

fn request(draw: &mut Draw<'_>) -> Request {
    let arguments =
        json!({ "agent": "general", "action": "deploy", "intent": draw.intent(), "text": "roll out the fix" });
    run_workflow::request(&arguments).named(NAME)
}
