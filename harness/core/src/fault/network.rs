//! Something happens on the way between two parts: a rule of the proxy on it. The proxy is part of the harness, so that with the harness
//! every rule is gone, whatever ended it, and nothing has to be undone by anybody else.

use super::error::FaultError;
use super::injection::Injection;
use chaos_proxy::{Guard, Hits, Rule};

pub(super) fn inject(injection: &Injection<'_>, from: &str, to: &str, rule: &Rule) -> Result<Guard, FaultError> {
    let proxy = injection.stack.proxy(from, to).ok_or_else(|| FaultError::NoProxy { fault: injection.name.clone() })?;
    proxy.add(rule.clone()).map_err(|error| injection.refused(error))
}

/// How many requests a rule hit so far.
pub(super) fn hits(guard: &Guard) -> (u64, String) {
    counted(guard.rule(), guard.hits())
}

/// Requests where the proxy saw requests, connections where it ended these before any request.
pub(super) fn counted(rule: &Rule, hits: Hits) -> (u64, String) {
    let (count, what) = if hits.operations > 0 || hits.connections == 0 {
        (hits.operations, "requests")
    } else {
        (hits.connections, "connections")
    };
    (count, format!("{what} that the proxy says `{}` touched", rule.toxic.kind()))
}
