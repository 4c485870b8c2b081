//! Without Redis the quota goes on as each service was told: `local` admits its share of what was left, `closed` nobody, `open` everybody. Every
//! call admitted that way is counted, every one past the limit too, and when Redis is back it knows of them all.

mod call;
mod down;
mod settled;

use crate::lifecycle::RECOVERY;
use call::{check, is_by, memory, select};
use harness_core::drive::scenario::{Broken, Scenario, Stage};
use harness_core::plan::topology::{PartKind, Topology};
use mcp_contracts::service::READYZ_PATH;
use mcp_contracts::{Plan, Service, env};
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
    down::local(stage, &mut ann, one, share(TOGETHER)).await;
    down::local(stage, &mut ann, two, share(TOGETHER - 1)).await;
    down::local(stage, &mut zoe, one, share(BEFORE)).await;
    down::unverified(stage, one, share(TOGETHER) + share(BEFORE)).await?;
    down::unverified(stage, two, share(TOGETHER - 1)).await?;
    down::closed(stage, &mut gus).await?;
    down::open(stage, &mut pia).await?;
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
    settled::all(stage, &mut zoe, &mut gus, &mut pia).await
}

/// What one instance admits without Redis, where Redis last told it of so many calls.
const fn share(known: u64) -> u64 {
    (DAILY - known) / INSTANCES
}
