//! Any token: only what the key has signed is accepted, and only claims that keep the limits. The signature is computed by another library.

use super::*;
use fuzzing::Target;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{EncodingKey, crypto};
use mcp_contracts::claims::MAX_TOKEN_LIFETIME_SECS;
use serde_json::{Map, Value};
use sha2::Sha256;

const FILES: &[&str] = &["services/kit/src/auth.rs", "services/kit/src/auth/reading.rs"];
const TOKENS: Target = Target::new("tokens", FILES).with_words(&[
    "Bearer ",
    "bearer ",
    "eyJhbGciOiJub25lIn0",
    "eyJhbGciOiJIUzI1NiJ9",
    "eyJhbGciOiJIUzUxMiJ9",
    ".",
    "=",
    "-_",
]);
const CLAIMS: Target = Target::new("claims", FILES).with_words(&[
    "\"exp\":1700000600,",
    "\"exp\":1700003601,",
    "\"iat\":1700000000,",
    "\"iat\":1700000000.5,",
    "\"nbf\":1700000000,",
    "\"aud\":\"mcp\",",
    "\"aud\":[\"x\",\"mcp\"],",
    "\"orgId\":\"acme\",",
    "\"workspaceSlug\":null,",
    "\"scopes\":\"admin memory.read\",",
    "\"plan\":\"team\",",
    "\\u0000",
    "\\u2028",
]);
const KEY: &str = "a-key-of-the-fuzz-targets-a-key-of-the-fuzz-targets";
/// The time at which every token is checked, in seconds.
const NOW: u64 = 1_700_000_000;

fn authenticator() -> Authenticator {
    Authenticator::new([Secret::new(KEY)].iter())
}

fn is_signed(token: &str) -> bool {
    let Some((signed, signature)) = token.rsplit_once('.') else { return false };
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    let mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("HMAC takes keys of every length");
    mac.chain_update(signed).verify_slice(&signature).is_ok()
}

fn json_of(part: Option<&str>) -> Map<String, Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part.unwrap_or_default()).expect("an accepted part is base64url");
    serde_json::from_slice(&bytes).expect("an accepted part is an object")
}

/// Checks accepted claims against what the token says.
fn assert_claims_keep_the_limits(claims: &Claims, sent: &Map<String, Value>) {
    assert!(claims.exp > NOW && claims.iat <= NOW + MAX_CLOCK_SKEW_SECS, "{claims:?}");
    assert!(claims.exp - claims.iat <= MAX_TOKEN_LIFETIME_SECS, "{claims:?}");
    for (claim, name) in [("sub", &claims.sub), ("orgId", &claims.org_id), ("workspaceSlug", &claims.workspace_slug)] {
        assert!(!name.is_empty() && name.len() <= 128 && !name.contains(char::is_whitespace), "{claim}: {name:?}");
        assert!(!name.contains(char::is_control), "{claim}: {name:?}");
        let is_default = claim == "workspaceSlug" && sent.get(claim).is_none_or(Value::is_null);
        assert!(is_default || sent[claim] == name.as_str(), "{claim} is {name}, the token says {}", sent[claim]);
    }
    let for_us = match &sent["aud"] {
        Value::Array(list) => list.contains(&Value::from("mcp")),
        one => one == "mcp",
    };
    assert!(for_us, "the audience is {}", sent["aud"]);
    let scopes = sent.get("scopes").map(Value::to_string).unwrap_or_default();
    let is_admin = claims.scopes.contains(&mcp_contracts::Scope::Admin);
    assert!(!is_admin || scopes.contains("admin"), "`admin` from {scopes}");
}

#[test]
fn only_tokens_that_the_key_has_signed_are_accepted() {
    let authenticator = authenticator();
    TOKENS.run(|header| {
        let Ok(token) = bearer(Some(header)) else { return };
        let first = authenticator.check_token(token, NOW);
        assert_eq!(authenticator.check_token(token, NOW), first, "the second check differs");
        let Ok(claims) = first else { return };
        assert!(is_signed(token), "a forged token is accepted: {token}");
        let mut parts = token.split('.');
        let header = json_of(parts.next());
        assert!(header["alg"] == "HS256" && !header.contains_key("crit"), "{header:?}");
        assert_claims_keep_the_limits(&claims, &json_of(parts.next()));
        assert_eq!(authenticator.check_token(token, claims.exp), Err(Refusal("expired")));
    });
}

#[test]
fn signed_claims_are_accepted_only_within_the_limits() {
    CLAIMS.run(|payload| {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(payload));
        let key = EncodingKey::from_secret(KEY.as_bytes());
        let signature = crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).expect("HMAC signs every text");
        let token = format!("{signed}.{signature}");
        // A new one each time, because the cache would answer for a payload that was tried before.
        match authenticator().check_token(&token, NOW) {
            Ok(claims) => assert_claims_keep_the_limits(&claims, &json_of(token.split('.').nth(1))),
            Err(Refusal(why)) => assert_ne!(why, "signature", "the signature is right"),
        }
    });
}
