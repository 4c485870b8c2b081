//! `run_workflow`: runs an agent through guardrails, memory and patterns.

use super::SCOPES;
use crate::workflow::Workflow;
use mcp_contracts::orchestrator::{RunWorkflow, tool};
use mcp_kit::{Annotations, CallContext, Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::RUN_WORKFLOW,
    title: "Run an agent",
    description: "Runs an agent: `rca` writes a root-cause report from incident facts, `retro` a retrospective plan from a team's notes, \
                  `general` a brief for any other task. Checks the guardrails first, looks up related memories, injects the best pattern, and \
                  remembers the outcome. The reply lists every step and the fallback of each service that was down.",
    annotations: Annotations { read_only: false, destructive: false, idempotent: false },
    scopes: SCOPES,
};

pub(super) fn tool(workflow: Arc<Workflow>) -> Tool {
    Tool::with_elicitation(INFO, move |context: CallContext, request: RunWorkflow| {
        let workflow = Arc::clone(&workflow);
        async move { workflow.run(context, request).await }
    })
}
