//! Leases: exact limits, and nothing that is lost.

use crate::{PATIENCE, Redis, connected, decide, mode, scripts_run};
use mcp_contracts::{Plan, env};
use mcp_kit::quota::{Mode, Quota, QuotaDecision};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_organisation_needs_few_scripts_and_every_call_is_counted() {
    const LIMIT: u64 = 10_000_000;
    let redis = Redis::start(None);
    let [(quota, _), (other, _)] = [0, 1].map(|_| redis.quota(&[(env::QUOTA_FREE_DAILY, &LIMIT.to_string())]));
    connected(&quota).await;
    connected(&other).await;
    let before = scripts_run(&redis);
    for _ in 0..4_000 {
        let decision = decide(&quota, "acme").await;
        assert!(matches!(decision, QuotaDecision::Admitted(state) if state.mode == Mode::Redis), "{decision:?}");
    }
    let scripts = scripts_run(&redis) - before;
    assert!(scripts <= 1_000, "{scripts} scripts for 4,000 calls");
    let used = async |quota: &Quota| LIMIT - quota.usage("acme", Plan::Free).await[0].1.remaining;
    // What is left of the last lease is given back after its second, without a further call.
    let since = Instant::now();
    loop {
        let used = used(&other).await;
        assert!(used >= 4_000, "{used}");
        if used == 4_000 {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "{used} calls are counted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_with_leases_admit_exactly_the_limit() {
    const LIMIT: u64 = 6_000;
    let redis = Redis::start(None);
    let quotas: Vec<Quota> = (0..3).map(|_| redis.quota(&[(env::QUOTA_FREE_DAILY, &LIMIT.to_string())]).0).collect();
    for quota in &quotas {
        connected(quota).await;
    }
    let before = scripts_run(&redis);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..12 {
        let quota = quotas[number % 3].clone();
        calls.spawn(async move {
            let mut admitted = 0;
            // One instance stops early, so that its lease is left.
            for _ in 0..if number % 3 == 0 { 100 } else { 1_000 } {
                admitted += u64::from(matches!(decide(&quota, "acme").await, QuotaDecision::Admitted(_)));
            }
            admitted
        });
    }
    let mut admitted: u64 = calls.join_all().await.into_iter().sum();
    assert!(admitted <= LIMIT, "{admitted}");
    assert!(scripts_run(&redis) - before < 4_000, "there were leases");
    // The rest is there for a single instance, as soon as the unused calls of the others are given back.
    let since = Instant::now();
    while admitted < LIMIT {
        if matches!(decide(&quotas[1], "acme").await, QuotaDecision::Admitted(_)) {
            admitted += 1;
        } else {
            assert!(since.elapsed() < PATIENCE, "{admitted} of {LIMIT} calls, the others are lost");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    for quota in &quotas {
        assert!(matches!(decide(quota, "acme").await, QuotaDecision::Limited(_)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_with_leases_keep_to_the_limit_of_a_second() {
    const LIMIT: u64 = 200;
    let redis = Redis::start(None);
    let values = [(env::QUOTA_BURST_PER_SECOND, "200"), (env::QUOTA_FREE_DAILY, "10000000")];
    let quotas = [0, 1, 2].map(|_| redis.quota(&values).0);
    for quota in &quotas {
        connected(quota).await;
    }
    let second = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let first = second();
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..12 {
        let quota = quotas[number % 3].clone();
        calls.spawn(async move {
            let mut admitted = 0;
            for _ in 0..400 {
                admitted += u64::from(matches!(decide(&quota, "acme").await, QuotaDecision::Admitted(_)));
            }
            admitted
        });
    }
    let admitted: u64 = calls.join_all().await.into_iter().sum();
    let windows = second() - first + 1;
    assert!(admitted <= LIMIT * windows, "{admitted} calls in {windows} seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_stops_gives_its_lease_back() {
    const LIMIT: u64 = 1_000_000;
    let redis = Redis::start(None);
    let [(quota, _), (other, _)] = [0, 1].map(|_| redis.quota(&[(env::QUOTA_FREE_DAILY, &LIMIT.to_string())]));
    connected(&quota).await;
    connected(&other).await;
    for _ in 0..1_001 {
        decide(&quota, "acme").await;
    }
    quota.stop().await;
    assert_eq!(LIMIT - other.usage("acme", Plan::Free).await[0].1.remaining, 1_001);
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_answers_too_late_costs_no_calls() {
    const LIMIT: u64 = 1_000_000;
    let redis = Redis::start(None);
    let limit = LIMIT.to_string();
    let values = [(env::QUOTA_FREE_DAILY, &*limit), (env::REDIS_DEADLINE_MS, "100")];
    let [(quota, _), (other, _)] = [0, 1].map(|_| redis.quota(&values));
    connected(&quota).await;
    connected(&other).await;
    let is_admitted = |decision| u64::from(matches!(decision, QuotaDecision::Admitted(_)));
    let mut admitted = 0;
    for _ in 0..1_000 {
        admitted += is_admitted(decide(&quota, "acme").await);
    }
    // The scripts of these calls reach Redis, which runs them when the fallback has decided about the calls.
    redis.signal("-STOP");
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..600 {
        let quota = quota.clone();
        calls.spawn(async move {
            tokio::time::sleep(Duration::from_millis(number / 10)).await;
            decide(&quota, "acme").await
        });
    }
    let decisions = calls.join_all().await;
    assert!(decisions.iter().any(|decision| mode(decision) == Some(Mode::Fallback)), "no script was late");
    admitted += decisions.into_iter().map(is_admitted).sum::<u64>();
    redis.signal("-CONT");
    connected(&quota).await;
    connected(&other).await;
    let since = Instant::now();
    loop {
        let used = LIMIT - other.usage("acme", Plan::Free).await[0].1.remaining;
        if used == admitted {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "{admitted} calls were admitted, and Redis counts {used}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
