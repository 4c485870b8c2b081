//! Verdicts that can be used once over all instances.

use crate::{Redis, connected, mode, until};
use mcp_contracts::guardrails::{VerdictClaims, VerdictKind};
use mcp_contracts::{ErrorCode, env};
use mcp_kit::SingleUse;
use mcp_kit::quota::Mode;
use std::time::Duration;

fn verdict(id: &str) -> VerdictClaims {
    let expiry = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 60;
    VerdictClaims {
        kind: VerdictKind::Acknowledged,
        org_id: "acme".into(),
        sub: "ann".into(),
        execution_id: "e".into(),
        request_hash: "h".into(),
        rules_version: "v".into(),
        rules: Vec::new(),
        exp: expiry,
        // Not before the Redis of the test was started, whose marks have milliseconds.
        iat: expiry - 59,
        jti: id.into(),
        aud: "mcp-verdict".into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_used_once_over_all_instances() {
    let redis = Redis::start(None);
    let mut instances = Vec::new();
    for _ in 0..3 {
        let (quota, _readiness) = redis.quota(&[]);
        connected(&quota).await;
        instances.push((SingleUse::new(quota.clone()), quota));
    }
    let takes = (0..60).map(|at| {
        let single = instances[at % 3].0.clone();
        async move { single.take(&verdict("one")).await }
    });
    let taken = futures::future::join_all(takes).await;
    assert_eq!(taken.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(taken.iter().flat_map(|result| result.as_ref().err()).all(|error| error.code == ErrorCode::VerdictUsed));
    assert!(instances[1].0.take(&verdict("another")).await.is_ok());
    for (_, quota) in instances {
        quota.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_cannot_be_used_without_redis_and_can_be_used_afterwards() {
    let redis = Redis::start(None);
    let (quota, _readiness) = redis.quota(&[(env::REDIS_DEADLINE_MS, "200")]);
    connected(&quota).await;
    let single = SingleUse::new(quota.clone());
    let port = redis.kill();
    until(&quota, "acme", |decision| mode(decision) == Some(Mode::Fallback)).await;
    let refused = single.take(&verdict("one")).await.unwrap_err();
    assert_eq!((refused.code, refused.retryable), (ErrorCode::DependencyUnavailable, true));
    let redis = Redis::start(Some(port));
    connected(&quota).await;
    assert!(single.take(&verdict("one")).await.is_ok());
    assert_eq!(single.take(&verdict("one")).await.unwrap_err().code, ErrorCode::VerdictUsed);
    // A Redis that lost its data does not make the verdict valid again on the instance that used it.
    redis.forget_everything();
    assert_eq!(single.take(&verdict("one")).await.unwrap_err().code, ErrorCode::VerdictUsed);
    quota.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_its_data_makes_no_used_verdict_valid_again() {
    let redis = Redis::start(None);
    let ((user, _r1), (other, _r2)) = (redis.quota(&[]), redis.quota(&[]));
    connected(&user).await;
    connected(&other).await;
    let singles = [SingleUse::new(user.clone()), SingleUse::new(other.clone())];
    let issued = || uuid::Uuid::now_v7().to_string();
    let take = async |at: usize, id: &str| singles[at].take(&verdict(id)).await.map_err(|error| error.code);
    // Emptied, then restarted: the first is noticed by the claim, the second by a connection.
    let mut redis = Some(redis);
    for restarts in [false, true] {
        let (used, unused) = (issued(), issued());
        assert_eq!(take(0, &used).await, Ok(()));
        if restarts {
            let port = redis.take().unwrap().kill();
            until(&other, "acme", |decision| mode(decision) == Some(Mode::Fallback)).await;
            redis = Some(Redis::start(Some(port)));
            connected(&user).await;
            connected(&other).await;
        } else {
            redis.as_ref().unwrap().forget_everything();
        }
        assert_eq!(take(1, &used).await, Err(ErrorCode::VerdictInvalid), "used before the loss");
        assert_eq!(take(1, &unused).await, Err(ErrorCode::VerdictInvalid), "it may have been used");
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert_eq!(take(1, &issued()).await, Ok(()), "issued after the loss");
    }
    for quota in [user, other] {
        quota.stop().await;
    }
}
