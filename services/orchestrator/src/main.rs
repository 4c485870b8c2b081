//! The orchestrator's process; everything it does is in the library.

use mcp_contracts::Service;
use std::process::ExitCode;

// mimalloc takes a fifth to a third off the CPU of the services.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mcp_kit::run::<mcp_orchestrator::store::OrchestratorCommand, _, _, _, _>(
        Service::Orchestrator,
        mcp_orchestrator::start,
    )
}
