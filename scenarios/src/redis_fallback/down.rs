//! What each service does while Redis is away, by its `RATE_LIMIT_FALLBACK`, and what its metrics say of it.

use super::call::{check, is_by, memory, select};
use super::{DAILY, UNLIMITED};
use harness_core::drive::scenario::{Actor, Broken, Stage};
use mcp_contracts::{headers, metric};

/// `local`: no call fails until the share of the instance is used up.
pub(super) async fn local(stage: &Stage<'_>, actor: &mut Actor<'_>, part: &str, share: u64) {
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

pub(super) async fn unverified(stage: &Stage<'_>, part: &str, made: u64) -> Result<(), Broken> {
    let counted = stage.metric(part, metric::RATE_LIMIT_UNVERIFIED_TOTAL, &[]).await?;
    let active = stage.metric(part, metric::RATE_LIMIT_FALLBACK_ACTIVE, &[]).await?;
    let seen = format!("{counted} counted, {made} made, fallback {active}");
    let held = (counted - made as f64).abs() < 0.5 && active > 0.5;
    stage.expect(&format!("`{part}` counts every call that it admitted without Redis"), held, seen, &[]);
    Ok(())
}

/// `closed`: nobody is admitted, and everybody is told to come again.
pub(super) async fn closed(stage: &Stage<'_>, gus: &mut Actor<'_>) -> Result<(), Broken> {
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
pub(super) async fn open(stage: &Stage<'_>, pia: &mut Actor<'_>) -> Result<(), Broken> {
    let mut admitted = 0;
    for _ in 0..UNLIMITED {
        admitted += u64::from(is_by(&select(pia).await, "fallback"));
    }
    let seen = format!("{admitted} admitted");
    stage.expect("a service that opens without Redis admits every call", admitted == UNLIMITED, seen, &[]);
    unverified(stage, "patterns", UNLIMITED).await
}
