//! Every operation: one file and one line of the list.

use super::operation::Operation;
use mcp_contracts::{Service, guardrails, memory, orchestrator, patterns};

macro_rules! operations {
    ($($file:ident),+ $(,)?) => {
        $(pub(super) mod $file;)+
        /// The order matters: in another order, the same seed would choose other operations.
        pub const OPERATIONS: &[&dyn Operation] = &[$(&$file::OPERATION),+];
    };
}

operations! {
    store_memory,
    store_once,
    get_memory,
    get_shared_memory,
    probe_foreign,
    search_memory,
    search_by_tag,
    list_memories,
    walk_memories,
    update_memory,
    update_if_unchanged,
    delete_memory,
    memory_stats,
    check_guardrails,
    validate_commit,
    scan_text,
    select_pattern,
    inject_pattern,
    log_pattern_usage,
    run_workflow,
    run_once,
    risky_workflow,
    read_execution,
    import_memories,
    export_memories,
    probe_foreign_search,
    probe_foreign_cursor,
    probe_workspace,
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
