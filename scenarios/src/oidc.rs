//! Tokens of an identity provider at all four services: those that fit are accepted, everything else is refused, new keys are followed, an outage
//! of the provider ends no token, and a revocation does.

mod revoked;

use crate::lifecycle::{RECOVERY, completes, fallbacks, patient, reconfigure_all};
use harness_core::drive::scenario::{
    Actor, IdentityProvider, MAX_LIFETIME_SECS, Scenario, ScenarioRequest, SigningKey, Stage, StepFailed, claims_of,
};
use mcp_contracts::Service;
use serde_json::{Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "oidc",
    "tokens of an identity provider work, wrong ones are refused, and outages, new keys and revocations are handled",
    patient,
    |stage| Box::pin(play(stage)),
)
.within(180)
.requires(&["no-lost-writes"])
.on_its_own_processes();

/// The fallback that `/readyz` lists while the provider does not answer.
const FALLBACK: &str = "identity provider";

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let (first, second) = (SigningKey::generate("first")?, SigningKey::generate("second")?);
    let mut provider = IdentityProvider::start(&[&first]).await?;
    reconfigure_all(stage, &provider.settings()).await?;
    let ann = stage.user("ann", "acme");

    let token = first.sign(&claims_of(ann.grant()))?;
    expect_all(stage, "a token of the provider", &token, 200).await;
    let mut ann = ann.with_token(Some(&token));
    let _ = completes(&mut ann, "a workflow through all services runs with a token of the provider").await;
    let note = json!({ "content": ann.private_content("Stored with a token of the provider") });
    let _ = ann.call("store_memory", note).await.expect_ok("a memory is stored with a token of the provider");
    expect_wrong_ones_refused(stage, &first, &ann).await?;

    provider.publish(&[&second])?;
    let renewed = second.sign(&claims_of(ann.grant()))?;
    expect_soon(stage, "accepts a token of the new key", &renewed, 200).await;
    expect_all(stage, "a token of the withdrawn key", &token, 401).await;

    expect_outage_bridged(stage, &mut provider, &second, &ann, &renewed).await?;
    revoked::play(stage, &second, &ann).await
}

/// Sends a token to a service, in a request that needs no scope. Returns the status.
async fn status(stage: &Stage<'_>, service: Service, token: &str) -> Option<u16> {
    let mut client = stage.user("client", "acme").with_token(Some(token));
    client.send(ScenarioRequest::method(service, "tools/list", Value::Null)).await.status()
}

/// Expects the status for this token at every service.
async fn expect_all(stage: &Stage<'_>, what: &str, token: &str, expected: u16) {
    for service in Service::ALL {
        let status = status(stage, service, token).await;
        let verb = if expected == 200 { "accepts" } else { "refuses" };
        stage.expect(
            &format!("{} {verb} {what}", service.name()),
            status == Some(expected),
            format!("{status:?}"),
            &[],
        );
    }
}

/// Expects that every service soon answers with the status for this token.
async fn expect_soon(stage: &Stage<'_>, what: &str, token: &str, expected: u16) {
    for service in Service::ALL {
        let answered = async || (status(stage, service, token).await == Some(expected)).then_some(());
        stage.wait_until(&format!("{} {what}", service.name()), RECOVERY, answered).await;
    }
}

async fn expect_wrong_ones_refused(stage: &Stage<'_>, key: &SigningKey, ann: &Actor<'_>) -> Result<(), StepFailed> {
    let claims = claims_of(ann.grant());
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let issued = claims["iat"].as_u64().unwrap_or_default();
    let cases = [
        ("a token for another audience", with("aud", json!("another-service"))),
        ("a token of another issuer", with("iss", json!("https://another.harness.example"))),
        ("an expired token", with("exp", json!(issued.saturating_sub(1)))),
        ("a token with too long a lifetime", with("exp", json!(issued + MAX_LIFETIME_SECS + 1))),
    ];
    for (what, claims) in &cases {
        expect_all(stage, what, &key.sign(claims)?, 401).await;
    }
    let unknown = SigningKey::generate("unknown")?;
    expect_all(stage, "a token of an unknown key", &unknown.sign(&claims)?, 401).await;
    let forged = SigningKey::generate("first")?;
    expect_all(stage, "a token that another key signed under a published id", &forged.sign(&claims)?, 401).await;
    Ok(())
}

/// Stops the provider: known keys stay valid for tokens old and new, and no other key becomes valid.
async fn expect_outage_bridged(
    stage: &Stage<'_>,
    provider: &mut IdentityProvider,
    key: &SigningKey,
    ann: &Actor<'_>,
    earlier: &str,
) -> Result<(), StepFailed> {
    provider.stop().await;
    let unknown = SigningKey::generate("unknown-in-outage")?;
    let stranger = unknown.sign(&claims_of(ann.grant()))?;
    for service in Service::ALL {
        // The token of an unknown key makes the service ask the provider.
        let noticed = async || {
            let refused = status(stage, service, &stranger).await == Some(401);
            let reported = fallbacks_of(stage, service).await.iter().any(|fallback| fallback == FALLBACK);
            (refused && reported).then_some(())
        };
        let expected = format!("{} refuses an unknown key and reports that the provider is down", service.name());
        stage.wait_until(&expected, RECOVERY, noticed).await;
    }
    expect_all(stage, "an earlier token while the provider is down", earlier, 200).await;
    let new = key.sign(&claims_of(ann.grant()))?;
    expect_all(stage, "a new token of a published key while the provider is down", &new, 200).await;
    provider.start_again().await?;
    for service in Service::ALL {
        let recovered = async || {
            let _ = status(stage, service, &stranger).await;
            fallbacks_of(stage, service).await.is_empty().then_some(())
        };
        stage
            .wait_until(&format!("{} reports no fallback after the outage", service.name()), RECOVERY, recovered)
            .await;
    }
    Ok(())
}

async fn fallbacks_of(stage: &Stage<'_>, service: Service) -> Vec<String> {
    let part = stage.instances(service).into_iter().next().unwrap_or_default();
    fallbacks(stage, &part).await
}
