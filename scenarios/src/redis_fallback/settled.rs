//! The expectations about the counts when Redis is back.

use super::call::{check, is_admitted_by, memory, select};
use super::{BEFORE, DAILY, UNLIMITED, share};
use harness_core::drive::scenario::{Actor, Stage, StepFailed};
use mcp_contracts::{headers, metric};

/// Expects that the counts in Redis include every call, that all instances share the remaining calls, and that the
/// metrics have the number of calls above the limit.
pub(super) async fn expect_settled(
    stage: &Stage<'_>,
    zoe: &mut Actor<'_>,
    gus: &mut Actor<'_>,
    pia: &mut Actor<'_>,
) -> Result<(), StepFailed> {
    let remaining = DAILY - BEFORE - share(BEFORE, BEFORE);
    let (mut admitted, mut reply) = (0, memory(zoe, "memory-2").await);
    while is_admitted_by(&reply, "redis") && admitted <= DAILY {
        admitted += 1;
        reply = memory(zoe, "memory-2").await;
    }
    let details = format!("{admitted} admitted, {remaining} remained");
    stage.expect(
        "the other instance admits exactly the remaining calls",
        admitted == remaining,
        details,
        &[reply.op()],
    );
    let _ = reply.expect_status("the next call is rejected with 429", 429);
    let again = check(gus).await;
    let details = format!("{:?} by {:?}", again.outcome(), again.header(headers::RATELIMIT_MODE));
    stage.expect(
        "the service with the fallback `closed` admits calls again",
        is_admitted_by(&again, "redis"),
        details,
        &[again.op()],
    );
    let over = select(pia).await.expect_status("an organisation above its limit is rejected with 429", 429);
    let _ = over.expect_header("its header shows Redis", headers::RATELIMIT_MODE, |mode| mode == "redis");
    for (part, past) in [("memory-1", 0), ("memory-2", 0), ("guardrails", 0), ("patterns", BEFORE + UNLIMITED - DAILY)]
    {
        let counted = stage.metric(part, metric::RATE_LIMIT_BYPASS_TOTAL, &[]).await?;
        let details = format!("{counted} counted, {past} made");
        let expected = format!("`{part}` counts the calls above the limit");
        stage.expect(&expected, (counted - past as f64).abs() < 0.5, details, &[]);
    }
    Ok(())
}
