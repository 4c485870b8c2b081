//! The orchestrator's process; see the library.

use mcp_contracts::Service;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mcp_kit::run::<mcp_kit::NoCommand, _, _, _, _>(Service::Orchestrator, mcp_orchestrator::start)
}
