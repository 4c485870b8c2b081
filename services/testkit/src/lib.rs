//! What the tests of every service need: tokens, a client that speaks MCP, a service in this process, and a service as a process of its
//! own. Linked as a dev-dependency only, so nothing here reaches a production binary.
#![expect(clippy::unwrap_used, reason = "a test ends when its service cannot be used")]

mod caller;
mod client;
mod process;
mod server;
pub mod verdict;

pub use caller::Caller;
pub use client::{Client, error};
pub use process::{Process, wait_until};
pub use server::Server;

/// Key of all tokens that tests sign.
pub const SECRET: &str = "key-of-the-tests-key-of-the-tests-key-of-the-tests";

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
