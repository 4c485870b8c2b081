//! What a verdict token says: a verdict as other services demand it, bound to one organisation, execution and request.
//! Signing and checking is the kit's work; here are only the words.

use serde::{Deserialize, Serialize};

/// The audience of a verdict token; an access token never has it, so neither passes for the other.
pub const VERDICT_AUDIENCE: &str = "mcp-verdict";
/// How long a verdict token is good, in seconds.
pub const VERDICT_LIFETIME_SECS: u64 = 120;

/// What a verdict token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictKind {
    /// No rule stands against it; good for any use of the same request until it expires.
    Allow,
    /// Somebody must acknowledge it first; good for `acknowledge_guardrails` alone, once.
    Acknowledge,
    /// Somebody has acknowledged it; good once.
    Acknowledged,
}

/// Claims of a verdict token (JWT, RFC 7519).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerdictClaims {
    /// What it stands for.
    pub kind: VerdictKind,
    /// Organisation that it is for.
    pub org_id: String,
    /// User that asked.
    pub sub: String,
    /// Execution that it is for.
    pub execution_id: String,
    /// SHA-256 of the request's canonical bytes, in hexadecimal.
    pub request_hash: String,
    /// Version of the rules that decided.
    pub rules_version: String,
    /// Rules that it leaves broken, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Expiry, seconds since the epoch.
    pub exp: u64,
    /// Time of issue, seconds since the epoch.
    pub iat: u64,
    /// Identity of this token; what makes single use possible.
    pub jti: String,
    /// Audience; [`VERDICT_AUDIENCE`].
    pub aud: String,
}
