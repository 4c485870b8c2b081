//! Two instances share a limit. Under concurrent calls to both, exactly the limit is admitted, and no two admitted calls get the same number of
//! remaining calls.

use futures::future::join_all;
use harness_core::drive::scenario::{Reply, Scenario, ScenarioRequest, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use harness_history::counted;
use mcp_contracts::{Plan, Service, env, headers};
use serde_json::json;
use std::collections::BTreeSet;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "rate-limit-concurrency",
    "two instances that share a limit admit exactly the limit under concurrent calls",
    topology,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack();

/// Daily calls of the free plan in this scenario.
const DAILY: u64 = 60;
/// Users who call at the same time, half of them at each instance.
const USERS: usize = 16;
/// Calls of each user.
const CALLS: usize = 10;
const INSTANCES: [&str; 2] = ["memory-1", "memory-2"];

fn topology() -> Topology {
    let two = Topology::memory().instances(Service::Memory, INSTANCES.len() as u32);
    // The burst limit is out of reach, because only the daily limit is under test.
    let two = two
        .with_setting_everywhere(env::QUOTA_FREE_DAILY, DAILY)
        .with_setting_everywhere(env::QUOTA_BURST_PER_SECOND, 100_000);
    // Redis must decide every call, so a slow machine must not cause a fallback.
    two.with_setting_everywhere(env::REDIS_DEADLINE_MS, 5_000)
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let organisations = ["acme", "zeta"];
    let rounds = organisations.map(|organisation| call_concurrently(stage, organisation));
    // Both organisations call at the same time, to show that neither uses up the limit of the other.
    join_all(rounds).await;
    Ok(())
}

async fn call_concurrently(stage: &Stage<'_>, organisation: &str) {
    let mut users: Vec<_> =
        (0..USERS).map(|number| stage.user(&format!("user-{number}"), organisation).on_plan(Plan::Free)).collect();
    stage.promise_limit(users[0].organisation(), &[], DAILY, None);
    let calling = users.iter_mut().enumerate().map(|(number, user)| async move {
        let mut replies = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            replies.push(user.send(ScenarioRequest::tool("memory_stats", json!({})).at(INSTANCES[number % 2])).await);
        }
        replies
    });
    let replies: Vec<(usize, Reply<'_>)> = join_all(calling)
        .await
        .into_iter()
        .enumerate()
        .flat_map(|(number, replies)| replies.into_iter().map(move |reply| (number % 2, reply)))
        .collect();
    let (admitted, rejected): (Vec<_>, Vec<_>) = replies.iter().partition(|(_, reply)| reply.is_ok());
    let by_redis = replies.iter().all(|(_, reply)| reply.header(headers::RATELIMIT_MODE) == Some("redis"));
    stage.expect(&format!("Redis decides every call of {organisation}"), by_redis, "the header of every reply", &[]);

    let details = format!("{} of {} admitted, {DAILY} allowed", admitted.len(), replies.len());
    let ops: Vec<u64> = admitted.iter().map(|(_, reply)| reply.op()).collect();
    let exact = admitted.len() as u64 == DAILY;
    stage.expect(&format!("exactly the limit of {organisation} is admitted"), exact, details, &ops);
    let places: BTreeSet<usize> = admitted.iter().map(|(place, _)| *place).collect();
    let details = format!("{places:?}");
    stage.expect("both instances admit some of the calls", places.len() == INSTANCES.len(), details, &[]);

    let remaining: BTreeSet<u64> =
        admitted.iter().filter_map(|(_, reply)| reply.header(headers::RATELIMIT_REMAINING)?.parse().ok()).collect();
    let details = format!(
        "{} in {}: {remaining:?}",
        counted(remaining.len(), "number", "different numbers"),
        counted(admitted.len(), "reply", "replies")
    );
    let each = remaining == (0..DAILY).collect();
    stage.expect("each admitted call gets a different number of remaining calls, down to 0", each, details, &[]);

    let wrong: Vec<u64> = rejected
        .iter()
        .filter(|(_, reply)| reply.status() != Some(429) || reply.header(headers::RATELIMIT_REMAINING) != Some("0"))
        .map(|(_, reply)| reply.op())
        .collect();
    let details = format!("{} rejected, {} of them with another reply", rejected.len(), wrong.len());
    let holds = !rejected.is_empty() && wrong.is_empty();
    stage.expect("all other calls get 429 and no remaining calls", holds, details, &wrong);
}
