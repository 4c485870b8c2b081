//! Checks bearer tokens (JWT, HS256). The reason for a refusal goes to the log and the metric, never to the client.

mod reading;

use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use mcp_contracts::Claims;
use parking_lot::RwLock;
pub(crate) use reading::{ClaimNames, Expected, MAX_CLOCK_SKEW_SECS, RawClaims};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Longest accepted token, in bytes.
// With `MAX_CHECKED_TOKENS` it limits the keys of the cache to 16 MiB.
pub(crate) const MAX_TOKEN_BYTES: usize = 4 << 10;
/// Size of the cache of checked tokens, which saves computing the same signature for every call.
const MAX_CHECKED_TOKENS: usize = 4_096;

/// Checks tokens against the current key and those of a rotation.
pub struct Authenticator {
    keys: Vec<DecodingKey>,
    validation: Validation,
    expected: Expected,
    checked: RwLock<HashMap<Box<str>, Arc<Claims>>>,
}

/// Why a token was refused, as a label for the log and the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal(pub &'static str);

impl Authenticator {
    /// Accepts the tokens of each of these keys.
    pub fn new<'s>(secrets: impl Iterator<Item = &'s Secret>) -> Self {
        let key = |secret: &Secret| DecodingKey::from_secret(secret.reveal().as_bytes());
        let keys = secrets.map(key).collect();
        let (validation, expected) = (signature_only(Algorithm::HS256), Expected::of_shared_secret());
        Self { keys, validation, expected, checked: RwLock::new(HashMap::new()) }
    }

    /// Checks the value of an `Authorization` header.
    ///
    /// # Errors
    /// Returns the reason as a label.
    pub fn check(&self, header: Option<&[u8]>) -> Result<Arc<Claims>, Refusal> {
        self.check_token(bearer(header)?, now_secs())
    }

    pub(crate) fn check_token(&self, token: &str, now: u64) -> Result<Arc<Claims>, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal("too_long"));
        }
        // The cache is keyed by the whole token with its signature, so a forged token never matches the entry of a valid one. The claims are
        // cloned, so that no signature is computed while the lock is held.
        let cached = self.checked.read().get(token).map(Arc::clone);
        if let Some(claims) = cached {
            return if claims.exp > now { Ok(claims) } else { Err(Refusal("expired")) };
        }
        let claims = Arc::new(self.decode(token)?.read(&self.expected, now)?);
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

    fn decode(&self, token: &str) -> Result<RawClaims, Refusal> {
        use jsonwebtoken::errors::ErrorKind;
        if has_critical_extension(token) {
            return Err(Refusal("critical_extension"));
        }
        let mut refusal = Refusal("malformed");
        for key in &self.keys {
            let error = match decode::<RawClaims>(token, key, &self.validation) {
                Ok(data) => return Ok(data.claims),
                Err(error) => error,
            };
            refusal = Refusal(match error.kind() {
                ErrorKind::InvalidSignature => "signature",
                ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => "algorithm",
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

/// Returns the token in the value of an `Authorization` header.
pub(crate) fn bearer(header: Option<&[u8]>) -> Result<&str, Refusal> {
    let header = header.ok_or(Refusal("missing"))?;
    let header = std::str::from_utf8(header).map_err(|_| Refusal("malformed"))?;
    let (scheme, token) = header.split_once(' ').ok_or(Refusal("malformed"))?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Refusal("scheme")) }
}

/// Returns a validation of the signature and its algorithm. [`RawClaims::read`] checks the claims.
pub(crate) fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    validation.set_required_spec_claims::<&str>(&[]);
    validation
}

/// Returns true if the header of a token names extensions that its receiver must understand. This service understands none, so it must refuse the
/// token (RFC 7515, section 4.1.11), which `jsonwebtoken` does not do.
pub(crate) fn has_critical_extension(token: &str) -> bool {
    let header = token.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
    let header = header.and_then(|header| serde_json::from_slice::<serde_json::Value>(&header).ok());
    header.is_some_and(|header| header.get("crit").is_some())
}

pub(crate) fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    const CURRENT: &str = "current-key-current-key-current-key-1";
    const NEXT: &str = "next-key-next-key-next-key-next-key-1";
    const PREVIOUS: &str = "previous-key-previous-key-previous-1";

    fn authenticator() -> Authenticator {
        Authenticator::new([CURRENT, NEXT, PREVIOUS].map(Secret::new).iter())
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
            ("claim_missing", with(|claims| drop(claims.as_object_mut().unwrap().remove("exp")))),
            ("lifetime", with(|claims| claims["exp"] = json!(now + 3_601))),
            ("lifetime", with(|claims| claims["iat"] = json!(now - 3_590))),
            ("not_yet_valid", with(|claims| claims["nbf"] = json!(now + 300))),
            ("issued_in_future", with(|claims| claims["iat"] = json!(now + 120))),
            ("audience", with(|claims| claims["aud"] = json!("other"))),
            ("audience", with(|claims| claims["aud"] = json!(["other", "MCP"]))),
            ("audience", with(|claims| claims["aud"] = json!([]))),
            ("claim_missing", with(|claims| drop(claims.as_object_mut().unwrap().remove("aud")))),
            ("claim_missing", with(|claims| drop(claims.as_object_mut().unwrap().remove("orgId")))),
            ("malformed", with(|claims| claims["exp"] = json!((now + 60).to_string()))),
            ("malformed", with(|claims| claims["iat"] = json!(-1))),
            ("lifetime", with(|claims| claims["exp"] = json!(u64::MAX))),
            ("plan", with(|claims| claims["plan"] = json!("gold"))),
            ("malformed", with(|claims| claims["scopes"] = json!([1]))),
            ("malformed", with(|claims| claims["orgId"] = json!(["acme"]))),
            ("malformed", with(|claims| claims["orgId"] = json!({ "acme": {} }))),
            ("name", with(|claims| claims["orgId"] = json!(""))),
            ("name", with(|claims| claims["sub"] = json!("a b"))),
            ("name", with(|claims| claims["workspaceSlug"] = json!("x\u{0}"))),
        ];
        for (reason, claims) in cases {
            let refusal = check(&sign(&claims, Algorithm::HS256, CURRENT)).unwrap_err();
            assert_eq!(refusal.0, reason, "{claims}");
        }
    }

    #[test]
    fn everything_that_rfc_7519_allows_is_accepted() {
        let now = now_secs();
        let cases = [
            with(|claims| claims["aud"] = json!(["https://idp.example/userinfo", "mcp"])),
            with(|claims| (claims["iat"], claims["exp"]) = (json!(now as f64 + 0.25), json!(now as f64 + 600.75))),
            // The clock of the issuer is ahead.
            with(|claims| (claims["iat"], claims["nbf"]) = (json!(now + 30), json!(now + 30))),
            with(|claims| (claims["iss"], claims["groups"]) = (json!("https://idp.example"), json!(["a"]))),
            with(|claims| claims["scopes"] = json!("memory.read x.y")),
            with(|claims| claims["sub"] = json!("auth0|688d2d78ab30d658b0863370")),
        ];
        for claims in cases {
            let read =
                check(&sign(&claims, Algorithm::HS256, CURRENT)).unwrap_or_else(|why| panic!("{claims}: {why:?}"));
            assert_eq!((read.org_id.as_str(), read.aud.as_str()), ("acme", "mcp"));
            assert!(read.allows(mcp_contracts::Scope::MemoryRead));
        }
    }

    #[test]
    fn a_repeated_claim_is_refused() {
        let now = now_secs();
        let payload = format!(
            r#"{{"sub":"a","orgId":"acme","orgId":"evil","scopes":[],"iat":{now},"exp":{},"aud":"mcp"}}"#,
            now + 60
        );
        for (payload, accepted) in [(payload.clone(), false), (payload.replace(r#""orgId":"evil","#, ""), true)] {
            let signed =
                format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(payload));
            let key = EncodingKey::from_secret(CURRENT.as_bytes());
            let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
            assert_eq!(check(&format!("{signed}.{signature}")).is_ok(), accepted);
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
