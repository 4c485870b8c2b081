//! Verdict tokens for tests: those that guardrails would sign, and those that services must refuse.

use crate::{SECRET, now};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{EncodingKey, Header, encode};
use mcp_contracts::guardrails::{VERDICT_AUDIENCE, VERDICT_LIFETIME_SECS, VerdictClaims, VerdictKind};
use mcp_contracts::{Service, env};
use mcp_kit::verdict::Binding;
use mcp_kit::{Settings, Verdicts};
use std::collections::BTreeMap;

/// Returns a `Verdicts` that signs and checks verdicts with a key derived from `secret`.
pub fn signed_with(secret: &str) -> Verdicts {
    let values = BTreeMap::from([(env::JWT_SECRET.to_owned(), secret.to_owned())]);
    Verdicts::new(&Settings::from_values(Service::Guardrails, &values).unwrap())
}

/// Returns the binding of a verdict that violated no rule.
pub fn binding(org: &str, user: &str, execution_id: &str, request_hash: &str) -> Binding {
    Binding {
        org_id: org.to_owned(),
        sub: user.to_owned(),
        execution_id: execution_id.to_owned(),
        request_hash: request_hash.to_owned(),
        rules_version: "r1".to_owned(),
        rules: Vec::new(),
    }
}

/// Returns a verdict that is signed with the right key and has expired.
pub fn expired(kind: VerdictKind, binding: Binding) -> String {
    let claims = VerdictClaims {
        kind,
        org_id: binding.org_id,
        sub: binding.sub,
        execution_id: binding.execution_id,
        request_hash: binding.request_hash,
        rules_version: binding.rules_version,
        rules: binding.rules,
        exp: now() - 1,
        iat: now() - 1 - VERDICT_LIFETIME_SECS,
        jti: "late".to_owned(),
        aud: VERDICT_AUDIENCE.to_owned(),
    };
    // Repeats the derivation of the key on purpose: if the service changes its derivation, tests that use this token must fail.
    let mut key = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    key.update(b"mcp verdict token 1");
    encode(&Header::default(), &claims, &EncodingKey::from_secret(&key.finalize().into_bytes())).unwrap()
}
