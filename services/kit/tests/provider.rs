//! Tokens of an identity provider, signed and published by a provider of the test: claims as usual providers document them, rotation of keys,
//! an outage, and everything that must be refused.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mcp_contracts::{Scope, Service, env};
use mcp_kit::{Annotations, CallContext, Settings, Start, Tool, ToolInfo, ToolSet};
use mcp_testkit::{Caller, Server, wait_until};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::RwLock;
use tokio::task::JoinSet;

#[derive(Deserialize, JsonSchema)]
struct Empty {}

#[derive(Serialize, JsonSchema)]
struct Who {
    user: String,
    organisation: String,
    workspace: String,
    prepaid: bool,
}

fn tools() -> ToolSet {
    let info = ToolInfo {
        name: "who",
        title: "Who",
        description: "Returns the caller.",
        annotations: Annotations { read_only: true, destructive: false, idempotent: true },
        scopes: &[Scope::MemoryRead],
    };
    ToolSet::new(vec![Tool::new(info, |context: CallContext, _: Empty| async move {
        let claims = context.claims;
        Ok(Who {
            user: claims.sub.clone(),
            organisation: claims.org_id.clone(),
            workspace: claims.workspace_slug.clone(),
            prepaid: claims.scopes.contains(&Scope::Prepaid),
        })
    })])
}

/// A key that signs, and its public half as the provider publishes it.
#[derive(Clone)]
struct Signer {
    id: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    fn rsa(id: &'static str) -> Self {
        let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let key = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self { id, algorithm: Algorithm::RS256, key }
    }

    fn ec(id: &'static str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self { id, algorithm: Algorithm::ES256, key }
    }

    fn published(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.to_owned());
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["use"] = json!("sig");
        jwk
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.key).unwrap()
    }
}

// Generating a key takes seconds on a busy machine.
static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::rsa("rsa-1"));
static EC: LazyLock<Signer> = LazyLock::new(|| Signer::ec("ec-1"));

/// The page of keys. `None`: the provider answers with an error.
struct Provider {
    url: String,
    keys: Arc<RwLock<Option<Vec<Signer>>>>,
    fetches: Arc<AtomicUsize>,
    /// Serves until the provider is dropped.
    _serving: JoinSet<std::io::Result<()>>,
}

impl Provider {
    async fn start(keys: &[&Signer]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let keys: Vec<Signer> = keys.iter().map(|signer| (*signer).clone()).collect();
        let (keys, fetches) = (Arc::new(RwLock::new(Some(keys))), Arc::new(AtomicUsize::new(0)));
        let served = (Arc::clone(&keys), Arc::clone(&fetches));
        let page = move || {
            let (keys, fetches) = served.clone();
            async move {
                fetches.fetch_add(1, Ordering::Relaxed);
                match &*keys.read().await {
                    Some(keys) => {
                        let keys: Vec<Value> = keys.iter().map(Signer::published).collect();
                        (axum::http::StatusCode::OK, axum::Json(json!({ "keys": keys })))
                    }
                    None => (axum::http::StatusCode::BAD_GATEWAY, axum::Json(json!({}))),
                }
            }
        };
        let app = axum::Router::new().route("/keys", axum::routing::get(page));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await });
        Self { url, keys, fetches, _serving: serving }
    }

    async fn publish(&self, keys: Option<Vec<Signer>>) {
        *self.keys.write().await = keys;
    }

    async fn serve(&self, settings: &[(&str, &str)]) -> Server {
        let mut all = vec![
            (env::JWKS_URL, self.url.as_str()),
            (env::JWT_ISSUER, "https://idp.example"),
            (env::JWT_AUDIENCE, "mcp-stack"),
            (env::JWT_MAX_LIFETIME_SECS, "3600"),
        ];
        all.extend(settings);
        let caller = Caller::new("acme", &[Scope::MemoryRead]);
        Server::start(Service::Memory, &all, caller, async |_: Start| tools().into()).await
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = json!({"iss": "https://idp.example", "aud": "mcp-stack", "sub": "ann", "orgId": "acme",
        "scope": "openid memory.read", "iat": now(), "exp": now() + 3_000});
    change(&mut claims);
    claims
}

