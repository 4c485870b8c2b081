//! What an outage of Redis, or the loss of its data, changes.

use crate::{PATIENCE, Redis, connected, decide, mode, until};
use mcp_contracts::{Plan, env};
use mcp_kit::quota::{Mode, QuotaDecision};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn the_local_fallback_admits_its_share_and_settles_when_redis_is_back() {
    let redis = Redis::start(None);
    let values = [(env::QUOTA_FREE_DAILY, "20"), (env::RATE_LIMIT_INSTANCES, "2")];
    let (quota, readiness) = redis.quota(&values);
    let (other, _readiness) = redis.quota(&values);
    connected(&quota).await;
    connected(&other).await;
    for instance in [&other, &quota] {
        for _ in 0..5 {
            assert_eq!(mode(&decide(instance, "acme").await), Some(Mode::Redis));
        }
    }
    // SIGSTOP keeps the counters, so Redis continues with them.
    redis.signal("-STOP");
    let mut admitted = 0;
    for _ in 0..20 {
        let decision = decide(&quota, "acme").await;
        assert_eq!(mode(&decision), Some(Mode::Fallback));
        admitted += usize::from(matches!(decision, QuotaDecision::Admitted(_)));
    }
    assert_eq!(admitted, 5, "half of the ten remaining calls");
    let since = Instant::now();
    while !readiness.reply().degraded {
        assert!(since.elapsed() < PATIENCE, "readiness does not report the fallback");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    redis.signal("-CONT");
    let back = until(&quota, "acme", |decision| mode(decision) == Some(Mode::Redis)).await;
    // Ten before, five without Redis, this one, and at most one that Redis counted after its deadline.
    let QuotaDecision::Admitted(state) = back else { panic!("{back:?}") };
    assert!((3..=4).contains(&state.remaining), "{state:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_admitted_during_the_reconnect_are_settled() {
    const LIMIT: u64 = 100_000_000;
    let redis = Redis::start(None);
    let (quota, _readiness) = redis.quota(&[(env::QUOTA_FREE_DAILY, &LIMIT.to_string())]);
    connected(&quota).await;
    // Calls continue without a pause, so that many find the link down just before it is up again.
    let over = Arc::new(AtomicBool::new(false));
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (quota, over) = (quota.clone(), Arc::clone(&over));
        calls.spawn(async move {
            let mut admitted = 0;
            while !over.load(Ordering::Relaxed) {
                admitted += u64::from(matches!(decide(&quota, "acme").await, QuotaDecision::Admitted(_)));
                tokio::task::yield_now().await;
            }
            admitted
        });
    }
    redis.signal("-STOP");
    until(&quota, "probe", |decision| mode(decision) == Some(Mode::Fallback)).await;
    redis.signal("-CONT");
    connected(&quota).await;
    over.store(true, Ordering::Relaxed);
    let admitted: u64 = calls.join_all().await.into_iter().sum();
    let since = Instant::now();
    loop {
        let used = LIMIT - quota.usage("acme", Plan::Free).await[0].1.remaining;
        if used >= admitted {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "{admitted} calls were admitted, and Redis knows of {used}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_its_counters_gets_them_back() {
    let redis = Redis::start(None);
    let (quota, _readiness) = redis.quota(&[(env::QUOTA_FREE_DAILY, "10")]);
    connected(&quota).await;
    for _ in 0..8 {
        decide(&quota, "acme").await;
    }
    let port = redis.kill();
    until(&quota, "other", |decision| mode(decision) == Some(Mode::Fallback)).await;
    let _again = Redis::start(Some(port));
    connected(&quota).await;
    let mut admitted = 0;
    for _ in 0..10 {
        admitted += usize::from(matches!(decide(&quota, "acme").await, QuotaDecision::Admitted(_)));
    }
    assert_eq!(admitted, 2, "eight of ten were used before Redis was restarted");
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_refuses_and_open_admits_without_redis() {
    let redis = Redis::start(None);
    let (closed, _) = redis.quota(&[(env::RATE_LIMIT_FALLBACK, "closed")]);
    let (open, _) = redis.quota(&[(env::RATE_LIMIT_FALLBACK, "open"), (env::QUOTA_FREE_DAILY, "3")]);
    connected(&closed).await;
    connected(&open).await;
    redis.kill();
    until(&closed, "acme", |decision| matches!(decision, QuotaDecision::Refused { .. })).await;
    until(&open, "acme", |decision| mode(decision) == Some(Mode::Fallback)).await;
    for _ in 0..10 {
        assert!(matches!(decide(&open, "acme").await, QuotaDecision::Admitted(_)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_reply_of_redis_is_an_outage_and_not_a_refusal() {
    let redis = Redis::start(None);
    let (quota, _readiness) = redis.quota(&[]);
    connected(&quota).await;
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", redis.port)).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut config = redis::cmd("CONFIG");
    let _: () = config.arg("SET").arg("maxmemory").arg("1").query_async(&mut connection).await.unwrap();
    let decision = decide(&quota, "acme").await;
    assert!(matches!(decision, QuotaDecision::Admitted(state) if state.mode == Mode::Fallback), "{decision:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn flushed_counters_are_restored_before_a_call_is_admitted() {
    let redis = Redis::start(None);
    let (quota, _readiness) = redis.quota(&[(env::QUOTA_FREE_DAILY, "3")]);
    connected(&quota).await;
    for _ in 0..3 {
        assert!(matches!(decide(&quota, "acme").await, QuotaDecision::Admitted(_)));
    }
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", redis.port)).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let _: () = redis::cmd("FLUSHALL").query_async(&mut connection).await.unwrap();
    let decision = decide(&quota, "acme").await;
    assert!(matches!(decision, QuotaDecision::Limited(state) if state.mode == Mode::Redis), "{decision:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_refuses_writes_stays_down() {
    let redis = Redis::start(None);
    let (quota, readiness) = redis.quota(&[(env::RATE_LIMIT_FALLBACK, "closed")]);
    connected(&quota).await;
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", redis.port)).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let limit = |bytes: &str| {
        let mut config = redis::cmd("CONFIG");
        config.arg("SET").arg("maxmemory").arg(bytes);
        config
    };
    let _: () = limit("1").query_async(&mut connection).await.unwrap();
    until(&quota, "acme", |decision| matches!(decision, QuotaDecision::Refused { .. })).await;
    for _ in 0..20 {
        assert!(matches!(decide(&quota, "acme").await, QuotaDecision::Refused { .. }));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(readiness.reply().degraded);
    let _: () = limit("0").query_async(&mut connection).await.unwrap();
    connected(&quota).await;
}
