//! Signs tokens that no honest client has: claims and headers of any form. `drive/token.rs` mints those of honest clients.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// Returns bytes in the alphabet of a token.
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs claims with HS256, whatever they are.
///
/// # Panics
/// Never: HMAC takes every key.
pub fn signed(claims: &Value, key: &str) -> String {
    signed_with(&json!({ "alg": "HS256", "typ": "JWT" }), claims, Algorithm::HS256, key)
}

/// Signs claims with an HMAC, whatever the header says.
///
/// # Panics
/// Panics if the algorithm is not one of HMAC.
pub fn signed_with(header: &Value, claims: &Value, algorithm: Algorithm, key: &str) -> String {
    let text = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
    let key = EncodingKey::from_secret(key.as_bytes());
    let signature = jsonwebtoken::crypto::sign(text.as_bytes(), &key, algorithm).expect("HMAC takes every key");
    format!("{text}.{signature}")
}
