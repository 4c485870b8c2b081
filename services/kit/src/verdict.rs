//! Verdict tokens: guardrails sign them, and services that act on a verdict check them. A token is valid for one user of one organisation, one
//! execution and one request, until it expires. Its key is derived from that of access tokens, so that neither kind is accepted as the other.

use crate::settings::{Secret, Settings};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use mcp_contracts::guardrails::{ActionRequest, VERDICT_AUDIENCE, VERDICT_LIFETIME_SECS, VerdictClaims, VerdictKind};
use mcp_contracts::{Claims, ErrorCode, ToolError, metric};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Label from which the key of verdict tokens is derived.
const KEY_LABEL: &[u8] = b"mcp verdict token 1";
/// Longest accepted token, in bytes.
// Twice that of an access token, because a verdict lists the broken rules.
const MAX_TOKEN_BYTES: usize = 8 << 10;

/// Signs and checks verdict tokens. Clones share the keys.
#[derive(Clone)]
pub struct Verdicts {
    inner: Arc<Keys>,
}

struct Keys {
    sign: EncodingKey,
    check: Vec<DecodingKey>,
    validation: Validation,
}

/// The organisation, user, execution and request that a verdict is for, and the rules that it is based on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub org_id: String,
    pub sub: String,
    pub execution_id: String,
    /// See [`request_hash`].
    pub request_hash: String,
    pub rules_version: String,
    /// Ids of the broken rules.
    pub rules: Vec<String>,
}

/// A signed token with its claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    pub token: String,
    pub claims: VerdictClaims,
}

/// Returns the hash that binds a token to a request: SHA-256 of its canonical bytes, in hexadecimal.
pub fn request_hash(request: &ActionRequest) -> String {
    hex::encode(Sha256::digest(request.canonical()))
}

impl Verdicts {
    pub fn new(settings: &Settings) -> Self {
        let sign = EncodingKey::from_secret(&derived(&settings.secret));
        let check = settings.accepted_secrets().map(|secret| DecodingKey::from_secret(&derived(secret))).collect();
        let mut validation = Validation::new(Algorithm::HS256);
        // The default leeway of 60 s would add half to the lifetime of a verdict.
        validation.leeway = 0;
        validation.set_audience(&[VERDICT_AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud"]);
        Self { inner: Arc::new(Keys { sign, check, validation }) }
    }

    /// Signs a verdict. It is valid from now for [`VERDICT_LIFETIME_SECS`].
    ///
    /// # Errors
    /// Fails if the token cannot be signed.
    pub fn issue(&self, kind: VerdictKind, binding: Binding) -> Result<Issued, ToolError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let claims = VerdictClaims {
            kind,
            org_id: binding.org_id,
            sub: binding.sub,
            execution_id: binding.execution_id,
            request_hash: binding.request_hash,
            rules_version: binding.rules_version,
            rules: binding.rules,
            exp: now + VERDICT_LIFETIME_SECS,
            iat: now,
            jti: uuid::Uuid::now_v7().to_string(),
            aud: VERDICT_AUDIENCE.to_owned(),
        };
        let token = encode(&Header::new(Algorithm::HS256), &claims, &self.inner.sign)
            .map_err(|error| ToolError::new(ErrorCode::Internal, format!("a verdict cannot be signed: {error}")))?;
        Ok(Issued { token, claims })
    }

    /// Checks signature, expiry, audience and organisation of a token, and returns its claims.
    ///
    /// # Errors
    /// Fails with [`ErrorCode::VerdictInvalid`] and the reason.
    pub fn open(&self, token: &str, org_id: &str) -> Result<VerdictClaims, ToolError> {
        use jsonwebtoken::errors::ErrorKind;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid("it is too long"));
        }
        let mut why = "it was not issued by these guardrails";
        for key in &self.inner.check {
            match decode::<VerdictClaims>(token, key, &self.inner.validation) {
                Ok(data) if data.claims.org_id == org_id => return Ok(data.claims),
                Ok(_) => return Err(invalid("it is for another organisation")),
                // After a wrong signature the other keys are tried, because the key may have been rotated since, or at the signing instance only.
                Err(error) => match error.kind() {
                    ErrorKind::ExpiredSignature => return Err(invalid("it has expired")),
                    ErrorKind::InvalidSignature => why = "its signature is wrong",
                    _ => {}
                },
            }
        }
        Err(invalid(why))
    }

    /// Checks that a token allows this request of this execution to the user of `caller`, and returns its claims.
    ///
    /// # Errors
    /// Fails as [`Self::check`] does, and with [`ErrorCode::VerdictInvalid`] if the verdict is for another user.
    pub fn check_for(
        &self,
        token: Option<&str>,
        caller: &Claims,
        execution_id: &str,
        request_hash: &str,
    ) -> Result<VerdictClaims, ToolError> {
        let claims = self.check(token, &caller.org_id, execution_id, request_hash)?;
        if claims.sub == caller.sub { Ok(claims) } else { Err(invalid("it is for another user")) }
    }

    /// Checks that a token allows this request of this execution, and returns its claims. It does not compare the user; a service that acts for
    /// its caller uses [`Self::check_for`].
    ///
    /// # Errors
    /// Fails with [`ErrorCode::VerdictRequired`] without a token, and with [`ErrorCode::VerdictInvalid`] if it is for anything else.
    pub fn check(
        &self,
        token: Option<&str>,
        org_id: &str,
        execution_id: &str,
        request_hash: &str,
    ) -> Result<VerdictClaims, ToolError> {
        let token = token.filter(|token| !token.is_empty()).ok_or_else(|| {
            ToolError::new(ErrorCode::VerdictRequired, "the call has no verdict of the guardrails")
                .with_hint("call `check_guardrails` for the same request and send its `verdictToken`")
        })?;
        let claims = self.open(token, org_id)?;
        if claims.execution_id != execution_id {
            return Err(invalid("it is for another execution"));
        }
        if claims.request_hash != request_hash {
            return Err(invalid("it is for another request"));
        }
        match claims.kind {
            VerdictKind::Allow | VerdictKind::Acknowledged => Ok(claims),
            VerdictKind::Acknowledge => Err(invalid("it must be acknowledged first")),
        }
    }
}

