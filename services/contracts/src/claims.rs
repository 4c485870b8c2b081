//! The claims of a bearer token: user, organisation, workspace, plan, role and scopes. The kit checks signatures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The audience that every token must have (RFC 8707).
pub const AUDIENCE: &str = "mcp";
/// The longest time from `iat` to `exp`, in seconds.
// The lifetime limits the damage of a stolen token that is not revoked.
pub const MAX_TOKEN_LIFETIME_SECS: u64 = 3_600;
/// The workspace if a token names none.
pub const DEFAULT_WORKSPACE: &str = "default";

/// Claims of an access token (JWT, RFC 7519).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: String,
    /// The organisation, which is the tenant: no request reads or changes data of another one.
    #[serde(rename = "orgId")]
    pub org_id: String,
    /// The workspace inside the organisation.
    #[serde(rename = "workspaceSlug", default = "default_workspace")]
    pub workspace_slug: String,
    /// The plan that the organisation pays for; it decides quotas and which rules and patterns apply.
    #[serde(default)]
    pub plan: Plan,
    /// Role of the user, such as `developer`.
    #[serde(default)]
    pub role: Role,
    /// Permissions of the token.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// Expiry, seconds since the epoch; required.
    pub exp: u64,
    /// Time of issue, seconds since the epoch.
    pub iat: u64,
    /// Id of this token.
    #[serde(default)]
    pub jti: String,
    /// Audience; must be [`AUDIENCE`].
    pub aud: String,
}

impl Claims {
    /// Returns true if the token has `scope` or `admin`, which includes all.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }
}

fn default_workspace() -> String {
    DEFAULT_WORKSPACE.to_owned()
}

/// Plan of an organisation.
// The derived order is that of the variants: a rule or pattern applies to its plan and to every greater one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    /// 100 calls per day and service.
    // The cheapest plan is the default, so that a token without a plan gets the smallest quota.
    #[default]
    Free,
    /// 3,000 calls per day and service.
    Pro,
    /// 10,000 calls per day and service.
    Team,
    /// Calls per day as the operator sets them.
    Enterprise,
}

impl Plan {
    /// Every plan, cheapest first.
    pub const ALL: [Self; 4] = [Self::Free, Self::Pro, Self::Team, Self::Enterprise];

    /// The name used in tokens, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Team => "team",
            Self::Enterprise => "enterprise",
        }
    }
}

/// Role of a user in the organisation: free text, `member` if the token names none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Role(pub String);

impl Default for Role {
    fn default() -> Self {
        Self("member".to_owned())
    }
}

/// A permission in a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Read memories.
    #[serde(rename = "memory.read")]
    MemoryRead,
    /// Write memories.
    #[serde(rename = "memory.write")]
    MemoryWrite,
    /// Delete memories.
    #[serde(rename = "memory.delete")]
    MemoryDelete,
    /// Consult guardrails.
    #[serde(rename = "guardrails.validate")]
    GuardrailsValidate,
    /// Pass on a user's acknowledgement of broken rules. Not for agents that run without a user.
    #[serde(rename = "guardrails.acknowledge")]
    GuardrailsAcknowledge,
    /// Select and inject patterns.
    #[serde(rename = "patterns.select")]
    PatternsSelect,
    /// Log outcomes that change recommendations. The orchestrator signs tokens with this scope.
    #[serde(rename = "patterns.rank")]
    PatternsRank,
    /// Run agents.
    #[serde(rename = "agents.run")]
    AgentsRun,
    /// All of the above.
    #[serde(rename = "admin")]
    Admin,
    /// Marks a call of a workflow that the orchestrator has charged already: the daily quota does not count it, only the burst limit applies.
    /// Only the orchestrator signs tokens with it, for calls to guardrails. It is not a permission, and `admin` does not include it.
    #[serde(rename = "quota.prepaid")]
    Prepaid,
    /// A scope that these services do not define; it is ignored.
    // A token with a scope of a newer release stays valid at the services of an older one.
    #[serde(other, rename = "unknown")]
    Unknown,
}

impl Scope {
    /// Every scope that a service may require.
    pub const ALL: [Self; 9] = [
        Self::MemoryRead,
        Self::MemoryWrite,
        Self::MemoryDelete,
        Self::GuardrailsValidate,
        Self::GuardrailsAcknowledge,
        Self::PatternsSelect,
        Self::PatternsRank,
        Self::AgentsRun,
        Self::Admin,
    ];

    /// The name used in tokens and challenges.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MemoryRead => "memory.read",
            Self::MemoryWrite => "memory.write",
            Self::MemoryDelete => "memory.delete",
            Self::GuardrailsValidate => "guardrails.validate",
            Self::GuardrailsAcknowledge => "guardrails.acknowledge",
            Self::PatternsSelect => "patterns.select",
            Self::PatternsRank => "patterns.rank",
            Self::AgentsRun => "agents.run",
            Self::Admin => "admin",
            Self::Prepaid => "quota.prepaid",
            Self::Unknown => "unknown",
        }
    }
}
