//! Every operation: one file and one line of the list.

use super::operation::Operation;
use mcp_contracts::{Service, guardrails, memory, orchestrator, patterns};

macro_rules! operations {
    ($($file:ident :: $operation:ident),+ $(,)?) => {
        $(pub(super) mod $file;)+
        /// A seed draws from this list in its order.
        pub const OPERATIONS: &[&dyn Operation] = &[$(&$file::$operation),+];
    };
}

operations! {
    store_memory::StoreMemory,
    store_once::StoreOnce,
    get_memory::GetMemory,
    get_shared_memory::GetSharedMemory,
    probe_foreign::ProbeForeign,
    search_memory::SearchMemory,
    search_by_tag::SearchByTag,
    list_memories::ListMemories,
    walk_memories::WalkMemories,
    update_memory::UpdateMemory,
    update_if_unchanged::UpdateIfUnchanged,
    delete_memory::DeleteMemory,
    memory_stats::MemoryStats,
    check_guardrails::CheckGuardrails,
    validate_commit::ValidateCommit,
    scan_text::ScanText,
    select_pattern::SelectPattern,
    inject_pattern::InjectPattern,
    log_pattern_usage::LogPatternUsage,
    run_workflow::RunWorkflow,
    run_once::RunOnce,
    risky_workflow::RiskyWorkflow,
    read_execution::ReadExecution,
}

/// Returns the names that a mix and thresholds may use.
pub fn names() -> Vec<&'static str> {
    OPERATIONS.iter().map(|operation| operation.name()).collect()
}

/// Returns the service of a call in the history; `name` is that of a tool or of an operation.
pub fn service_of(name: &str) -> Option<&'static str> {
    let operation =
        || OPERATIONS.iter().find(|operation| operation.name() == name).map(|operation| operation.service());
    service_of_tool(name).map(Service::name).or_else(operation)
}

/// Returns the service that has a tool.
pub(crate) fn service_of_tool(tool: &str) -> Option<Service> {
    let tools: [(Service, &[&str]); 4] = [
        (Service::Memory, &memory::tool::ALL),
        (Service::Guardrails, &guardrails::tool::ALL),
        (Service::Patterns, &patterns::tool::ALL),
        (Service::Orchestrator, &orchestrator::tool::ALL),
    ];
    tools.into_iter().find(|(_, tools)| tools.contains(&tool)).map(|(service, _)| service)
}
