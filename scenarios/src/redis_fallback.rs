//! While Redis is down, each service applies its `RATE_LIMIT_FALLBACK`: `local` admits the instance's share of the
//! remaining calls, `closed` admits none, and `open` admits all. The service counts the calls that it admits in this
//! way, including those above the limit. When Redis is back, they are added to the counts in Redis.

mod call;
mod down;
mod settled;

use crate::lifecycle::RECOVERY;
use call::{check, is_admitted_by, memory, select};
use harness_core::drive::scenario::{Scenario, Stage, StepFailed};
use harness_core::plan::topology::{PartKind, Topology};
use mcp_contracts::service::READYZ_PATH;
use mcp_contracts::{Plan, Service, env};
use serde_json::json;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "redis-fallback",
    "without Redis each service applies its fallback, counts its calls, and settles them afterwards",
    topology,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.within(120);

/// Daily calls of the free plan in this scenario.
const DAILY: u64 = 40;
/// Instances of memory, which share the remaining calls while Redis is down.
const INSTANCES: u64 = 2;
/// Calls of `acme` at memory before the outage, alternating between the instances.
// An odd number, so that the instances have different last counts from Redis, and therefore different shares.
const ALTERNATING: u64 = 21;
/// Calls of each other organisation before the outage.
const BEFORE: u64 = 10;
/// Number of calls at the service with the fallback `open` during the outage.
// More than the limit, so that some of them are above it.
const UNLIMITED: u64 = 50;

fn topology() -> Topology {
    let mut all = Topology::full().instances(Service::Memory, INSTANCES as u32);
    all.parts.retain(|part| part.kind != PartKind::Service(Service::Orchestrator));
    let all = all
        .with_setting_everywhere(env::QUOTA_FREE_DAILY, DAILY)
        .with_setting_everywhere(env::QUOTA_BURST_PER_SECOND, 100_000);
    // A long deadline, so that a slow machine does not cause a fallback. A stopped Redis refuses connections at once.
    let all = all.with_setting_everywhere(env::REDIS_DEADLINE_MS, 5_000);
    let closed = all.with_setting(Service::Guardrails, env::RATE_LIMIT_FALLBACK, "closed");
    let open = closed.with_setting(Service::Patterns, env::RATE_LIMIT_FALLBACK, "open");
    // Only `development` accepts the fallback `open`.
    open.with_setting(Service::Patterns, env::APP_ENV, "development")
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let free = |user: &str, organisation: &str| stage.user(user, organisation).on_plan(Plan::Free);
    let (mut ann, mut zoe) = (free("ann", "acme"), free("zoe", "zeta"));
    let (mut gus, mut pia) = (free("gus", "gamma"), free("pia", "pi"));
    for organisation in [ann.organisation(), zoe.organisation(), gus.organisation()] {
        stage.promise_limit(organisation, &[], DAILY, None);
    }
    let (one, two) = ("memory-1", "memory-2");
    let mut counted = 0;
    for call in 0..ALTERNATING {
        let part = if call.is_multiple_of(2) { one } else { two };
        counted += u64::from(is_admitted_by(&memory(&mut ann, part).await, "redis"));
    }
    for _ in 0..BEFORE {
        counted += u64::from(is_admitted_by(&memory(&mut zoe, one).await, "redis"));
        counted += u64::from(is_admitted_by(&select(&mut pia).await, "redis"));
        counted += u64::from(is_admitted_by(&check(&mut gus).await, "redis"));
    }
    let details = format!("{counted} by Redis");
    stage.expect("while Redis is up it counts every call", counted == ALTERNATING + 3 * BEFORE, details, &[]);

    stage.kill("redis").await?;
    down::local(stage, &mut ann, one, share(ALTERNATING, ALTERNATING.div_ceil(2))).await;
    down::local(stage, &mut ann, two, share(ALTERNATING - 1, ALTERNATING / 2)).await;
    down::local(stage, &mut zoe, one, share(BEFORE, BEFORE)).await;
    down::unverified(stage, one, share(ALTERNATING, ALTERNATING.div_ceil(2)) + share(BEFORE, BEFORE)).await?;
    down::unverified(stage, two, share(ALTERNATING - 1, ALTERNATING / 2)).await?;
    down::closed(stage, &mut gus).await?;
    down::open(stage, &mut pia).await?;
    for part in [one, two, "guardrails", "patterns"] {
        let (status, page) = stage.page(part, READYZ_PATH, None).await;
        let holds = status == Some(200) && page["degraded"] == true && page["fallbacks"] == json!(["redis"]);
        stage.expect(&format!("`{part}` is ready and reports the fallback for Redis"), holds, page, &[]);
    }

    stage.start_again("redis").await?;
    for part in [one, two, "guardrails", "patterns"] {
        let recovered = async || (stage.page(part, READYZ_PATH, None).await.1["degraded"] == false).then_some(());
        stage.wait_until(&format!("`{part}` uses Redis again"), RECOVERY, recovered).await;
    }
    settled::expect_settled(stage, &mut zoe, &mut gus, &mut pia).await
}

/// Returns the number of calls that one instance admits without Redis, if `counted` is the last count that it got from Redis, and `own` of these calls
/// were its own: a share of what remains, and with its own calls at most a share of the limit.
fn share(counted: u64, own: u64) -> u64 {
    ((DAILY - counted) / INSTANCES).min((DAILY / INSTANCES).saturating_sub(own))
}
