//! The public keys of an identity provider. A background task fetches them every few minutes, and earlier if a token names an unknown key.
//! While the provider does not answer, the last keys stay in use.

use crate::readiness::{Latch, Readiness};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::RwLock;
use serde::Deserialize;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Time between two fetches. A key that the provider withdraws is refused after this time at the latest.
const REFRESH: Duration = Duration::from_secs(300);
/// First and longest pause after a failed fetch; each failure doubles the pause.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Minimum time between two fetches, so that tokens with made-up key ids cause no load on the provider.
const MIN_PAUSE: Duration = Duration::from_secs(5);
const FETCH_DEADLINE: Duration = Duration::from_secs(5);
/// How long a request waits for a key that is unknown.
const KEY_WAIT: Duration = Duration::from_secs(2);
/// Largest document, in bytes. Those of the usual providers have less than 16 KiB.
const MAX_DOCUMENT_BYTES: usize = 256 << 10;
const MAX_KEYS: usize = 100;

/// The keys, and the task that fetches them until this is dropped.
pub(super) struct KeySet {
    shared: Arc<Shared>,
    stop: CancellationToken,
}

struct Shared {
    url: reqwest::Url,
    http: reqwest::Client,
    keys: RwLock<Keys>,
    /// Notified when a token names an unknown key.
    wanted: Notify,
    /// Time of the last fetch, successful or not.
    attempted: watch::Sender<Option<Instant>>,
}

#[derive(Default)]
struct Keys {
    /// Increases when the keys change.
    generation: u64,
    document: Vec<u8>,
    keys: Vec<Key>,
}

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Builds the client for the keys.
pub(super) fn client() -> Result<reqwest::Client, reqwest::Error> {
    // No redirects: the keys must come from the URL that the operator configured.
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(FETCH_DEADLINE).build()
}

impl KeySet {
    pub(super) fn start(url: reqwest::Url, http: reqwest::Client, readiness: Readiness) -> Self {
        let (keys, wanted, attempted) = (RwLock::default(), Notify::new(), watch::Sender::new(None));
        let shared = Arc::new(Shared { url, http, keys, wanted, attempted });
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let first = readiness.latch("identity provider");
        tracker.spawn(Arc::clone(&shared).keep_fresh(readiness, first, stop.clone()));
        Self { shared, stop }
    }

    pub(super) fn generation(&self) -> u64 {
        self.shared.keys.read().generation
    }

    /// Returns the key with this id, and its generation. Waits for a fetch if the key is unknown.
    pub(super) async fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<(u64, DecodingKey)> {
        let shared = &*self.shared;
        let mut attempted = shared.attempted.subscribe();
        if let Some(found) = shared.find(id, algorithm) {
            return Some(found);
        }
        let recent = attempted.borrow_and_update().is_some_and(|last| last.elapsed() < MIN_PAUSE);
        if recent {
            return None;
        }
        shared.wanted.notify_one();
        // Searches again even if the fetch failed.
        let _ = tokio::time::timeout(KEY_WAIT, attempted.changed()).await;
        shared.find(id, algorithm)
    }
}

