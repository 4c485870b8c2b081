//! Quotas: limits hold under concurrency, their headers are true, and no name reaches another counter.

pub(crate) mod daily;
pub(crate) mod names;
pub(crate) mod outage;
pub(crate) mod retry;
pub(crate) mod start;

use harness_core::drive::hardening::{Answer, Caller, HttpRequest, Probe, Stop};
use mcp_contracts::{Service, headers};
use serde_json::json;

/// Returns a call that costs quota, and the part that it goes to.
fn charged(probe: &Probe<'_>, user: &Caller) -> Result<(String, HttpRequest), Stop> {
    let part = probe.need(Service::Memory)?;
    Ok((part, HttpRequest::tool("memory_stats", &json!({})).bearer(&user.token)))
}

/// Returns a number in a header.
fn number(answer: &Answer, name: &str) -> Option<u64> {
    answer.header(name)?.parse().ok()
}

fn remaining(answer: &Answer) -> Option<u64> {
    number(answer, headers::RATELIMIT_REMAINING)
}
