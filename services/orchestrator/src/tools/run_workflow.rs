//! `run_workflow`: runs an agent through guardrails, memory and patterns.

use super::SCOPES;
use crate::workflow::Workflow;
use mcp_contracts::orchestrator::{RunWorkflow, tool};
use mcp_kit::{Annotations, CallContext, Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::RUN_WORKFLOW,
    title: "Run an agent",
    description: "Runs an agent: `rca` makes a root-cause report of incident facts, `retro` a retrospective plan of a team's notes, \
                  `general` a brief of any task. The guardrails are asked first; what was learnt before is looked up, a fitting pattern \
                  is used, the outcome is remembered. The reply tells every step, and what stood in where something was down.",
    annotations: Annotations { read_only: false, destructive: false, idempotent: false },
    scopes: SCOPES,
};

pub(super) fn tool(workflow: Arc<Workflow>) -> Tool {
    Tool::asking(INFO, move |context: CallContext, request: RunWorkflow| {
        let workflow = Arc::clone(&workflow);
        async move { workflow.run(context, request).await }
    })
}