/// Returns the status of a call with this token, and its structured content.
async fn call(server: &Server, token: &str) -> (u16, Value) {
    let body =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "who", "arguments": {} } });
    let request = server.http.post(format!("{}/mcp", server.base)).bearer_auth(token);
    let reply = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    let status = reply.status().as_u16();
    (status, reply.json::<Value>().await.unwrap()["result"]["structuredContent"].clone())
}

#[tokio::test]
async fn tokens_as_usual_providers_issue_them_are_accepted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tokens");
    let provider = Provider::start(&[&RSA]).await;
    let mut tried = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let fixture: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(fixture["source"].is_string() && fixture["date"].is_string(), "{}", path.display());
        let settings = fixture["settings"].as_object().unwrap().iter();
        let settings: Vec<(&str, &str)> =
            settings.map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        let server = provider.serve(&settings).await;
        let mut claims = fixture["claims"].clone();
        (claims["iat"], claims["nbf"]) = (json!(now()), json!(now()));
        claims["exp"] = json!(now() + fixture["lifetime"].as_u64().unwrap());
        let (status, who) = call(&server, &RSA.sign(&claims)).await;
        assert_eq!(status, 200, "{}", path.display());
        for (field, value) in fixture["expected"].as_object().unwrap() {
            assert_eq!(who[field], *value, "{}", path.display());
        }
        // The document for clients names the issuer.
        let metadata = server.page("/.well-known/oauth-protected-resource/mcp").await;
        assert!(
            metadata.contains(fixture["settings"]["JWT_ISSUER"].as_str().unwrap().trim_end_matches('/')),
            "{metadata}"
        );
        // The shared secret stays in use.
        assert_eq!(call(&server, &server.caller.token()).await.0, 200);
        tried += 1;
    }
    assert_eq!(tried, 3);
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_it_is_refused() {
    let provider = Provider::start(&[&RSA, &EC]).await;
    let server = provider.serve(&[]).await;
    assert_eq!(call(&server, &EC.sign(&claims(|_| {}))).await.0, 200);
    let wrong = [
        ("another issuer", claims(|claims| claims["iss"] = json!("https://idp.example/"))),
        ("no issuer", claims(|claims| drop(claims.as_object_mut().unwrap().remove("iss")))),
        ("another audience", claims(|claims| claims["aud"] = json!(["account"]))),
        ("the audience of the shared secret", claims(|claims| claims["aud"] = json!("mcp"))),
        ("expired", claims(|claims| claims["exp"] = json!(now() - 1))),
        ("too long", claims(|claims| claims["exp"] = json!(now() + 3_700))),
        ("no time of issue", claims(|claims| drop(claims.as_object_mut().unwrap().remove("iat")))),
        ("no organisation", claims(|claims| drop(claims.as_object_mut().unwrap().remove("orgId")))),
        ("two organisations", claims(|claims| claims["orgId"] = json!(["acme", "zeta"]))),
    ];
    for (name, claims) in wrong {
        for signer in [&*RSA, &*EC] {
            assert_eq!(call(&server, &signer.sign(&claims)).await.0, 401, "{name}");
        }
    }
    let good = claims(|_| {});
    // A key that the provider has not published, under a name that it has.
    let forger = Signer { id: RSA.id, ..Signer::ec("x") };
    assert_eq!(call(&server, &forger.sign(&good)).await.0, 401);
    // The public key as a secret.
    let public = RSA.published()["n"].as_str().unwrap().to_owned();
    let header = Header { kid: Some(RSA.id.to_owned()), ..Header::new(Algorithm::HS256) };
    let confused = encode(&header, &good, &EncodingKey::from_secret(public.as_bytes())).unwrap();
    assert_eq!(call(&server, &confused).await.0, 401);
    // A provider cannot say that a call was paid for, and a scope is needed.
    let (status, who) =
        call(&server, &RSA.sign(&claims(|claims| claims["scope"] = json!("memory.read quota.prepaid")))).await;
    assert_eq!((status, &who["prepaid"]), (200, &json!(false)));
    assert_eq!(call(&server, &RSA.sign(&claims(|claims| claims["scope"] = json!("openid")))).await.0, 403);
}

