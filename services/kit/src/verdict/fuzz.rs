//! Any verdict token: only what the key of verdicts has signed is accepted, for its organisation and until it expires.

use super::tests::{ONE, verdicts};
use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fuzzing::Target;
use jsonwebtoken::crypto;

const FILES: &[&str] = &["services/kit/src/verdict.rs"];
const TOKENS: Target = Target::new("verdict-tokens", FILES).with_words(&["eyJhbGciOiJub25lIn0", ".", "=", "-_"]);
const CLAIMS: Target = Target::new("verdict-claims", FILES).with_words(&[
    "\"kind\":\"allow\",",
    "\"kind\":\"acknowledge\",",
    "\"exp\":4102444800,",
    "\"exp\":1,",
    "\"aud\":\"mcp\",",
    "\"orgId\":\"zeta\",",
    "\"requestHash\":\"b\",",
]);

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

fn signed(payload: &[u8], key: &[u8]) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(payload));
    let signature = crypto::sign(text.as_bytes(), &EncodingKey::from_secret(key), Algorithm::HS256);
    format!("{text}.{}", signature.expect("HMAC signs every text"))
}

#[test]
fn only_verdicts_that_the_key_has_signed_are_accepted() {
    let verdicts = verdicts(ONE, None);
    let key = derived(&Secret::new(ONE));
    TOKENS.run_text(|token| {
        let Ok(claims) = verdicts.open(token, "acme") else { return };
        let (text, signature) = token.rsplit_once('.').expect("an accepted token has a signature");
        let mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of every length");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("an accepted signature is base64url");
        assert!(mac.chain_update(text).verify_slice(&signature).is_ok(), "a forged verdict is accepted: {token}");
        assert!(verdicts.open(token, "zeta").is_err(), "another organisation may use it");
        assert_eq!(claims.org_id, "acme");
    });
}

#[test]
fn signed_verdicts_are_accepted_only_for_what_they_say() {
    let verdicts = verdicts(ONE, None);
    let key = derived(&Secret::new(ONE));
    CLAIMS.run(|payload| {
        let access = signed(payload, ONE.as_bytes());
        assert!(verdicts.open(&access, "acme").is_err(), "the key of access tokens signs verdicts");
        let token = signed(payload, &key);
        let checked = verdicts.check(Some(&token), "acme", "e-1", "abc");
        let Ok(claims) = checked else { return };
        assert!(claims.exp > now() && claims.aud == VERDICT_AUDIENCE, "{claims:?}");
        assert!(claims.kind != VerdictKind::Acknowledge, "an acknowledgement is missing");
        assert_eq!((&*claims.org_id, &*claims.execution_id, &*claims.request_hash), ("acme", "e-1", "abc"));
        for (org, execution, request) in [("zeta", "e-1", "abc"), ("acme", "e-2", "abc"), ("acme", "e-1", "abd")] {
            assert!(verdicts.check(Some(&token), org, execution, request).is_err(), "{org} {execution} {request}");
        }
    });
}
