//! Without Redis the quota goes on as each service was told: `local` admits its share of what was left, `closed` nobody, `open` everybody. Every
//! call admitted that way is counted, every one past the limit too, and when Redis is back it knows of them all.

use crate::lifecycle::RECOVERY;
use harness_core::scenario::{Actor, Ask, Broken, Reply, Scenario, Stage};
use harness_core::topology::{PartKind, Topology};
use mcp_contracts::service::READYZ_PATH;
use mcp_contracts::{Plan, Service, env, headers, metric};
use serde_json::json;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "redis-fallback",
    "without Redis each service does what it was told, counts every call of it, and settles them afterwards",
    topology,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.within(120);

/// Daily calls of the free plan in this scenario.
const DAILY: u64 = 40;
/// Instances of memory, which share what is left while Redis is away.
const INSTANCES: u64 = 2;
/// Calls of `acme` at memory before, one instance after the other.
const TOGETHER: u64 = 21;
/// Calls of the others before.
const BEFORE: u64 = 10;
/// Calls at the service that limits nobody.
const UNLIMITED: u64 = 50;

fn topology() -> Topology {
    let mut all = Topology::full().instances(Service::Memory, INSTANCES as u32);
    all.parts.retain(|part| part.kind != PartKind::Service(Service::Orchestrator));
    let all = all.everywhere(env::QUOTA_FREE_DAILY, DAILY).everywhere(env::QUOTA_BURST_PER_SECOND, 100_000);
    // A Redis that is there is waited for, however slow the machine; one that is gone refuses at once.
    let all = all.everywhere(env::REDIS_DEADLINE_MS, 5_000);
    let closed = all.setting(Service::Guardrails, env::RATE_LIMIT_FALLBACK, "closed");
    let open = closed.setting(Service::Patterns, env::RATE_LIMIT_FALLBACK, "open");
    // Nothing but development lets it.
    open.setting(Service::Patterns, env::APP_ENV, "development")
}

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let free = |user: &str, organisation: &str| stage.user(user, organisation).on(Plan::Free);
    let (mut ann, mut zoe) = (free("ann", "acme"), free("zoe", "zeta"));
    let (mut gus, mut pia) = (free("gus", "gamma"), free("pia", "pi"));
    for organisation in [ann.organisation(), zoe.organisation(), gus.organisation()] {
        stage.promise_limit(organisation, &[], DAILY, None);
    }
    let (one, two) = ("memory-1", "memory-2");
    let mut counted = 0;
    for call in 0..TOGETHER {
        let part = if call.is_multiple_of(2) { one } else { two };
        counted += u64::from(is_by(&memory(&mut ann, part).await, "redis"));
    }
    for _ in 0..BEFORE {
        counted += u64::from(is_by(&memory(&mut zoe, one).await, "redis"));
        counted += u64::from(is_by(&select(&mut pia).await, "redis"));
        counted += u64::from(is_by(&check(&mut gus).await, "redis"));
    }
    let seen = format!("{counted} by Redis");
    stage.expect("while Redis is there it counts every call", counted == TOGETHER + 3 * BEFORE, seen, &[]);

    stage.kill("redis").await?;
    local(stage, &mut ann, one, share(TOGETHER)).await;
    local(stage, &mut ann, two, share(TOGETHER - 1)).await;
    local(stage, &mut zoe, one, share(BEFORE)).await;
    unverified(stage, one, share(TOGETHER) + share(BEFORE)).await?;
    unverified(stage, two, share(TOGETHER - 1)).await?;
    closed(stage, &mut gus).await?;
    open(stage, &mut pia).await?;
    for part in [one, two, "guardrails", "patterns"] {
        let (status, said) = stage.page(part, READYZ_PATH, None).await;
        let held = status == Some(200) && said["degraded"] == true && said["fallbacks"] == json!(["redis"]);
        stage.expect(&format!("`{part}` is ready and says that it goes without Redis"), held, said, &[]);
    }

    stage.start_again("redis").await?;
    for part in [one, two, "guardrails", "patterns"] {
        let back = async || (stage.page(part, READYZ_PATH, None).await.1["degraded"] == false).then_some(());
        stage.until(&format!("`{part}` has Redis again"), RECOVERY, back).await;
    }
    settled(stage, &mut zoe, &mut gus, &mut pia).await
}

/// What one instance admits without Redis, where Redis last told it of so many calls.
const fn share(known: u64) -> u64 {
    (DAILY - known) / INSTANCES
}

async fn memory<'s>(actor: &mut Actor<'s>, part: &str) -> Reply<'s> {
    actor.send(Ask::tool("memory_stats", json!({})).at(part)).await
}

async fn check<'s>(actor: &mut Actor<'s>) -> Reply<'s> {
    actor.call("check_guardrails", json!({ "action": "answer", "intent": "explain the ledger" })).await
}

async fn select<'s>(actor: &mut Actor<'s>) -> Reply<'s> {
    actor.call("select_pattern", json!({ "intent": "review a migration" })).await
}