#[tokio::test]
async fn keys_are_fetched_rarely_rotated_and_kept_while_the_provider_is_down() {
    let (old, new) = (Signer::ec("old"), Signer::ec("new"));
    let provider = Provider::start(&[&old]).await;
    let server = provider.serve(&[]).await;
    let (first, second) = (old.sign(&claims(|_| {})), new.sign(&claims(|_| {})));
    assert_eq!((call(&server, &first).await.0, call(&server, &second).await.0), (200, 401));
    // Unknown keys in many tokens are one fetch at most.
    for number in 0..50 {
        assert_eq!(call(&server, &new.sign(&claims(|claims| claims["n"] = json!(number)))).await.0, 401);
    }
    assert!(provider.fetches.load(Ordering::Relaxed) <= 3, "{} fetches", provider.fetches.load(Ordering::Relaxed));
    provider.publish(None).await;
    // The provider is down, and a token with an unknown key makes the service ask it.
    wait_until("degraded", async || {
        let _ = call(&server, &second).await;
        server.page("/readyz").await.contains("identity provider")
    })
    .await;
    assert_eq!(call(&server, &first).await.0, 200, "cached");
    assert_eq!(call(&server, &old.sign(&claims(|claims| claims["jti"] = json!("new")))).await.0, 200, "a new token");
    // The provider replaces its key: tokens of the new one are accepted, and those of the withdrawn one no more.
    provider.publish(Some(vec![new.clone()])).await;
    wait_until("the new key is known", async || call(&server, &second).await.0 == 200).await;
    assert_eq!(call(&server, &first).await.0, 401);
    assert!(!server.page("/readyz").await.contains("identity provider"));
}

#[test]
fn a_provider_without_audience_lifetime_or_issuer_is_refused_at_the_start() {
    let read = |pairs: &[(&str, &str)]| {
        let values: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Settings::from_values(Service::Memory, &values)
    };
    let all = [
        (env::JWKS_URL, "https://idp.example/keys"),
        (env::JWT_ISSUER, "https://idp.example"),
        (env::JWT_AUDIENCE, "mcp"),
        (env::JWT_MAX_LIFETIME_SECS, "3600"),
    ];
    assert!(read(&all).unwrap().provider.is_some());
    for missing in &all {
        let rest: Vec<_> = all.into_iter().filter(|pair| pair != missing).collect();
        let problems = read(&rest).unwrap_err().to_string();
        let named = if missing.0 == env::JWKS_URL { env::JWT_AUDIENCE } else { missing.0 };
        assert!(problems.contains(&format!("`{named}`")), "{problems}");
    }
    let production = [(env::APP_ENV, "production"), (env::JWT_SECRET, "9f8e7d6c5b4a39281706f5e4d3c2b1a0")];
    let plain = all.into_iter().chain(production).filter(|pair| pair.0 != env::JWKS_URL);
    let plain: Vec<_> = plain.chain([(env::JWKS_URL, "http://idp.example/keys")]).collect();
    assert!(read(&plain).unwrap_err().to_string().contains("https://"));
    let long: Vec<_> = all[..3].iter().copied().chain([(env::JWT_MAX_LIFETIME_SECS, "864000")]).collect();
    assert!(read(&long).unwrap_err().to_string().contains(env::JWT_MAX_LIFETIME_SECS));
}
