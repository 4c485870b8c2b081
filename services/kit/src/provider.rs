//! Tokens of an identity provider: signed with RS256 or ES256 by a key that the provider publishes. They are accepted in addition to those of the
//! shared secret (decision 0032).

mod keys;

use crate::auth::{ClaimNames, Expected, MAX_TOKEN_BYTES, RawClaims, Refusal};
use crate::auth::{has_critical_extension, now_secs, signature_only};
use crate::env_reader::{EnvReader, Environment};
use crate::readiness::Readiness;
use jsonwebtoken::{Algorithm, decode, decode_header};
use keys::KeySet;
use mcp_contracts::{Claims, Scope, env};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// Maximum value of `JWT_MAX_LIFETIME_SECS`.
// A day is the longest default of the usual providers (Auth0).
pub(crate) const MAX_LIFETIME_SECS: u64 = 86_400;
/// Maximum number of tokens in the cache of checked tokens.
const MAX_CHECKED_TOKENS: usize = 4_096;

/// The algorithms of a provider. Tokens with any other algorithm are checked with the shared secret, so that a public key is never used as a secret.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES256];

/// The URL of the keys, and the claims that the tokens must have.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    url: reqwest::Url,
    http: reqwest::Client,
    expected: Expected,
}

impl ProviderSettings {
    /// Reads the settings. Returns `None` if `JWKS_URL` is not set, or if a setting is invalid; the reader reports the problems.
    pub(crate) fn read(reader: &mut EnvReader<'_>, environment: Environment) -> Option<Self> {
        let required = [env::JWT_ISSUER, env::JWT_AUDIENCE, env::JWT_MAX_LIFETIME_SECS];
        let Some(url) = reader.http_url(env::JWKS_URL) else {
            for name in required {
                if reader.text(name).is_some() && reader.text(env::JWKS_URL).is_none() {
                    reader.problem(name, format_args!("has no effect without `{}`", env::JWKS_URL));
                }
            }
            return None;
        };
        for name in required {
            if reader.text(name).is_none() {
                // There are no defaults: they would accept a token for another service of the same provider, or one that lives for years.
                reader.problem(name, format_args!("is required with `{}`", env::JWKS_URL));
            }
        }
        let lifetime = reader.optional_number(env::JWT_MAX_LIFETIME_SECS, 60, MAX_LIFETIME_SECS);
        let url = reqwest::Url::parse(&url).map_err(|error| reader.problem(env::JWKS_URL, error)).ok()?;
        let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if environment == Environment::Production && url.scheme() != "https" && !loopback {
            // An attacker who can change the reply could sign any token.
            reader.problem(env::JWKS_URL, "must begin with `https://` in production");
        }
        let http = keys::client().map_err(|error| reader.problem(env::JWKS_URL, error)).ok()?;
        let name = |variable| reader.text(variable).unwrap_or_default();
        let names = ClaimNames {
            organisation: name(env::JWT_CLAIM_ORGANISATION),
            workspace: name(env::JWT_CLAIM_WORKSPACE),
            user: name(env::JWT_CLAIM_USER),
            scopes: name(env::JWT_CLAIM_SCOPES),
            plan: name(env::JWT_CLAIM_PLAN),
        };
        let (issuer, audience) = (reader.text(env::JWT_ISSUER)?, reader.text(env::JWT_AUDIENCE)?);
        let expected = Expected { issuer: Some(issuer), audience, max_lifetime_secs: lifetime?, names };
        Some(Self { url, http, expected })
    }

    pub(crate) const fn max_lifetime_secs(&self) -> u64 {
        self.expected.max_lifetime_secs
    }

    pub(crate) fn issuer(&self) -> Option<String> {
        self.expected.issuer.clone()
    }
}

/// Checks tokens of the provider.
pub(crate) struct Provider {
    expected: Expected,
    keys: KeySet,
    checked: RwLock<CheckedTokens>,
}

/// The tokens that were checked with one generation of keys. When the keys change, all entries lapse, so that no token of a withdrawn key stays.
#[derive(Default)]
struct CheckedTokens {
    generation: u64,
    claims: HashMap<Box<str>, Arc<Claims>>,
}

impl Provider {
    /// Begins to fetch the keys. Readiness waits for the first attempt and reports a provider that does not answer.
    pub(crate) fn start(settings: ProviderSettings, readiness: &Readiness) -> Self {
        let ProviderSettings { url, http, expected } = settings;
        Self { expected, keys: KeySet::start(url, http, readiness.clone()), checked: RwLock::default() }
    }

    /// Returns true if the header of a token names an algorithm of a provider.
    pub(crate) fn names_provider_algorithm(token: &str) -> bool {
        token.len() <= MAX_TOKEN_BYTES && decode_header(token).is_ok_and(|header| ALGORITHMS.contains(&header.alg))
    }

    pub(crate) async fn check(&self, token: &str) -> Result<Arc<Claims>, Refusal> {
        let now = now_secs();
        if let Some(claims) = self.cached(token) {
            return if claims.exp > now { Ok(claims) } else { Err(Refusal("expired")) };
        }
        let header = decode_header(token).map_err(|_| Refusal("malformed"))?;
        if has_critical_extension(token) {
            return Err(Refusal("critical_extension"));
        }
        let (generation, key) =
            self.keys.find(header.kid.as_deref(), header.alg).await.ok_or(Refusal("unknown_key"))?;
        let decoded = decode::<RawClaims>(token, &key, &signature_only(header.alg));
        let decoded = decoded.map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => Refusal("signature"),
            _ => Refusal("malformed"),
        })?;
        let mut claims = decoded.claims.read(&self.expected, now)?;
        // Only the orchestrator may say that a call was paid for.
        claims.scopes.retain(|scope| *scope != Scope::Prepaid);
        let claims = Arc::new(claims);
        self.remember(token, generation, &claims);
        Ok(claims)
    }

    fn cached(&self, token: &str) -> Option<Arc<Claims>> {
        let checked = self.checked.read();
        (checked.generation == self.keys.generation()).then(|| checked.claims.get(token).cloned())?
    }

    fn remember(&self, token: &str, generation: u64, claims: &Arc<Claims>) {
        let mut checked = self.checked.write();
        // Dropping all tokens costs one check of a signature for each; keeping them in an order of eviction would cost time in every call.
        if checked.generation != generation || checked.claims.len() >= MAX_CHECKED_TOKENS {
            *checked = CheckedTokens { generation, claims: HashMap::new() };
        }
        checked.claims.insert(token.into(), Arc::clone(claims));
    }
}
