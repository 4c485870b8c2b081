//! An identity provider on loopback: keys that sign tokens (ES256), and the page of its keys (JWKS). It can replace its keys, stop, and start again
//! at its address.

use super::StepFailed;
use super::loopback::Loopback;
use crate::drive::token::{Grant, wall_clock_s};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mcp_contracts::env;
use parking_lot::Mutex;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

const ISSUER: &str = "https://provider.harness.example";
const AUDIENCE: &str = "mcp-stack";
/// Longest lifetime of a token that the stack accepts, in seconds.
pub const MAX_LIFETIME_SECS: u64 = 3_600;

/// A key pair of a provider.
pub struct SigningKey {
    id: String,
    key: EncodingKey,
}

impl SigningKey {
    /// Generates a key. No other run has it.
    ///
    /// # Errors
    /// The library cannot generate it.
    pub fn generate(id: &str) -> Result<Self, StepFailed> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| broken("generate a key", &error))?;
        Ok(Self { id: id.to_owned(), key: EncodingKey::from_ec_der(&pair.serialize_der()) })
    }

    /// Returns a token with these claims.
    ///
    /// # Errors
    /// The library cannot sign it.
    pub fn sign(&self, claims: &Value) -> Result<String, StepFailed> {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &self.key).map_err(|error| broken("sign a token", &error))
    }

    /// Returns the public half, as a provider publishes it.
    fn published(&self) -> Result<Value, StepFailed> {
        let mut key =
            Jwk::from_encoding_key(&self.key, Algorithm::ES256).map_err(|error| broken("publish a key", &error))?;
        key.common.key_id = Some(self.id.clone());
        Ok(json!(key))
    }
}

/// Returns the claims of a token of the provider, valid from now on. Each has an id of its own.
pub fn claims_of(grant: &Grant) -> Value {
    let scopes: Vec<&str> = grant.scopes.iter().map(|scope| scope.name()).collect();
    let now = wall_clock_s();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": grant.user, "orgId": grant.organisation, "workspaceSlug": grant.workspace,
        "plan": grant.plan, "role": grant.role, "scope": scopes.join(" "), "iat": now, "exp": now + grant.lifetime.as_secs(),
        "jti": uuid::Uuid::new_v4().to_string(),
    })
}

/// The page of keys. It ends when this is dropped.
pub struct IdentityProvider {
    page: Arc<Mutex<String>>,
    server: Loopback,
}

impl IdentityProvider {
    /// Publishes these keys on a free port.
    ///
    /// # Errors
    /// No port can be used.
    pub async fn start(keys: &[&SigningKey]) -> Result<Self, StepFailed> {
        let page = Arc::default();
        let provider = Self { server: serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &page).await?, page };
        provider.publish(keys)?;
        Ok(provider)
    }

    /// Replaces the published keys.
    ///
    /// # Errors
    /// The library cannot read the public half of a key.
    pub fn publish(&self, keys: &[&SigningKey]) -> Result<(), StepFailed> {
        let keys = keys.iter().map(|key| key.published()).collect::<Result<Vec<_>, _>>()?;
        *self.page.lock() = json!({ "keys": keys }).to_string();
        Ok(())
    }

    /// Closes the port, so that connections are refused.
    pub async fn stop(&mut self) {
        self.server.stop().await;
    }

    /// Serves again at the same address.
    ///
    /// # Errors
    /// Another program has taken the port.
    pub async fn start_again(&mut self) -> Result<(), StepFailed> {
        self.server = serve(self.server.address(), &self.page).await?;
        Ok(())
    }

    /// Returns the variables with which a service accepts tokens of this provider.
    pub fn settings(&self) -> [(&'static str, String); 4] {
        [
            (env::JWKS_URL, format!("http://{}/keys", self.server.address())),
            (env::JWT_ISSUER, ISSUER.to_owned()),
            (env::JWT_AUDIENCE, AUDIENCE.to_owned()),
            (env::JWT_MAX_LIFETIME_SECS, MAX_LIFETIME_SECS.to_string()),
        ]
    }
}

/// Serves the page at an address.
async fn serve(address: SocketAddr, page: &Arc<Mutex<String>>) -> Result<Loopback, StepFailed> {
    let page = Arc::clone(page);
    let server = Loopback::listen(address, "application/json", move |_| page.lock().clone()).await;
    server.map_err(|error| broken("listen on loopback", &error))
}

fn broken(what: &str, why: &dyn std::error::Error) -> StepFailed {
    StepFailed(format!("the identity provider of the harness cannot {what}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation, decode};

    async fn keys(provider: &IdentityProvider) -> Option<Value> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(&provider.settings()[0].1).send().await.ok()?.json().await.ok()
    }

    #[tokio::test]
    async fn the_published_key_verifies_what_was_signed_and_an_outage_ends() {
        let (first, second) = (SigningKey::generate("first").unwrap(), SigningKey::generate("second").unwrap());
        let mut provider = IdentityProvider::start(&[&first]).await.unwrap();
        let token = first.sign(&claims_of(&Grant::memory("acme", "ann"))).unwrap();
        let published = keys(&provider).await.unwrap();
        let key: Jwk = serde_json::from_value(published["keys"][0].clone()).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        let verified = |token: &str| decode::<Value>(token, &DecodingKey::from_jwk(&key).unwrap(), &validation);
        assert_eq!(verified(&token).unwrap().claims["sub"], "ann");
        assert!(verified(&second.sign(&claims_of(&Grant::memory("acme", "ann"))).unwrap()).is_err());
        provider.publish(&[&second]).unwrap();
        assert_eq!(keys(&provider).await.unwrap()["keys"][0]["kid"], "second");
        provider.stop().await;
        assert_eq!(keys(&provider).await, None);
        provider.start_again().await.unwrap();
        assert_eq!(keys(&provider).await.unwrap()["keys"][0]["kid"], "second");
    }
}
