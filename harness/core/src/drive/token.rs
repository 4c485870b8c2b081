//! Mints access tokens: HS256 with the secret of the stack, and the claims of the contract.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mcp_contracts::claims::{AUDIENCE, Claims, DEFAULT_WORKSPACE, MAX_TOKEN_LIFETIME_SECS, Plan, Role, Scope};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub user: String,
    pub organisation: String,
    pub workspace: String,
    pub plan: Plan,
    pub role: Role,
    pub scopes: Vec<Scope>,
    /// Time until the token expires; at most an hour.
    pub lifetime: Duration,
}

impl Grant {
    /// Returns a grant of the memory scopes, on the enterprise plan and in the default workspace, for half an hour.
    pub fn memory(organisation: impl Into<String>, user: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            organisation: organisation.into(),
            workspace: DEFAULT_WORKSPACE.to_owned(),
            plan: Plan::Enterprise,
            role: Role::default(),
            scopes: vec![Scope::MemoryRead, Scope::MemoryWrite, Scope::MemoryDelete],
            lifetime: Duration::from_secs(1_800),
        }
    }

    /// Returns a grant of every scope except `admin`, on the enterprise plan and in the default workspace, for half an
    /// hour.
    pub fn everything(organisation: impl Into<String>, user: impl Into<String>) -> Self {
        // An admin may read the executions of colleagues, so a user with this scope could not prove isolation.
        let scopes = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Admin).collect();
        Self { scopes, ..Self::memory(organisation, user) }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error(
        "cannot mint a token with a lifetime of {seconds} s: the services accept at most {MAX_TOKEN_LIFETIME_SECS} s\n\
         hint: request a shorter lifetime and mint a new token before it ends"
    )]
    TooLong { seconds: u64 },
    #[error("cannot mint a token with a lifetime of 0 s\nhint: request at least one second")]
    NoLifetime,
    #[error("cannot sign a token: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// Now, in seconds since the epoch.
pub(crate) fn wall_clock_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Signs tokens with one secret.
pub struct Minter {
    key: EncodingKey,
}

impl Minter {
    /// Creates a minter. `secret` is the `JWT_SECRET` of the services.
    pub fn new(secret: &str) -> Self {
        Self { key: EncodingKey::from_secret(secret.as_bytes()) }
    }

    /// Mints a token that is valid from now on.
    ///
    /// # Errors
    /// A lifetime of zero or of more than an hour, or a failure of the signing library.
    pub fn mint(&self, grant: &Grant) -> Result<String, TokenError> {
        self.mint_at(grant, wall_clock_s())
    }

    /// Mints a token that is valid from `now`, in seconds since the epoch.
    ///
    /// # Errors
    /// See [`Minter::mint`].
    pub fn mint_at(&self, grant: &Grant, now: u64) -> Result<String, TokenError> {
        // Checked here, because a service would answer 401 and the run would blame the service.
        let lifetime = grant.lifetime.as_secs();
        if lifetime > MAX_TOKEN_LIFETIME_SECS {
            return Err(TokenError::TooLong { seconds: lifetime });
        }
        if lifetime == 0 {
            return Err(TokenError::NoLifetime);
        }
        let claims = Claims {
            sub: grant.user.clone(),
            org_id: grant.organisation.clone(),
            workspace_slug: grant.workspace.clone(),
            plan: grant.plan,
            role: grant.role.clone(),
            scopes: grant.scopes.clone(),
            exp: now + lifetime,
            iat: now,
            jti: uuid::Uuid::new_v4().to_string(),
            aud: AUDIENCE.to_owned(),
        };
        Ok(encode(&Header::new(Algorithm::HS256), &claims, &self.key)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{Claims, Duration, Grant, Minter, TokenError};
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn validation() -> Validation {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&["mcp"]);
        validation
    }

    #[test]
    fn a_minted_token_carries_the_claims_of_the_grant() {
        let grant = Grant::memory("org-1", "user-2");
        let token = Minter::new(SECRET).mint(&grant).unwrap();
        let claims =
            decode::<Claims>(&token, &DecodingKey::from_secret(SECRET.as_bytes()), &validation()).unwrap().claims;
        assert_eq!((claims.org_id.as_str(), claims.sub.as_str()), ("org-1", "user-2"));
        assert_eq!((claims.exp - claims.iat, claims.scopes), (1_800, grant.scopes));
    }

    #[test]
    fn a_token_of_another_secret_does_not_verify() {
        let token = Minter::new(SECRET).mint(&Grant::memory("o", "u")).unwrap();
        let other = DecodingKey::from_secret(b"another secret of the same length");
        assert!(decode::<Claims>(&token, &other, &validation()).is_err());
    }

    #[test]
    fn a_lifetime_that_the_services_refuse_is_refused_here() {
        let mut grant = Grant::memory("o", "u");
        grant.lifetime = Duration::from_secs(3_601);
        assert!(matches!(Minter::new(SECRET).mint_at(&grant, 1), Err(TokenError::TooLong { seconds: 3_601 })));
        grant.lifetime = Duration::ZERO;
        assert!(matches!(Minter::new(SECRET).mint_at(&grant, 1), Err(TokenError::NoLifetime)));
    }
}
