//! Tokens that a service makes to call another on behalf of its caller: the same user, organisation, workspace, plan and role, the scopes of
//! that one call and no other, and a short life. The caller's own token never leaves the service it was sent to.

use crate::settings::Settings;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mcp_contracts::claims::AUDIENCE;
use mcp_contracts::{Claims, ErrorCode, Scope, ToolError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Makes tokens for peers.
#[derive(Clone)]
pub struct Delegate {
    key: EncodingKey,
}

impl Delegate {
    /// Takes the key of the settings.
    pub fn new(settings: &Settings) -> Self {
        Self { key: EncodingKey::from_secret(settings.secret.reveal().as_bytes()) }
    }

    /// Makes a token for `claims` with exactly these scopes.
    ///
    /// # Errors
    /// The signing library refused.
    pub fn mint(&self, claims: &Claims, scopes: &[Scope], lifetime: Duration) -> Result<String, ToolError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let delegated = Claims {
            scopes: scopes.to_vec(),
            iat: now,
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
    fn a_delegated_token_is_for_the_same_person_and_for_less() {
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
        let seen = Authenticator::new(&settings).check(Some(format!("Bearer {token}").as_bytes())).unwrap();
        assert_eq!(
            (&seen.sub, &seen.org_id, &seen.workspace_slug),
            (&caller.sub, &caller.org_id, &caller.workspace_slug)
        );
        assert_eq!((seen.plan, &seen.role), (caller.plan, &caller.role));
        assert!(seen.allows(Scope::MemoryRead) && !seen.allows(Scope::MemoryWrite));
        assert_eq!(seen.exp - seen.iat, 60);
        assert_ne!(seen.jti, caller.jti);
    }
}
