//! The expectations while Redis is down: the effect of each service's `RATE_LIMIT_FALLBACK`, and its metrics.

use super::call::{check, is_admitted_by, memory, select};
use super::{DAILY, UNLIMITED};
use harness_core::drive::scenario::{Actor, Stage, StepFailed};
use mcp_contracts::{headers, metric};

/// Expects of the fallback `local` that the instance admits exactly its share.
pub(super) async fn local(stage: &Stage<'_>, actor: &mut Actor<'_>, part: &str, share: u64) {
    let (mut admitted, mut reply) = (0, memory(actor, part).await);
    while is_admitted_by(&reply, "fallback") && admitted <= DAILY {
        admitted += 1;
        reply = memory(actor, part).await;
    }
    let details = format!("{admitted} admitted, its share is {share}");
    let expected = format!("`{part}` admits exactly its share without Redis");
    stage.expect(&expected, admitted == share, details, &[reply.op()]);
    let reply = reply.expect_status("the next call is rejected with 429", 429);
    let _ = reply.expect_header("its header shows the fallback", headers::RATELIMIT_MODE, |mode| mode == "fallback");
}

pub(super) async fn unverified(stage: &Stage<'_>, part: &str, calls: u64) -> Result<(), StepFailed> {
    let counted = stage.metric(part, metric::RATE_LIMIT_UNVERIFIED_TOTAL, &[]).await?;
    let active = stage.metric(part, metric::RATE_LIMIT_FALLBACK_ACTIVE, &[]).await?;
    let details = format!("{counted} counted, {calls} made, fallback {active}");
    let holds = (counted - calls as f64).abs() < 0.5 && active > 0.5;
    stage.expect(&format!("`{part}` counts every call that it admitted without Redis"), holds, details, &[]);
    Ok(())
}

/// Expects of the fallback `closed` that no call is admitted, and that each rejection has the time to wait.
pub(super) async fn closed(stage: &Stage<'_>, gus: &mut Actor<'_>) -> Result<(), StepFailed> {
    for _ in 0..3 {
        let reply = check(gus).await.expect_status("the service with the fallback `closed` returns 503", 503);
        let soon = |text: &str| text.parse::<u64>().is_ok_and(|seconds| (1..=60).contains(&seconds));
        let _ = reply.expect_header("its header shows the time to wait", "retry-after", soon);
    }
    let refused = stage.metric("guardrails", metric::QUOTA_DECISIONS_TOTAL, &[("decision", "refused")]).await?;
    let unverified = stage.metric("guardrails", metric::RATE_LIMIT_UNVERIFIED_TOTAL, &[]).await?;
    let details = format!("{refused} rejected, {unverified} unverified");
    let holds = (refused - 3.0).abs() < 0.5 && unverified < 0.5;
    stage.expect("it counts these calls as rejected and none as admitted", holds, details, &[]);
    Ok(())
}

/// Expects of the fallback `open` that every call is admitted and counted.
pub(super) async fn open(stage: &Stage<'_>, pia: &mut Actor<'_>) -> Result<(), StepFailed> {
    let mut admitted = 0;
    for _ in 0..UNLIMITED {
        admitted += u64::from(is_admitted_by(&select(pia).await, "fallback"));
    }
    let details = format!("{admitted} admitted");
    stage.expect("the service with the fallback `open` admits every call", admitted == UNLIMITED, details, &[]);
    unverified(stage, "patterns", UNLIMITED).await
}
