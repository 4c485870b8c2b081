//! Helpers for the tests of all services: tokens and claims, an MCP client, a service in the test's own process, and a service as a process of its own.
//! This crate is linked as a dev-dependency only, so none of it reaches a production binary.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

mod caller;
mod client;
mod postgres;
mod process;
mod server;
pub mod verdict;

pub use caller::{Caller, claims};
pub use client::{Client, error};
pub use postgres::{PostgresDatabase, PostgresServer};
pub use process::{Process, wait_until};
pub use server::Server;

/// Key that signs the tokens of tests, and that the services under test accept.
pub const SECRET: &str = "key-of-the-tests-key-of-the-tests-key-of-the-tests";

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
