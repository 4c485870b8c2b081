//! Mints access tokens as the services check them: HS256 with the stack's secret, the claims of the contract.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mcp_contracts::claims::{AUDIENCE, Claims, DEFAULT_WORKSPACE, MAX_TOKEN_LIFETIME_SECS, Plan, Role, Scope};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Who a token is for and what it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The user.
    pub user: String,
    /// The organisation.
    pub organisation: String,
    /// The workspace inside the organisation.
    pub workspace: String,
    /// Plan of the organisation.
    pub plan: Plan,
    /// Role of the user.
    pub role: Role,
    /// What the token allows.
    pub scopes: Vec<Scope>,
    /// How long it is valid, at most an hour.
    pub lifetime: Duration,
}

impl Grant {
    /// A grant of the memory scopes on the enterprise plan in the default workspace, for half an hour.
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
}

impl Grant {
    /// A grant of every scope but `admin` on the enterprise plan in the default workspace, for half an hour.
    pub fn everything(organisation: impl Into<String>, user: impl Into<String>) -> Self {
        let scopes = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Admin).collect();
        Self { scopes, ..Self::memory(organisation, user) }
    }
}

/// Why a token was not minted.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The services refuse a longer life.
    #[error(
        "cannot mint a token that lives {asked} s: the services accept at most {MAX_TOKEN_LIFETIME_SECS} s\n\
         hint: ask for a shorter life and mint a new one before it ends"
    )]
    TooLong {
        /// What was asked for, in seconds.
        asked: u64,
    },
    /// Every call with it would be refused.
    #[error("cannot mint a token that lives 0 s\nhint: ask for at least one second")]
    NoLife,
    /// The signing library refused.
    #[error("cannot sign a token: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// Signs tokens with one secret.
pub struct Minter {
    key: EncodingKey,
}

impl Minter {
    /// Takes the secret that the services know as `JWT_SECRET`.
    pub fn new(secret: &str) -> Self {
        Self { key: EncodingKey::from_secret(secret.as_bytes()) }
    }

    /// Mints a token that is valid from now on.
    ///
    /// # Errors
    /// A life of zero or of more than an hour, or a failure of the signing library.
    pub fn mint(&self, grant: &Grant) -> Result<String, TokenError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.mint_at(grant, now)
    }

    /// Mints a token that is valid from `now`, in seconds since the epoch.
    ///
    /// # Errors
    /// See [`Minter::mint`].
    pub fn mint_at(&self, grant: &Grant, now: u64) -> Result<String, TokenError> {
        let lifetime = grant.lifetime.as_secs();
        if lifetime > MAX_TOKEN_LIFETIME_SECS {
            return Err(TokenError::TooLong { asked: lifetime });
        }
        if lifetime == 0 {
            return Err(TokenError::NoLife);
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
    fn a_life_that_the_services_refuse_is_refused_here() {
        let mut grant = Grant::memory("o", "u");
        grant.lifetime = Duration::from_secs(3_601);
        assert!(matches!(Minter::new(SECRET).mint_at(&grant, 1), Err(TokenError::TooLong { asked: 3_601 })));
        grant.lifetime = Duration::ZERO;
        assert!(matches!(Minter::new(SECRET).mint_at(&grant, 1), Err(TokenError::NoLife)));
    }
}