/// Tells whether a call was admitted, and by whom.
fn is_by(reply: &Reply<'_>, mode: &str) -> bool {
    reply.is_ok() && reply.header(headers::RATELIMIT_MODE) == Some(mode)
}

/// `local`: no call fails until the share of the instance is used up.
async fn local(stage: &Stage<'_>, actor: &mut Actor<'_>, part: &str, share: u64) {
    let (mut admitted, mut reply) = (0, memory(actor, part).await);
    while is_by(&reply, "fallback") && admitted <= DAILY {
        admitted += 1;
        reply = memory(actor, part).await;
    }
    let seen = format!("{admitted} admitted, {share} are its share");
    let expected = format!("`{part}` goes on without Redis and admits its share");
    stage.expect(&expected, admitted == share, seen, &[reply.op()]);
    let reply = reply.has_status("and then says that the day is used up", 429);
    let _ = reply.has_header("and who said so", headers::RATELIMIT_MODE, |mode| mode == "fallback");
}

async fn unverified(stage: &Stage<'_>, part: &str, made: u64) -> Result<(), Broken> {
    let counted = stage.metric(part, metric::RATE_LIMIT_UNVERIFIED_TOTAL, &[]).await?;
    let active = stage.metric(part, metric::RATE_LIMIT_FALLBACK_ACTIVE, &[]).await?;
    let seen = format!("{counted} counted, {made} made, fallback {active}");
    let held = (counted - made as f64).abs() < 0.5 && active > 0.5;
    stage.expect(&format!("`{part}` counts every call that it admitted without Redis"), held, seen, &[]);
    Ok(())
}

/// `closed`: nobody is admitted, and everybody is told to come again.
async fn closed(stage: &Stage<'_>, gus: &mut Actor<'_>) -> Result<(), Broken> {
    for _ in 0..3 {
        let reply = check(gus).await.has_status("a service that closes without Redis answers 503", 503);
        let soon = |text: &str| text.parse::<u64>().is_ok_and(|seconds| (1..=60).contains(&seconds));
        let _ = reply.has_header("and when to come again", "retry-after", soon);
    }
    let refused = stage.metric("guardrails", metric::QUOTA_DECISIONS_TOTAL, &[("decision", "refused")]).await?;
    let unverified = stage.metric("guardrails", metric::RATE_LIMIT_UNVERIFIED_TOTAL, &[]).await?;
    let seen = format!("{refused} refused, {unverified} unverified");
    let held = (refused - 3.0).abs() < 0.5 && unverified < 0.5;
    stage.expect("it counts them as refused and none as admitted", held, seen, &[]);
    Ok(())
}

/// `open`: everybody is admitted, and each of them is counted.
async fn open(stage: &Stage<'_>, pia: &mut Actor<'_>) -> Result<(), Broken> {
    let mut admitted = 0;
    for _ in 0..UNLIMITED {
        admitted += u64::from(is_by(&select(pia).await, "fallback"));
    }
    let seen = format!("{admitted} admitted");
    stage.expect("a service that opens without Redis admits every call", admitted == UNLIMITED, seen, &[]);
    unverified(stage, "patterns", UNLIMITED).await
}

/// Redis knows of every call: what is left is the same for all instances, and what went past a limit is counted.
async fn settled(
    stage: &Stage<'_>,
    zoe: &mut Actor<'_>,
    gus: &mut Actor<'_>,
    pia: &mut Actor<'_>,
) -> Result<(), Broken> {
    let left = DAILY - BEFORE - share(BEFORE);
    let (mut admitted, mut reply) = (0, memory(zoe, "memory-2").await);
    while is_by(&reply, "redis") && admitted <= DAILY {
        admitted += 1;
        reply = memory(zoe, "memory-2").await;
    }
    let seen = format!("{admitted} admitted, {left} were left");
    stage.expect(
        "the other instance admits what is left of the day, and no more",
        admitted == left,
        seen,
        &[reply.op()],
    );
    let _ = reply.has_status("then the day is used up", 429);
    let again = check(gus).await;
    let seen = format!("{:?} by {:?}", again.outcome(), again.header(headers::RATELIMIT_MODE));
    stage.expect("the closed service admits calls again", is_by(&again, "redis"), seen, &[again.op()]);
    let over = select(pia).await.has_status("who was past the limit without Redis is refused with it", 429);
    let _ = over.has_header("by Redis", headers::RATELIMIT_MODE, |mode| mode == "redis");
    for (part, past) in [("memory-1", 0), ("memory-2", 0), ("guardrails", 0), ("patterns", BEFORE + UNLIMITED - DAILY)]
    {
        let counted = stage.metric(part, metric::RATE_LIMIT_BYPASS_TOTAL, &[]).await?;
        let seen = format!("{counted} counted, {past} made");
        let expected = format!("`{part}` counts the calls that went past the limit");
        stage.expect(&expected, (counted - past as f64).abs() < 0.5, seen, &[]);
    }
    Ok(())
}
