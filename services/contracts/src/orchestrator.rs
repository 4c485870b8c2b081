//! The orchestrator: tool names, requests, replies, and the reply of its quota page.

mod reply;
mod request;

pub use reply::*;
pub use request::*;

/// Tool names, in the order of `tools/list`.
pub mod tool {
    /// Runs an agent with guardrails, memory and patterns.
    pub const RUN_WORKFLOW: &str = "run_workflow";
    /// Returns one execution.
    pub const GET_EXECUTION: &str = "get_execution";
    /// Lists executions of the caller, newest first.
    pub const LIST_EXECUTIONS: &str = "list_executions";

    /// Every tool.
    pub const ALL: [&str; 3] = [RUN_WORKFLOW, GET_EXECUTION, LIST_EXECUTIONS];
}

/// Path of the page with the caller's remaining quota at each service (GET, with the access token).
pub const QUOTA_PATH: &str = "/api/v1/mcp/quota";