impl Drop for KeySet {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<(u64, DecodingKey)> {
        let keys = self.keys.read();
        let mut fitting = keys.keys.iter().filter(|key| key.algorithm == algorithm);
        let found = match id {
            Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)),
            // A token without a key id is accepted only if exactly one key has its algorithm.
            None => fitting.next().filter(|_| fitting.next().is_none()),
        };
        found.map(|key| (keys.generation, key.key.clone()))
    }

    async fn keep_fresh(self: Arc<Self>, readiness: Readiness, first: Latch, stop: CancellationToken) {
        let (mut first, mut degraded, mut pause) = (Some(first), None, RETRY.0);
        loop {
            let fetched = tokio::select! {
                () = stop.cancelled() => return,
                fetched = tokio::time::timeout(FETCH_DEADLINE, self.fetch()) => fetched,
            };
            let wait = match fetched.unwrap_or_else(|_| Err("no answer within the deadline".to_owned())) {
                Ok(()) => {
                    if degraded.take().is_some() {
                        tracing::info!("the identity provider answers again");
                    }
                    pause = RETRY.0;
                    REFRESH
                }
                Err(why) => {
                    if degraded.is_none() {
                        tracing::warn!(
                            why,
                            "the keys of the identity provider cannot be fetched; known keys stay in use"
                        );
                        degraded = Some(readiness.degraded("identity provider"));
                    }
                    let wait = pause;
                    pause = (pause * 2).min(RETRY.1);
                    wait
                }
            };
            // Readiness waits only for the first attempt, because tokens signed with the shared secret need no provider.
            drop(first.take());
            self.attempted.send_replace(Some(Instant::now()));
            let wanted = async {
                tokio::time::sleep(MIN_PAUSE).await;
                self.wanted.notified().await;
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
                () = wanted => {}
            }
        }
    }

    async fn fetch(&self) -> Result<(), String> {
        let mut reply = self.http.get(self.url.clone()).send().await.map_err(|error| with_sources(&error))?;
        if !reply.status().is_success() {
            return Err(format!("status {}", reply.status()));
        }
        let mut document = Vec::new();
        while let Some(chunk) = reply.chunk().await.map_err(|error| with_sources(&error))? {
            if document.len() + chunk.len() > MAX_DOCUMENT_BYTES {
                return Err(format!("the document is larger than {MAX_DOCUMENT_BYTES} bytes"));
            }
            document.extend_from_slice(&chunk);
        }
        if self.keys.read().document == document {
            return Ok(());
        }
        let keys = parse(&document)?;
        tracing::info!(keys = keys.len(), "the identity provider has new keys");
        let mut current = self.keys.write();
        *current = Keys { generation: current.generation + 1, document, keys };
        Ok(())
    }
}

/// Returns the text of an error with its causes, because that of `reqwest` does not contain them.
fn with_sources(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Returns the keys for RS256 and ES256. Skips other keys, because providers publish the keys for all purposes in one document.
fn parse(document: &[u8]) -> Result<Vec<Key>, String> {
    #[derive(Deserialize)]
    struct Document {
        keys: Vec<serde_json::Value>,
    }
    let document: Document =
        serde_json::from_slice(document).map_err(|error| format!("the document is not a JWKS: {error}"))?;
    if document.keys.len() > MAX_KEYS {
        return Err(format!("the document has more than {MAX_KEYS} keys"));
    }
    let keys: Vec<Key> = document.keys.into_iter().filter_map(key).collect();
    if keys.is_empty() { Err("the document has no key for RS256 or ES256".to_owned()) } else { Ok(keys) }
}

fn key(value: serde_json::Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
        _ => return None,
    };
    let fits = match jwk.common.key_algorithm {
        None => true,
        Some(KeyAlgorithm::RS256) => algorithm == Algorithm::RS256,
        Some(KeyAlgorithm::ES256) => algorithm == Algorithm::ES256,
        Some(_) => false,
    };
    let key = DecodingKey::from_jwk(&jwk).ok().filter(|_| fits)?;
    Some(Key { id: jwk.common.key_id, algorithm, key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_public_keys_for_signatures_are_taken() {
        // From RFC 7515, appendices A.2 and A.3.
        let rsa = json!({"kty": "RSA", "kid": "r", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"});
        let ec = json!({"kty": "EC", "kid": "e", "crv": "P-256", "use": "sig", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
        let with = |key: &serde_json::Value, name: &str, value: serde_json::Value| {
            let mut key = key.clone();
            key[name] = value;
            key
        };
        let unusable = [
            json!({"kty": "oct", "kid": "s", "alg": "HS256", "k": "c2VjcmV0"}),
            with(&rsa, "use", json!("enc")),
            with(&rsa, "alg", json!("PS256")),
            with(&rsa, "alg", json!("ES256")),
            with(&ec, "crv", json!("P-384")),
            json!({"kty": "new", "kid": "n"}),
            json!("text"),
        ];
        for key in &unusable {
            assert!(parse(json!({ "keys": [key] }).to_string().as_bytes()).is_err(), "{key}");
        }
        let mut all = vec![rsa, ec];
        all.extend(unusable);
        let keys = parse(json!({ "keys": all }).to_string().as_bytes()).unwrap();
        let found: Vec<_> = keys.iter().map(|key| (key.id.as_deref(), key.algorithm)).collect();
        assert_eq!(found, [(Some("r"), Algorithm::RS256), (Some("e"), Algorithm::ES256)]);
        let many = vec![all[0].clone(); MAX_KEYS + 1];
        assert!(parse(json!({ "keys": many }).to_string().as_bytes()).is_err());
        assert!(parse(b"{}").is_err() && parse(b"<html>").is_err());
    }
}
