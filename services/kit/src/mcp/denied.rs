//! Log lines of denied requests: who was denied what, and why. Anyone can cause them at any rate, so a few of each reason are written in a second, and
//! each line has the number of those that were left out before it.

use crate::auth::Refusal;
use crate::telemetry::{Sampled, trace_id_of};
use http::request::Parts;
use mcp_contracts::Claims;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// The lines of each kind and reason. Each reason has a bound of its own, so that a flood of one reason, such as requests without a token, cannot hide
/// the others. Reasons are labels in the code, so their number is bounded.
static LINES: Mutex<BTreeMap<(Kind, &'static str), Sampled>> = Mutex::new(BTreeMap::new());

/// The refusal of a token that was valid and is on the list of revoked ones.
pub(super) const REVOKED: Refusal = Refusal("revoked");

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A request that was denied before its user was known.
    Stranger,
    User,
}

/// Returns the number of lines that were left out since the last one, or `None` if this line must be left out too.
fn next(kind: Kind, reason: &'static str) -> Option<u64> {
    LINES.lock().entry((kind, reason)).or_default().next()
}

/// Logs a request that was denied before its user was known. `reason` is a label, never a text of the client.
pub(super) fn log_stranger(head: &Parts, reason: &'static str) {
    if let Some(unlogged) = next(Kind::Stranger, reason) {
        let trace_id = trace_id_of(&head.headers);
        // The path is one of those that are served.
        tracing::info!(reason, path = head.uri.path(), traceId = trace_id.as_deref(), unlogged, "request denied");
    }
}

/// Logs a request with a revoked token. Its signature is valid, so its user is known; the use of such a token is what an operator looks for.
pub(super) fn log_revoked(head: &Parts, claims: &Claims) {
    let reason = REVOKED.0;
    if let Some(unlogged) = next(Kind::User, reason) {
        let trace_id = trace_id_of(&head.headers);
        let path = head.uri.path();
        tracing::info!(
            reason,
            path,
            userId = claims.sub,
            orgId = claims.org_id,
            traceId = trace_id.as_deref(),
            unlogged,
            "request denied"
        );
    }
}

/// Logs a call that a user was denied.
pub(super) fn log_user(head: &Parts, claims: &Claims, tool: &'static str, reason: &'static str) {
    if let Some(unlogged) = next(Kind::User, reason) {
        let trace_id = trace_id_of(&head.headers);
        tracing::info!(
            reason,
            userId = claims.sub,
            orgId = claims.org_id,
            tool,
            traceId = trace_id.as_deref(),
            unlogged,
            "call denied"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, next};

    #[test]
    fn a_flood_of_one_reason_hides_no_other_reason() {
        let flood = (0..100).filter(|_| next(Kind::Stranger, "of a flood").is_some()).count();
        assert!((1..100).contains(&flood), "{flood} of 100 lines were written");
        assert_eq!(next(Kind::Stranger, "of an attack"), Some(0));
        assert_eq!(next(Kind::User, "of a flood"), Some(0), "the same reason of a user");
    }
}
