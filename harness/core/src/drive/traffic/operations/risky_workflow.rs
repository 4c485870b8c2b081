//! Runs a workflow whose action is of high risk: it must not go on without a verdict.

use crate::drive::traffic::operation::{Draw, Operation, Request};
use super::run_workflow;
use mcp_contracts::Service;
use serde_json::json;

pub(super) struct RiskyWorkflow;

const NAME: &str = "risky_workflow";

impl Operation for RiskyWorkflow {
    fn name(&self) -> &str {
        NAME
    }

    fn service(&self) -> &str {
        Service::Orchestrator.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        let arguments =
            json!({ "agent": "general", "action": "deploy", "intent": draw.intent(), "text": "roll out the fix" });
        run_workflow::request(&arguments).named(NAME)
    }
}
