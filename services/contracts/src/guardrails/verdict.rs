//! The claims of a verdict token: a verdict for other services, bound to one organisation, user, execution and request. The kit signs and
//! checks tokens.

use serde::{Deserialize, Serialize};

/// The audience of a verdict token. Access tokens have another one, so neither kind is accepted as the other.
pub const VERDICT_AUDIENCE: &str = "mcp-verdict";
/// Lifetime of a verdict token, in seconds.
// A verdict cannot be revoked, so a changed rule takes effect on every action only after this time (decision 0011).
pub const VERDICT_LIFETIME_SECS: u64 = 120;

/// Kind of a verdict token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictKind {
    /// No rule forbids the action. Valid for any number of uses of the same request until it expires.
    Allow,
    /// A user must acknowledge broken rules first. Valid only for `acknowledge_guardrails`, once.
    Acknowledge,
    /// A user has acknowledged the broken rules. Valid once.
    Acknowledged,
}

/// Claims of a verdict token (JWT, RFC 7519).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerdictClaims {
    /// Kind of verdict.
    pub kind: VerdictKind,
    /// Organisation that it is for.
    pub org_id: String,
    /// User who requested the verdict.
    pub sub: String,
    /// Execution that it is for.
    pub execution_id: String,
    /// SHA-256 of the request's canonical bytes, in hexadecimal.
    pub request_hash: String,
    /// Version of the rules.
    pub rules_version: String,
    /// Ids of the broken rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Expiry, seconds since the epoch.
    pub exp: u64,
    /// Time of issue, seconds since the epoch.
    pub iat: u64,
    /// Id of this token; it makes single use possible.
    pub jti: String,
    /// Audience; [`VERDICT_AUDIENCE`].
    pub aud: String,
}