fn invalid(why: &str) -> ToolError {
    metrics::counter!(metric::VERDICTS_REFUSED_TOTAL).increment(1);
    ToolError::new(ErrorCode::VerdictInvalid, format!("the verdict is not accepted: {why}"))
        .with_hint("call `check_guardrails` again for exactly this request and execution")
}

fn derived(secret: &Secret) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).expect("HMAC takes keys of every length");
    mac.update(KEY_LABEL);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;
    use mcp_contracts::guardrails::ActionKind;
    use mcp_contracts::{Service, env};
    use std::collections::BTreeMap;

    pub(super) fn verdicts(secret: &str, previous: Option<&str>) -> Verdicts {
        with_keys(secret, previous.map(|previous| (env::JWT_SECRET_PREVIOUS, previous)))
    }

    fn with_keys(secret: &str, other: Option<(&str, &str)>) -> Verdicts {
        let mut values = BTreeMap::from([(env::JWT_SECRET.to_owned(), secret.to_owned())]);
        values.extend(other.map(|(name, key)| (name.to_owned(), key.to_owned())));
        Verdicts::new(&Settings::from_values(Service::Patterns, &values).unwrap())
    }

    pub(super) const ONE: &str = "one-key-one-key-one-key-one-key-one-key";
    const TWO: &str = "two-key-two-key-two-key-two-key-two-key";

    fn binding() -> Binding {
        Binding {
            org_id: "acme".into(),
            sub: "ann".into(),
            execution_id: "e-1".into(),
            request_hash: "abc".into(),
            rules_version: "v".into(),
            rules: Vec::new(),
        }
    }

    fn code(result: Result<VerdictClaims, ToolError>) -> ErrorCode {
        result.unwrap_err().code
    }

    #[test]
    fn a_verdict_is_valid_only_for_the_request_it_was_issued_for() {
        let verdicts = verdicts(ONE, None);
        let token = verdicts.issue(VerdictKind::Allow, binding()).unwrap().token;
        assert_eq!(verdicts.check(Some(&token), "acme", "e-1", "abc").unwrap().kind, VerdictKind::Allow);
        for (org, execution, request) in [("zeta", "e-1", "abc"), ("acme", "e-2", "abc"), ("acme", "e-1", "abd")] {
            assert_eq!(code(verdicts.check(Some(&token), org, execution, request)), ErrorCode::VerdictInvalid);
        }
        assert_eq!(code(verdicts.check(None, "acme", "e-1", "abc")), ErrorCode::VerdictRequired);
        assert_eq!(code(verdicts.check(Some(""), "acme", "e-1", "abc")), ErrorCode::VerdictRequired);
    }

    #[test]
    fn a_verdict_is_valid_only_for_its_user() {
        let verdicts = verdicts(ONE, None);
        let token = verdicts.issue(VerdictKind::Allow, binding()).unwrap().token;
        let caller = |org: &str, sub: &str| -> Claims {
            let claims = serde_json::json!({"sub": sub, "orgId": org, "plan": "free", "scopes": [], "iat": 1, "exp": 2, "aud": "mcp"});
            serde_json::from_value(claims).unwrap()
        };
        let check = |caller: &Claims| verdicts.check_for(Some(&token), caller, "e-1", "abc");
        assert!(check(&caller("acme", "ann")).is_ok());
        for (org, sub) in [("acme", "bob"), ("acme", "Ann"), ("zeta", "ann")] {
            assert_eq!(code(check(&caller(org, sub))), ErrorCode::VerdictInvalid, "{org} {sub}");
        }
    }

    #[test]
    fn a_verdict_that_must_be_acknowledged_allows_nothing() {
        let verdicts = verdicts(ONE, None);
        let token = verdicts.issue(VerdictKind::Acknowledge, binding()).unwrap().token;
        assert_eq!(code(verdicts.check(Some(&token), "acme", "e-1", "abc")), ErrorCode::VerdictInvalid);
        assert_eq!(verdicts.open(&token, "acme").unwrap().kind, VerdictKind::Acknowledge);
    }

    #[test]
    fn foreign_forged_and_expired_tokens_are_refused_and_the_keys_of_a_rotation_are_accepted() {
        let old = verdicts(ONE, None);
        let token = old.issue(VerdictKind::Allow, binding()).unwrap().token;
        assert!(verdicts(TWO, Some(ONE)).check(Some(&token), "acme", "e-1", "abc").is_ok());
        let next = with_keys(TWO, Some((env::JWT_SECRET_NEXT, ONE)));
        assert!(next.check(Some(&token), "acme", "e-1", "abc").is_ok());
        assert_eq!(code(verdicts(TWO, None).check(Some(&token), "acme", "e-1", "abc")), ErrorCode::VerdictInvalid);
        let mut forged = token.clone().into_bytes();
        let middle = forged.len() / 2;
        forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert_eq!(code(old.check(Some(&forged), "acme", "e-1", "abc")), ErrorCode::VerdictInvalid);
        let late = VerdictClaims { exp: 10, iat: 1, ..old.open(&token, "acme").unwrap() };
        let late = encode(&Header::new(Algorithm::HS256), &late, &old.inner.sign).unwrap();
        assert!(old.open(&late, "acme").unwrap_err().message.contains("expired"));
        // The same claims signed with the key of access tokens.
        let claims = old.open(&token, "acme").unwrap();
        let access =
            encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(ONE.as_bytes())).unwrap();
        assert_eq!(code(old.open(&access, "acme")), ErrorCode::VerdictInvalid);
        for garbage in ["a", "a.b.c", "🦀", &"x".repeat(9_000)] {
            assert_eq!(code(old.open(garbage, "acme")), ErrorCode::VerdictInvalid);
        }
    }

    proptest::proptest! {
        #[test]
        fn requests_that_differ_anywhere_differ_in_their_hash(
            intent in ".{0,12}", other in ".{0,12}", files in proptest::collection::vec(".{0,6}", 0..3), moved in ".{0,6}",
            text in proptest::option::of(".{0,12}"),
        ) {
            let request = ActionRequest { action: ActionKind::Edit, intent: intent.clone(), files: files.clone(), text: text.clone() };
            let hash = request_hash(&request);
            proptest::prop_assert_eq!(&hash, &request_hash(&request.clone()));
            if intent != other {
                proptest::prop_assert_ne!(&hash, &request_hash(&ActionRequest { intent: other, ..request.clone() }));
            }
            let mut longer = files;
            longer.push(moved);
            proptest::prop_assert_ne!(&hash, &request_hash(&ActionRequest { files: longer, ..request.clone() }));
            let flipped = text.map_or_else(|| Some(String::new()), |_| None);
            proptest::prop_assert_ne!(&hash, &request_hash(&ActionRequest { text: flipped, ..request.clone() }));
            proptest::prop_assert_ne!(&hash, &request_hash(&ActionRequest { action: ActionKind::Deploy, ..request }));
        }
    }
}
