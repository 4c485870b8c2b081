//! The limits of a plan are enforced. The headers count down. The first call above the daily limit gets 429 with the
//! time to wait. A burst is cut at its limit, and calls are admitted again in the next second. Organisations do not
//! share limits.

use futures::future::join_all;
use harness_core::drive::scenario::{Scenario, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use mcp_contracts::{Plan, env, headers};
use serde_json::json;
use std::time::Duration;

pub(crate) const SCENARIO: Scenario =
    Scenario::new("quota", "the limits of a plan are enforced, shown in headers, and reset", topology, |stage| {
        Box::pin(play(stage))
    })
    .on_its_own_stack();

/// Daily calls of the free plan in this scenario.
const DAILY: u64 = 12;
/// Calls that an organisation may make in one second.
const BURST: u64 = 5;
/// Deadline for the burst window to reset.
const RESET: Duration = Duration::from_secs(5);

fn topology() -> Topology {
    let memory = Topology::memory().with_setting_everywhere(env::QUOTA_FREE_DAILY, DAILY);
    // On a busy machine Redis may answer after its default deadline of 50 ms. The fallback would admit those calls, and this scenario tests exact
    // limits.
    memory
        .with_setting_everywhere(env::QUOTA_BURST_PER_SECOND, BURST)
        .with_setting_everywhere(env::REDIS_DEADLINE_MS, 5_000)
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    burst(stage).await;
    daily(stage).await
}

/// Sends more calls at once than a second allows: the excess is rejected, and calls are admitted again in the next second.
async fn burst(stage: &Stage<'_>) {
    // Four times the limit, because the calls may fall into two windows, each of which admits the limit.
    let mut users: Vec<_> = (0..BURST * 4).map(|number| stage.user(&format!("user-{number}"), "bursty")).collect();
    stage.promise_limit(users[0].organisation(), &[], BURST, Some(Duration::from_secs(1)));
    let replies = join_all(users.iter_mut().map(|user| user.call("memory_stats", json!({})))).await;
    let rejected: Vec<_> = replies.iter().filter(|reply| reply.status() == Some(429)).collect();
    let ops: Vec<u64> = rejected.iter().map(|reply| reply.op()).collect();
    let details = format!("{} of {} rejected", rejected.len(), replies.len());
    // The calls may fall into two windows of a second, but never into three.
    let holds = rejected.len() as u64 >= BURST * 2 && replies.iter().any(harness_core::drive::scenario::Reply::is_ok);
    stage.expect("a burst is cut at its limit", holds, details, &ops);
    let waits = rejected.iter().all(|reply| reply.header("retry-after") == Some("1"));
    stage.expect("rejected calls get retry-after 1 s", waits, "retry-after of every rejected call", &ops);
    let user = &mut users[0];
    let admitted = async || user.call("memory_stats", json!({})).await.is_ok().then_some(());
    stage.wait_until("in the next second calls are admitted again", RESET, admitted).await;
}

/// Makes one call after the other until the daily limit is reached.
async fn daily(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let (mut ann, mut zoe) =
        (stage.user("ann", "small").on_plan(Plan::Free), stage.user("zoe", "other").on_plan(Plan::Free));
    stage.promise_limit(ann.organisation(), &[], DAILY, None);
    let (mut used, mut last) = (0, None);
    let rejected = loop {
        let reply = ann.call("memory_stats", json!({})).await;
        // This loop tests the daily limit, so it waits until the window of a burst is over.
        if reply.status() == Some(429) && reply.header(headers::RATELIMIT_LIMIT) == Some(&*BURST.to_string()) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        if !reply.is_ok() || used > DAILY {
            break reply;
        }
        used += 1;
        last = Some(reply);
    };
    let op = rejected.op();
    stage.expect("exactly the daily limit is admitted", used == DAILY, format!("{used} admitted"), &[op]);
    let rejected = rejected.expect_status("the next call is rejected with 429", 429);
    let wait = |text: &str| text.parse::<u64>().is_ok_and(|seconds| (1..=86_400).contains(&seconds));
    let rejected = rejected.expect_header("it shows the time to wait", "retry-after", wait);
    let rejected =
        rejected.expect_header("it shows the limit", headers::RATELIMIT_LIMIT, |text| text == DAILY.to_string());
    let _ = rejected.expect_header("it shows that no call remains", headers::RATELIMIT_REMAINING, |text| text == "0");
    let last = last.ok_or_else(|| StepFailed("no call was admitted".to_owned()))?;
    let _ =
        last.expect_header("the last admitted call shows that no call remains", headers::RATELIMIT_REMAINING, |text| {
            text == "0"
        });
    let _ = zoe.call("memory_stats", json!({})).await.expect_ok("another organisation has its own limit");
    Ok(())
}
