//! Callers, their tokens, and the claims of a token that was checked.

use crate::{SECRET, now};
use jsonwebtoken::{EncodingKey, Header, encode};
use mcp_contracts::claims::{AUDIENCE, DEFAULT_WORKSPACE};
use mcp_contracts::{Claims, Plan, Role, Scope};
use serde_json::json;

/// A caller: its fields become the claims of a token.
#[derive(Debug, Clone)]
pub struct Caller {
    pub org: String,
    pub user: String,
    pub workspace: String,
    pub plan: Plan,
    pub role: String,
    pub scopes: Vec<Scope>,
}

/// Returns the claims of a user of `org` in the default workspace, on the enterprise plan, that never expire.
pub fn claims(org: &str, user: &str, scopes: &[Scope]) -> Claims {
    Claims {
        sub: user.to_owned(),
        org_id: org.to_owned(),
        workspace_slug: DEFAULT_WORKSPACE.to_owned(),
        plan: Plan::Enterprise,
        role: Role::default(),
        scopes: scopes.to_vec(),
        exp: u64::MAX,
        iat: 0,
        jti: String::new(),
        aud: AUDIENCE.to_owned(),
    }
}

impl Caller {
    /// Returns the user `ann` of `org`, on the enterprise plan.
    pub fn new(org: &str, scopes: &[Scope]) -> Self {
        Self {
            org: org.to_owned(),
            user: "ann".to_owned(),
            workspace: "default".to_owned(),
            plan: Plan::Enterprise,
            role: "developer".to_owned(),
            scopes: scopes.to_vec(),
        }
    }

    /// Signs a token that is valid for 10 minutes.
    pub fn token(&self) -> String {
        self.token_signed_with(SECRET)
    }

    pub fn token_signed_with(&self, secret: &str) -> String {
        let claims = json!({
            "sub": self.user, "orgId": self.org, "workspaceSlug": self.workspace, "plan": self.plan, "role": self.role,
            "scopes": self.scopes, "iat": now(), "exp": now() + 600, "aud": "mcp",
        });
        encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }
}
