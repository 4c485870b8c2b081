//! Tokens with which a service calls another on behalf of its caller: the same user, organisation, workspace, plan and role, only the scopes
//! of that one call, and a short lifetime. The caller's own token never leaves the service that received it.

use crate::settings::Settings;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mcp_contracts::claims::AUDIENCE;
use mcp_contracts::{Claims, ErrorCode, Scope, ToolError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Signs tokens for calls to other services.
#[derive(Clone)]
pub struct Delegate {
    key: EncodingKey,
}

impl Delegate {
    pub fn new(settings: &Settings) -> Self {
        Self { key: EncodingKey::from_secret(settings.secret.reveal().as_bytes()) }
    }

    /// Signs a token for the caller with exactly these scopes.
    ///
    /// # Errors
    /// Fails if the token cannot be signed.
    pub fn mint(&self, claims: &Claims, scopes: &[Scope], lifetime: Duration) -> Result<String, ToolError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let delegated = Claims {
            scopes: scopes.to_vec(),
            iat: now,
            // Claims have whole seconds: a shorter lifetime would expire at once.
            exp: now + lifetime.as_secs().max(1),
            jti: uuid::Uuid::new_v4().to_string(),
            aud: AUDIENCE.to_owned(),
            ..claims.clone()
        };
        encode(&Header::new(Algorithm::HS256), &delegated, &self.key).map_err(|error| {
            ToolError::new(ErrorCode::Internal, format!("a token for a peer cannot be signed: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Authenticator;
    use mcp_contracts::{Plan, Role, Service};
    use std::collections::BTreeMap;

    #[test]
    fn a_delegated_token_has_the_same_user_and_fewer_scopes() {
        let settings = Settings::from_values(Service::Orchestrator, &BTreeMap::new()).unwrap();
        let caller = Claims {
            sub: "ann".into(),
            org_id: "acme".into(),
            workspace_slug: "billing".into(),
            plan: Plan::Team,
            role: Role("sre".into()),
            scopes: vec![Scope::Admin],
            exp: 1,
            iat: 0,
            jti: "t".into(),
            aud: AUDIENCE.into(),
        };
        let token = Delegate::new(&settings).mint(&caller, &[Scope::MemoryRead], Duration::from_secs(60)).unwrap();
        let claims =
            Authenticator::new(settings.accepted_secrets()).check(Some(format!("Bearer {token}").as_bytes())).unwrap();
        assert_eq!(
            (&claims.sub, &claims.org_id, &claims.workspace_slug),
            (&caller.sub, &caller.org_id, &caller.workspace_slug)
        );
        assert_eq!((claims.plan, &claims.role), (caller.plan, &caller.role));
        assert!(claims.allows(Scope::MemoryRead) && !claims.allows(Scope::MemoryWrite));
        assert_eq!(claims.exp - claims.iat, 60);
        assert_ne!(claims.jti, caller.jti);
    }
}
