//! Checks bearer tokens (JWT, HS256). The reason for a refusal goes to the log and the metric, never to the client.

use crate::settings::{Secret, Settings};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use mcp_contracts::Claims;
use mcp_contracts::claims::{AUDIENCE, MAX_TOKEN_LIFETIME_SECS};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Longest accepted token, in bytes.
// With `MAX_CHECKED_TOKENS` it limits the keys of the cache to 16 MiB.
const MAX_TOKEN_BYTES: usize = 4 << 10;
/// Size of the cache of checked tokens, which saves computing the same signature for every call.
const MAX_CHECKED_TOKENS: usize = 4_096;
/// Tolerance for an issuer whose clock is ahead, in seconds.
const MAX_CLOCK_SKEW_SECS: u64 = 60;
/// Longest organisation, user or workspace name, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// Checks tokens against the current key and those of a rotation.
pub struct Authenticator {
    keys: Vec<DecodingKey>,
    validation: Validation,
    checked: RwLock<HashMap<Box<str>, Arc<Claims>>>,
}

/// Why a token was refused, as a label for the log and the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal(pub &'static str);

impl Authenticator {
    pub fn new(settings: &Settings) -> Self {
        let key = |secret: &Secret| DecodingKey::from_secret(secret.reveal().as_bytes());
        let keys = settings.accepted_secrets().map(key).collect();
        let mut validation = Validation::new(Algorithm::HS256);
        // By default, `jsonwebtoken` accepts tokens for 60 s after their expiry and ignores `nbf`.
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        Self { keys, validation, checked: RwLock::new(HashMap::new()) }
    }

    /// Checks the value of an `Authorization` header.
    ///
    /// # Errors
    /// Returns the reason as a label.
    pub fn check(&self, header: Option<&[u8]>) -> Result<Arc<Claims>, Refusal> {
        let header = header.ok_or(Refusal("missing"))?;
        let header = std::str::from_utf8(header).map_err(|_| Refusal("malformed"))?;
        let (scheme, token) = header.split_once(' ').ok_or(Refusal("malformed"))?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal("scheme"));
        }
        self.check_token(token.trim(), now_secs())
    }

    fn check_token(&self, token: &str, now: u64) -> Result<Arc<Claims>, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal("too_long"));
        }
        // The key is the whole token with its signature, so a forged token never matches the entry of a valid one. The
        // claims are cloned out of the lock, so that no signature is computed under it.
        let cached = self.checked.read().get(token).map(Arc::clone);
        if let Some(claims) = cached {
            return if claims.exp > now { Ok(claims) } else { Err(Refusal("expired")) };
        }
        let claims = Arc::new(self.decode(token)?);
        check_claims(&claims, now)?;
        let mut checked = self.checked.write();
        if checked.len() >= MAX_CHECKED_TOKENS {
            checked.retain(|_, claims| claims.exp > now);
            // All cached tokens are still valid: dropping all of them costs one signature each, and an eviction order would cost every call.
            if checked.len() >= MAX_CHECKED_TOKENS {
                checked.clear();
            }
        }
        checked.insert(token.into(), Arc::clone(&claims));
        Ok(claims)
    }

    fn decode(&self, token: &str) -> Result<Claims, Refusal> {
        use jsonwebtoken::errors::ErrorKind;
        if has_critical_extension(token) {
            return Err(Refusal("critical_extension"));
        }
        let mut refusal = Refusal("malformed");
        for key in &self.keys {
            let error = match decode::<Claims>(token, key, &self.validation) {
                Ok(data) => return Ok(data.claims),
                Err(error) => error,
            };
            refusal = Refusal(match error.kind() {
                ErrorKind::InvalidSignature => "signature",
                ErrorKind::ExpiredSignature => "expired",
                ErrorKind::ImmatureSignature => "not_yet_valid",
                ErrorKind::InvalidAudience => "audience",
                ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => "algorithm",
                ErrorKind::MissingRequiredClaim(_) => "claim_missing",
                _ => "malformed",
            });
            // Only a wrong signature can be right with another key; every other problem remains.
            if refusal.0 != "signature" {
                break;
            }
        }
        Err(refusal)
    }
}

/// Returns true if the header of a token names extensions that its receiver must understand. This service understands none, so it must refuse the
/// token (RFC 7515, section 4.1.11), which `jsonwebtoken` does not do.
fn has_critical_extension(token: &str) -> bool {
    let header = token.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
    let header = header.and_then(|header| serde_json::from_slice::<serde_json::Value>(&header).ok());
    header.is_some_and(|header| header.get("crit").is_some())
}

/// Checks what `jsonwebtoken` does not: the time of issue, the lifetime, and that names can be used as tags.
fn check_claims(claims: &Claims, now: u64) -> Result<(), Refusal> {
    if claims.exp <= now {
        return Err(Refusal("expired"));
    }
    if claims.iat > now + MAX_CLOCK_SKEW_SECS {
        return Err(Refusal("issued_in_future"));
    }
    if claims.exp <= claims.iat || claims.exp - claims.iat > MAX_TOKEN_LIFETIME_SECS {
        return Err(Refusal("lifetime"));
    }
    // Names become tags, parts of Redis keys and fields of the log.
    let names = [&claims.sub, &claims.org_id, &claims.workspace_slug];
    let usable = |name: &&String| {
        !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.chars().any(|c| c.is_control() || c.is_whitespace())
    };
    if names.iter().all(usable) { Ok(()) } else { Err(Refusal("name")) }
}

fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use mcp_contracts::{Service, env};
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    const CURRENT: &str = "current-key-current-key-current-key-1";
    const NEXT: &str = "next-key-next-key-next-key-next-key-1";
    const PREVIOUS: &str = "previous-key-previous-key-previous-1";

    fn authenticator() -> Authenticator {
        let values = BTreeMap::from([
            (env::JWT_SECRET.to_owned(), CURRENT.to_owned()),
            (env::JWT_SECRET_NEXT.to_owned(), NEXT.to_owned()),
            (env::JWT_SECRET_PREVIOUS.to_owned(), PREVIOUS.to_owned()),
        ]);
        Authenticator::new(&Settings::from_values(Service::Memory, &values).unwrap())
    }

    fn claims() -> Value {
        let now = now_secs();
        json!({"sub": "ann", "orgId": "acme", "plan": "pro", "scopes": ["memory.read", "x.y"], "iat": now, "exp": now + 600, "aud": "mcp"})
    }

    fn with(change: impl FnOnce(&mut Value)) -> Value {
        let mut claims = claims();
        change(&mut claims);
        claims
    }

    fn sign(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    fn check(token: &str) -> Result<Arc<Claims>, Refusal> {
        authenticator().check(Some(format!("Bearer {token}").as_bytes()))
    }

    #[test]
    fn the_keys_of_a_rotation_are_accepted_and_no_others() {
        for key in [CURRENT, NEXT, PREVIOUS] {
            let claims = check(&sign(&claims(), Algorithm::HS256, key)).unwrap();
            assert_eq!((claims.sub.as_str(), claims.workspace_slug.as_str()), ("ann", "default"));
        }
        assert_eq!(
            check(&sign(&claims(), Algorithm::HS256, "another-key-another-key-another-key")),
            Err(Refusal("signature"))
        );
    }

    #[test]
    fn every_invalid_claim_is_refused_with_its_reason() {
        let now = now_secs();
        let cases = [
            ("expired", with(|claims| claims["exp"] = json!(now - 1))),
            ("malformed", with(|claims| drop(claims.as_object_mut().unwrap().remove("exp")))),
            ("lifetime", with(|claims| claims["exp"] = json!(now + 3_601))),
            ("lifetime", with(|claims| claims["iat"] = json!(now - 3_590))),
            ("not_yet_valid", with(|claims| claims["nbf"] = json!(now + 300))),
            ("issued_in_future", with(|claims| claims["iat"] = json!(now + 120))),
            ("audience", with(|claims| claims["aud"] = json!("other"))),
            ("malformed", with(|claims| drop(claims.as_object_mut().unwrap().remove("aud")))),
            ("malformed", with(|claims| drop(claims.as_object_mut().unwrap().remove("orgId")))),
            ("name", with(|claims| claims["orgId"] = json!(""))),
            ("name", with(|claims| claims["sub"] = json!("a b"))),
            ("name", with(|claims| claims["workspaceSlug"] = json!("x\u{0}"))),
        ];
        for (reason, claims) in cases {
            let refusal = check(&sign(&claims, Algorithm::HS256, CURRENT)).unwrap_err();
            let acceptable = refusal.0 == reason || (reason == "malformed" && refusal.0 == "claim_missing");
            assert!(acceptable, "{claims}: {refusal:?}, expected {reason}");
        }
    }

    #[test]
    fn no_algorithm_and_foreign_algorithms_are_refused() {
        let none = format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#),
            URL_SAFE_NO_PAD.encode(claims().to_string())
        );
        assert!(check(&none).is_err());
        assert!(check(&sign(&claims(), Algorithm::HS512, CURRENT)).is_err());
        for garbage in ["", "a", "a.b.c", "....", "🦀.🦀.🦀"] {
            assert!(check(garbage).is_err());
        }
        assert_eq!(authenticator().check(None), Err(Refusal("missing")));
        assert_eq!(authenticator().check(Some(b"Basic YTpi")), Err(Refusal("scheme")));
    }

    #[test]
    fn a_token_with_an_extension_that_must_be_understood_is_refused() {
        let header = r#"{"alg":"HS256","typ":"JWT","crit":["b64"],"b64":true}"#;
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims().to_string()));
        let key = EncodingKey::from_secret(CURRENT.as_bytes());
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
        assert_eq!(check(&format!("{signed}.{signature}")), Err(Refusal("critical_extension")));
        // The same signature without the extension is accepted, so that the refusal is not that of a wrong one.
        let plain = signed.replacen(&URL_SAFE_NO_PAD.encode(header), &URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), 1);
        let signature = jsonwebtoken::crypto::sign(plain.as_bytes(), &key, Algorithm::HS256).unwrap();
        assert!(check(&format!("{plain}.{signature}")).is_ok());
    }

    #[test]
    fn a_cached_token_still_expires() {
        let authenticator = authenticator();
        let now = now_secs();
        let token = sign(&claims(), Algorithm::HS256, CURRENT);
        assert!(authenticator.check_token(&token, now).is_ok());
        assert!(authenticator.check_token(&token, now + 599).is_ok());
        assert_eq!(authenticator.check_token(&token, now + 600), Err(Refusal("expired")));
    }
}
