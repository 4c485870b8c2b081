//! The headers of a limit are true.

use super::{charged, number, remaining};
use futures::future::join_all;
use harness_core::drive::hardening::{HardeningCheck, Lane, Need, Probe, Stop};
use mcp_contracts::{Plan, Service, headers};
use std::time::Duration;

/// Most calls that are made to reach the limit.
const MOST: usize = 200;
const AT_ONCE: usize = 25;
const DAY_SECS: u64 = 86_400;

pub(crate) const RETRY: HardeningCheck = HardeningCheck {
    id: "MCP-QUO-03",
    title: "the rate-limit headers are correct: each call costs one, and a refusal names a time that is not zero",
    score: 4.3,
    why: "Clients that get `Retry-After: 0` retry at once, and together they keep an overloaded service overloaded.",
    sources: &["RFC 6585, section 4", "RFC 9110, section 10.2.3", "OWASP API4:2023"],
    needs: &[Need::Token, Need::Service(Service::Memory)],
    how: "Makes three calls, each of which must lower `RateLimit-Remaining` by one, then exceeds the limit of the free plan. Each refusal must have `Retry-After` of at least a second and at most a day; after one of a second a call is made again.",
    remedy: "Derive the headers from the counter that decided.",
    fix_in: &["services/kit/src/mcp/reply.rs", "services/kit/src/quota.rs"],
    follows: &["MCP-AUTH-06", "MCP-QUO-01"],
    lane: Lane::Alone,
    probing: |probe| Box::pin(retry(probe)),
};

async fn retry(probe: &Probe<'_>) -> Result<(), Stop> {
    let ann = probe.user_on("ann", "small", Plan::Free);
    let (part, call) = charged(probe, &ann)?;
    let mut before = probe.control(&part, "the first call", &call).await?;
    let Some(limit) = remaining(&before).and_then(|_| number(&before, headers::RATELIMIT_LIMIT)) else {
        return Err(Stop::Unclear("no header names the limit".to_owned()));
    };
    if limit > MOST as u64 {
        return Err(Stop::NotApplicable(format!("the limit of the free plan is above {MOST}")));
    }
    let mut lowered = 0;
    for round in 1..=3 {
        let answer = probe.send(&part, &call).await;
        let (was, is) = (remaining(&before), remaining(&answer));
        // A burst limit counts for a second only, so that its window may have begun anew.
        let same_window = number(&answer, headers::RATELIMIT_LIMIT) == number(&before, headers::RATELIMIT_LIMIT);
        let counts = was.zip(is).is_some_and(|(was, is)| is + 1 == was || is > was);
        lowered += usize::from(was.zip(is).is_some_and(|(was, is)| is + 1 == was));
        let signs = [
            ("the number of remaining calls did not go down", answer.has_result() && same_window && was == is),
            ("a call was admitted", answer.has_result()),
        ];
        let holds = answer.has_result() && (counts || !same_window);
        probe.judge(&part, &format!("call {round} of three"), holds, &signs, &[&before, &answer]);
        before = answer;
    }
    if lowered == 0 {
        // A new window may have begun at each call of a slow machine; a counter that only rises looks the same.
        probe.doubt(&part, "three calls", "no call lowered `RateLimit-Remaining` by one");
    }
    let mut refused = None;
    for _ in 0..MOST / AT_ONCE + 1 {
        let answers = join_all((0..AT_ONCE).map(|_| probe.send_once(&part, &call))).await;
        refused = answers.into_iter().find(|answer| answer.has_status(429));
        if refused.is_some() {
            break;
        }
    }
    let Some(refused) = refused else {
        probe.doubt(&part, "a refusal", "the limit was not reached");
        return Ok(());
    };
    let wait = number(&refused, "retry-after");
    let again = probe.send_once(&part, &call).await;
    let signs = [
        ("no time is named, or a time of zero", wait.is_none_or(|wait| wait == 0)),
        ("a call at that time is refused", wait.is_none_or(|wait| wait == 0) && again.has_status(429)),
        ("the time is longer than the window", wait.is_some_and(|wait| wait > DAY_SECS)),
    ];
    let holds = wait.is_some_and(|wait| (1..=DAY_SECS).contains(&wait));
    probe.judge(&part, "`Retry-After` of a refusal", holds, &signs, &[&refused, &again]);
    if wait == Some(1) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let later = probe.send_once(&part, &call).await;
        // The calls until then may have used up the day.
        let daily = number(&later, "retry-after").is_some_and(|wait| wait > 1);
        let signs = [
            ("the call is refused again", later.has_status(429)),
            ("the same time is named again", number(&later, "retry-after") == Some(1)),
        ];
        probe.judge(&part, "a call after the time that was named", later.has_result() || daily, &signs, &[&later]);
    }
    Ok(())
}
