//! The limits of a day and a second over several instances, and what the quota page shows.

use crate::{Redis, connected, decide, mode, scripts_run, until};
use mcp_contracts::{Plan, env};
use mcp_kit::quota::{Mode, Quota, QuotaDecision};

#[tokio::test(flavor = "multi_thread")]
async fn several_instances_together_admit_exactly_the_limit() {
    let redis = Redis::start(None);
    let quotas: Vec<Quota> = (0..3).map(|_| redis.quota(&[(env::QUOTA_FREE_DAILY, "50")]).0).collect();
    for quota in &quotas {
        connected(quota).await;
    }
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..150 {
        let quota = quotas[number % 3].clone();
        calls.spawn(async move { matches!(decide(&quota, "acme").await, QuotaDecision::Admitted(_)) });
    }
    let admitted = calls.join_all().await.into_iter().filter(|admitted| *admitted).count();
    assert_eq!(admitted, 50);
}

#[tokio::test]
async fn calls_that_wait_together_are_decided_together_and_counted_one_by_one() {
    let redis = Redis::start(None);
    let (quota, _) = redis.quota(&[(env::QUOTA_FREE_DAILY, "250")]);
    connected(&quota).await;
    let before = scripts_run(&redis);
    let decisions = futures::future::join_all((0..300).map(|_| decide(&quota, "acme"))).await;
    let mut left = Vec::new();
    let mut limited = 0;
    for decision in decisions {
        match decision {
            QuotaDecision::Admitted(state) => left.push(state.remaining),
            QuotaDecision::Limited(state) => {
                limited += 1;
                assert_eq!((state.window, state.remaining), ("per day", 0));
            }
            QuotaDecision::Refused { .. } => panic!("{decision:?}"),
        }
    }
    left.sort_unstable();
    assert_eq!(left, (0..250).collect::<Vec<u64>>(), "each call sees a count of its own");
    assert_eq!(limited, 50);
    let scripts = scripts_run(&redis) - before;
    assert!(scripts <= 30, "{scripts} scripts for 300 calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_covers_every_service_and_without_redis_only_this_one() {
    let redis = Redis::start(None);
    let (quota, _readiness) = redis.quota(&[]);
    connected(&quota).await;
    for _ in 0..7 {
        decide(&quota, "acme").await;
    }
    let used = quota.usage("acme", Plan::Free).await;
    let left: Vec<_> = used.iter().map(|(service, state)| (service.name(), state.remaining, state.mode)).collect();
    let redis_mode = Mode::Redis;
    assert_eq!(
        left,
        [
            ("memory", 93, redis_mode),
            ("guardrails", 100, redis_mode),
            ("patterns", 100, redis_mode),
            ("orchestrator", 100, redis_mode)
        ]
    );
    redis.kill();
    until(&quota, "other", |decision| mode(decision) == Some(Mode::Fallback)).await;
    let used = quota.usage("acme", Plan::Free).await;
    assert_eq!(
        used.iter().map(|(service, state)| (service.name(), state.remaining, state.mode)).collect::<Vec<_>>(),
        [("memory", 93, Mode::Fallback)]
    );
    quota.stop().await;
}
