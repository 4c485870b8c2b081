//! What is so when Redis is back.

use super::call::{check, is_by, memory, select};
use super::{BEFORE, DAILY, UNLIMITED, share};
use harness_core::drive::scenario::{Actor, Broken, Stage};
use mcp_contracts::{headers, metric};

/// Redis knows of every call: what is left is the same for all instances, and what went past a limit is counted.
pub(super) async fn all(
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
