//! Two instances share a limit: however many users call both at once, exactly as many calls are admitted as the limit allows, and no two of them
//! are told the same of what is left.

use futures::future::join_all;
use harness_core::drive::scenario::{Ask, Broken, Reply, Scenario, Stage};
use harness_core::plan::topology::Topology;
use mcp_contracts::{Plan, Service, env, headers};
use serde_json::json;
use std::collections::BTreeSet;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "rate-limit-concurrency",
    "two instances that share a limit never admit one call more than it allows, and none less",
    topology,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack();

/// Daily calls of the free plan in this scenario.
const DAILY: u64 = 60;
/// Users who call at the same time, half of them at each instance.
const USERS: usize = 16;
/// Calls of each of them.
const CALLS: usize = 10;
const INSTANCES: [&str; 2] = ["memory-1", "memory-2"];

fn topology() -> Topology {
    let two = Topology::memory().instances(Service::Memory, INSTANCES.len() as u32);
    let two = two.everywhere(env::QUOTA_FREE_DAILY, DAILY).everywhere(env::QUOTA_BURST_PER_SECOND, 100_000);
    // What is tried here is what Redis decides: it is waited for, however slow the machine.
    two.everywhere(env::REDIS_DEADLINE_MS, 5_000)
}

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let organisations = ["acme", "zeta"];
    let rounds = organisations.map(|organisation| at_once(stage, organisation));
    // Two organisations at the same time: neither takes anything from the other.
    join_all(rounds).await;
    Ok(())
}

async fn at_once(stage: &Stage<'_>, organisation: &str) {
    let mut users: Vec<_> =
        (0..USERS).map(|number| stage.user(&format!("user-{number}"), organisation).on(Plan::Free)).collect();
    stage.promise_limit(users[0].organisation(), &[], DAILY, None);
    let calling = users.iter_mut().enumerate().map(|(number, user)| async move {
        let mut replies = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            replies.push(user.send(Ask::tool("memory_stats", json!({})).at(INSTANCES[number % 2])).await);
        }
        replies
    });
    let replies: Vec<(usize, Reply<'_>)> = join_all(calling)
        .await
        .into_iter()
        .enumerate()
        .flat_map(|(number, replies)| replies.into_iter().map(move |reply| (number % 2, reply)))
        .collect();
    let (admitted, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|(_, reply)| reply.is_ok());
    let by_redis = replies.iter().all(|(_, reply)| reply.header(headers::RATELIMIT_MODE) == Some("redis"));
    stage.expect(
        &format!("Redis decides about every call of {organisation}"),
        by_redis,
        "the header of every reply",
        &[],
    );

    let seen = format!("{} of {} admitted, {DAILY} allowed", admitted.len(), replies.len());
    let ops: Vec<u64> = admitted.iter().map(|(_, reply)| reply.op()).collect();
    let exact = admitted.len() as u64 == DAILY;
    stage.expect(&format!("{organisation} is admitted exactly as often as the limit allows"), exact, seen, &ops);
    let places: BTreeSet<usize> = admitted.iter().map(|(place, _)| *place).collect();
    let seen = format!("{places:?}");
    stage.expect("both instances admitted some of them", places.len() == INSTANCES.len(), seen, &[]);

    let told: BTreeSet<u64> =
        admitted.iter().filter_map(|(_, reply)| reply.header(headers::RATELIMIT_REMAINING)?.parse().ok()).collect();
    let seen = format!("{} different numbers in {} replies: {told:?}", told.len(), admitted.len());
    let each = told == (0..DAILY).collect();
    stage.expect("each of them is told another number of what is left, down to none", each, seen, &[]);

    let late: Vec<u64> = refused
        .iter()
        .filter(|(_, reply)| reply.status() != Some(429) || reply.header(headers::RATELIMIT_REMAINING) != Some("0"))
        .map(|(_, reply)| reply.op())
        .collect();
    let seen = format!("{} refused, {} of them otherwise", refused.len(), late.len());
    let held = !refused.is_empty() && late.is_empty();
    stage.expect("all others are refused with 429 and told that nothing is left", held, seen, &late);
}
