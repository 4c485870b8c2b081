//! Revocation: every service refuses one revoked token, then all tokens of a revoked organisation, before they expire. Other tokens stay valid.

use super::{expect_all, expect_soon, status};
use crate::lifecycle::RECOVERY;
use harness_core::drive::scenario::{Actor, SigningKey, Stage, StepFailed, claims_of};
use mcp_contracts::Service;
use std::time::Duration;

/// Deadline of one revocation command.
const DEADLINE: Duration = Duration::from_secs(20);

pub(super) async fn play(stage: &Stage<'_>, key: &SigningKey, ann: &Actor<'_>) -> Result<(), StepFailed> {
    let (stolen, other) = (claims_of(ann.grant()), claims_of(ann.grant()));
    let id = stolen["jti"].as_str().unwrap_or_default();
    let (stolen_token, other_token) = (key.sign(&stolen)?, key.sign(&other)?);
    expect_all(stage, "a token before it is revoked", &stolen_token, 200).await;
    revoke(stage, &["revoke", "--token", id]).await?;
    expect_soon(stage, "refuses a revoked token", &stolen_token, 401).await;
    expect_all(stage, "another token of the same user", &other_token, 200).await;

    let mut zoe = stage.user("zoe", "zeta");
    let (of_provider, of_secret) = (key.sign(&claims_of(zoe.grant()))?, zoe.token().unwrap_or_default().to_owned());
    expect_all(stage, "a token of an organisation before it is revoked", &of_secret, 200).await;
    revoke(stage, &["revoke", "--organisation", zoe.organisation()]).await?;
    expect_soon(stage, "refuses an earlier token of the shared secret of a revoked organisation", &of_secret, 401)
        .await;
    expect_soon(stage, "refuses an earlier token of the provider of a revoked organisation", &of_provider, 401).await;
    expect_all(stage, "a token of another organisation", &other_token, 200).await;
    for service in Service::ALL {
        // Times in tokens are whole seconds, so tokens that are issued in the same second as the revocation are revoked too.
        let accepted = async || {
            zoe.renew_token();
            let token = zoe.token().unwrap_or_default().to_owned();
            (status(stage, service, &token).await == Some(200)).then_some(())
        };
        let expected = format!("{} accepts a token that was issued after the revocation", service.name());
        stage.wait_until(&expected, RECOVERY, accepted).await;
    }
    Ok(())
}

/// Runs the revocation command of one service. The revocation applies to all services.
async fn revoke(stage: &Stage<'_>, arguments: &[&str]) -> Result<(), StepFailed> {
    let Some(part) = stage.instances(Service::Guardrails).into_iter().next() else {
        return Err(StepFailed("there are no guardrails in the stack".to_owned()));
    };
    let ended = stage.run_program(&part, arguments, DEADLINE).await?;
    stage.expect(&format!("`{}` succeeds", arguments.join(" ")), ended.code == Some(0), format!("{ended:?}"), &[]);
    Ok(())
}
