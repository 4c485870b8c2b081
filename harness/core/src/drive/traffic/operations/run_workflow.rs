//! Runs a workflow whose action is of low risk.

use super::check_guardrails;
use crate::drive::traffic::operation::{Draw, Operation, Request};
use mcp_contracts::Service;
use mcp_contracts::orchestrator::tool;
use serde_json::Value;

pub(super) struct RunWorkflow;

/// Returns the arguments of a workflow that every rule allows.
pub(super) fn arguments(draw: &mut Draw<'_>) -> Value {
    let mut arguments = check_guardrails::action(draw);
    arguments["agent"] = "general".into();
    arguments
}

/// Returns a request to run a workflow.
pub(super) fn request(arguments: &Value) -> Request {
    Request::new(Service::Orchestrator.name(), tool::RUN_WORKFLOW, arguments)
}

impl Operation for RunWorkflow {
    fn name(&self) -> &str {
        tool::RUN_WORKFLOW
    }

    fn service(&self) -> &str {
        Service::Orchestrator.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        request(&arguments(draw))
    }
}
