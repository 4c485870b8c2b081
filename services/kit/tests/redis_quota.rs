//! The quota with a real Redis: exact under concurrency, and every call admitted without Redis is reported.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use mcp_contracts::guardrails::{VerdictClaims, VerdictKind};
use mcp_contracts::{ErrorCode, Plan, Service, env};
use mcp_kit::quota::{Mode, Quota, QuotaDecision};
use mcp_kit::{Readiness, Settings, SingleUse};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// A Redis process that ends with the test.
struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    fn start(port: Option<u16>) -> Self {
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port = port.unwrap_or_else(free);
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let since = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(since.elapsed() < PATIENCE, "redis-server did not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { child, port }
    }

    fn signal(&self, name: &str) {
        Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
    }

    fn forget_everything(&self) {
        let flush = Command::new("redis-cli").args(["-p", &self.port.to_string(), "flushall"]).output().unwrap();
        assert!(flush.status.success(), "{flush:?}");
    }

    fn kill(mut self) -> u16 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.port
    }

    fn quota(&self, values: &[(&str, &str)]) -> (Quota, Readiness) {
        let mut settings = BTreeMap::from([
            (env::REDIS_URL.to_owned(), format!("redis://127.0.0.1:{}", self.port)),
            (env::QUOTA_BURST_PER_SECOND.to_owned(), "100000".to_owned()),
            (env::REDIS_DEADLINE_MS.to_owned(), "500".to_owned()),
        ]);
        settings.extend(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let readiness = Readiness::default();
        (Quota::new(&Settings::from_values(Service::Memory, &settings).unwrap(), &readiness), readiness)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn decide(quota: &Quota, org: &str) -> QuotaDecision {
    quota.decide(org, Plan::Free).await
}

fn mode(decision: &QuotaDecision) -> Option<Mode> {
    match decision {
        QuotaDecision::Admitted(state) | QuotaDecision::Limited(state) => Some(state.mode),
        QuotaDecision::Refused { .. } => None,
    }
}

async fn until(quota: &Quota, org: &str, wanted: impl Fn(&QuotaDecision) -> bool) -> QuotaDecision {
    let since = Instant::now();
    loop {
        let decision = decide(quota, org).await;
        if wanted(&decision) {
            return decision;
        }
        assert!(since.elapsed() < PATIENCE, "still {decision:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn connected(quota: &Quota) {
    until(quota, "probe", |decision| mode(decision) == Some(Mode::Redis)).await;
}

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

/// Returns how many decisions Redis was asked for.
fn scripts_run(redis: &Redis) -> u64 {
    let info =
        Command::new("redis-cli").args(["-p", &redis.port.to_string(), "info", "commandstats"]).output().unwrap();
    let text = String::from_utf8(info.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")).unwrap();
    line.split(',').next().unwrap().parse().unwrap()
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
