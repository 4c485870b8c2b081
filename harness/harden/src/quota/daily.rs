//! The daily limit of an organisation, under concurrent calls.

use super::{charged, number, remaining};
use futures::future::join_all;
use harness_core::drive::hardening::{HardeningCheck, Lane, Need, Probe, Stop};
use mcp_contracts::{Plan, Service, headers};

/// Calls at the same time.
const AT_ONCE: usize = 25;
/// Calls beyond the limit.
const BEYOND: u64 = 50;
/// Largest limit that is tried.
const MAX_LIMIT: u64 = 200;

pub(crate) const DAILY: HardeningCheck = HardeningCheck {
    id: "MCP-QUO-01",
    title: "an organisation is never admitted more often than its plan allows, also with calls at the same time",
    score: 6.5,
    why: "A limit that is read and then written admits what arrives in between, and one customer takes what others pay for.",
    sources: &["OWASP API4:2023", "CWE-770", "CWE-362"],
    needs: &[Need::Token, Need::Service(Service::Memory)],
    how: "Reads the limit of the free plan from the headers, then makes that number of calls and fifty more, twenty-five at the same time. No more than the limit may be admitted, and each other call must get 429.",
    remedy: "Count in one atomic step in Redis.",
    fix_in: &["services/kit/src/quota/decide.lua", "services/kit/src/quota.rs"],
    follows: &["MCP-AUTH-06"],
    lane: Lane::Alone,
    probing: |probe| Box::pin(daily(probe)),
};

async fn daily(probe: &Probe<'_>) -> Result<(), Stop> {
    let ann = probe.user_on("ann", "small", Plan::Free);
    let (part, call) = charged(probe, &ann)?;
    let first = probe.control(&part, "the first call", &call).await?;
    let limit =
        number(&first, headers::RATELIMIT_LIMIT).zip(remaining(&first)).map(|(limit, left)| limit.max(left + 1));
    let Some(limit) = limit else { return Err(Stop::Unclear("no header names the limit".to_owned())) };
    if limit > MAX_LIMIT {
        return Err(Stop::NotApplicable(format!("the limit of the free plan is above {MAX_LIMIT}")));
    }
    let (mut admitted, mut undecided, mut made, mut last) = (1u64, 0, 1, first);
    while made < limit + BEYOND {
        let count = AT_ONCE.min((limit + BEYOND - made) as usize);
        for answer in join_all((0..count).map(|_| probe.send(&part, &call))).await {
            admitted += u64::from(answer.has_result());
            undecided += usize::from(!answer.has_result() && !answer.has_status(429));
            last = answer;
        }
        made += count as u64;
    }
    let signs = [
        ("more calls were admitted than the headers allow", admitted > limit),
        ("the last call beyond the limit was admitted", last.has_result()),
    ];
    let holds = admitted <= limit && last.has_status(429);
    probe.judge(&part, "calls at the same time beyond the limit", holds, &signs, &[&last]);
    if undecided > 0 {
        // Each of them may have been admitted.
        probe.doubt(
            &part,
            "the number of admitted calls",
            &format!("{undecided} calls were neither answered nor refused by a limit"),
        );
    }
    Ok(())
}
