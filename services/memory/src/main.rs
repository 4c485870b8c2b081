//! The memory service's process; everything it does is in the library.

use mcp_contracts::Service;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mcp_kit::run::<mcp_memory::MemoryCommand, _, _, _, _>(Service::Memory, mcp_memory::start)
}
