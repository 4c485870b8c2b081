//! The fault proxy: one listener for each edge between two parts. It forwards every byte, records the HTTP exchanges, and applies toxics to the
//! traffic. Each toxic is one file. This crate knows no service, no plan and no history.

mod connection;
mod direction_queue;
mod draw;
pub mod fidelity;
mod http;
mod link;
mod operation;
mod proxy;
mod redis;
mod rules;
mod tally;
mod tap;
pub mod toxic;

pub use proxy::{MAX_CONNECTIONS, Options, Proxy, ProxyError};
pub use rules::{Guard, MAX_RULES, RequestFilter, Rule, RuleDirection, RuleError};
pub use tally::{Hits, Tally};
pub use tap::{Exchange, MAX_BODY_BYTES, MAX_EXCHANGES, MAX_LOG_BYTES, Tap};
pub use toxic::Toxic;
