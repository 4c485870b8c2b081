//! The contract between the services, their clients and the harness: names, requests, replies, error codes and limits.
//! Pure data (serde and schemars only): nothing here reaches a network, a clock, a file or the environment.

#![warn(missing_docs)]

pub mod claims;
pub mod env;
pub mod error;
pub mod guardrails;
pub mod headers;
pub mod limits;
pub mod memory;
pub mod metric;
pub mod orchestrator;
pub mod patterns;
pub mod rpc;
pub mod service;

pub use claims::{Claims, Plan, Role, Scope};
pub use error::{ErrorCode, ToolError};
pub use service::Service;
