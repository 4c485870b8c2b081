//! The quota while Redis is down.

use super::{charged, number, remaining};
use harness_core::drive::hardening::{Answer, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::{Plan, Service, headers, metric};
use std::time::Duration;

/// Name of the part that counts.
const REDIS: &str = "redis";
/// Calls before the outage, and calls beyond the limit during it.
const BEFORE: u64 = 10;
const BEYOND: u64 = 20;
/// Largest limit that is tried.
const MAX_LIMIT: u64 = 200;
/// Deadline for Redis to be used again.
const BACK: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) const OUTAGE: HardeningCheck = HardeningCheck {
    id: "MCP-QUO-02",
    title: "while Redis is down, no more than the declared share is admitted, and each unverified call is counted",
    score: 5.9,
    why: "A limit that ends with Redis is no limit for an attacker who can overload Redis, and a bypass that nothing counts is never noticed.",
    sources: &["OWASP API4:2023", "CWE-636", "CWE-778"],
    needs: &[Need::Token, Need::Processes, Need::Service(Service::Memory)],
    how: "Makes ten calls on the free plan, ends Redis, and makes calls up to the limit and twenty more. Together no more than the limit may be admitted, and the metric of unverified calls must have grown by the number of those that were admitted meanwhile. Redis is started again, and must decide again.",
    remedy: "Let each instance admit its share of what remained, count these calls, and settle them later.",
    fix_in: &["services/kit/src/quota/local.rs", "services/kit/src/quota.rs"],
    follows: &["MCP-AUTH-06", "MCP-QUO-01"],
    lane: Lane::Alone,
    probing: |probe| Box::pin(outage(probe)),
};

async fn outage(probe: &Probe<'_>) -> Result<(), Stop> {
    let ann = probe.user_on("ann", "small", Plan::Free);
    let (part, call) = charged(probe, &ann)?;
    let first = probe.control(&part, "the first call", &call).await?;
    if first.header(headers::RATELIMIT_MODE) != Some("redis") {
        return Err(Stop::NotApplicable("the quota is not counted in Redis".to_owned()));
    }
    let limit =
        number(&first, headers::RATELIMIT_LIMIT).zip(remaining(&first)).map(|(limit, left)| limit.max(left + 1));
    let Some(limit) = limit.filter(|limit| *limit <= MAX_LIMIT) else {
        return Err(Stop::NotApplicable(format!("the limit of the free plan is above {MAX_LIMIT}")));
    };
    for _ in 1..BEFORE {
        probe.control(&part, "a call while Redis is up", &call).await?;
    }
    let unverified = || probe.stage().metric(&part, metric::RATE_LIMIT_UNVERIFIED_TOTAL, &[]);
    let counted_before = unverified().await?;
    probe.stage().kill(REDIS).await?;
    let made = during(probe, &part, &call, limit).await;
    let counted = unverified().await;
    probe.stage().start_again(REDIS).await?;
    let During { admitted, undecided, fallback, last } = made;
    let total = admitted + BEFORE;
    if undecided > 0 {
        let why =
            format!("{undecided} calls were neither answered nor refused by a limit, and each may have been admitted");
        probe.doubt(&part, "the number of admitted calls", &why);
    }
    if fallback == 0 {
        probe.doubt(&part, "the outage", "no reply says that it was decided without Redis");
    }
    let signs = [
        ("more calls were admitted than the limit allows", total > limit),
        ("the last call beyond the limit was admitted", last.has_result()),
    ];
    probe.judge(
        &part,
        "calls beyond the limit while Redis is down",
        total <= limit && !last.has_result(),
        &signs,
        &[&last],
    );
    let grown = (counted? - counted_before).round();
    let signs = [
        ("the metric has fewer calls than were admitted", grown < admitted as f64),
        ("the metric has at most half of them", grown <= admitted as f64 / 2.0 && admitted > 0),
    ];
    probe.judge(&part, "the metric of unverified calls", grown >= admitted as f64, &signs, &[&last]);
    until_back(probe, &part).await
}

/// The calls while Redis is down.
struct During {
    admitted: u64,
    /// Calls without a result that no limit refused.
    undecided: u64,
    /// Replies that were decided without Redis.
    fallback: u64,
    last: Answer,
}

/// Makes calls up to the limit and beyond.
async fn during(probe: &Probe<'_>, part: &str, call: &HttpRequest, limit: u64) -> During {
    let mut during = During { admitted: 0, undecided: 0, fallback: 0, last: probe.send(part, call).await };
    during.count();
    for _ in BEFORE + 1..limit + BEYOND {
        during.last = probe.send(part, call).await;
        during.count();
    }
    during
}

impl During {
    fn count(&mut self) {
        let answer = &self.last;
        // The fallback `closed` refuses every call with 503.
        let refused = answer.has_status(429) || answer.has_status(503);
        self.admitted += u64::from(answer.has_result());
        self.undecided += u64::from(!answer.has_result() && !refused);
        let decided_here = answer.header(headers::RATELIMIT_MODE).is_some_and(|mode| mode != "redis");
        self.fallback += u64::from(decided_here || answer.has_status(503));
    }
}

/// Waits until Redis decides again, for the checks after this one.
async fn until_back(probe: &Probe<'_>, part: &str) -> Result<(), Stop> {
    let ben = probe.user("ben", "back");
    let (_, call) = charged(probe, &ben)?;
    let mut waited = Duration::ZERO;
    for (_, service) in probe.services() {
        // Each service has a connection of its own to Redis; the metric is the same in all of them.
        while probe.stage().metric(&service, metric::RATE_LIMIT_FALLBACK_ACTIVE, &[]).await? > 0.5 {
            if waited >= BACK {
                return Err(Stop::Unclear("Redis was not used again in time".to_owned()));
            }
            tokio::time::sleep(PAUSE).await;
            waited += PAUSE;
        }
    }
    let by_redis = |answer: &Answer| answer.header(headers::RATELIMIT_MODE) == Some("redis");
    probe.control_if(part, "a call that Redis decides after the outage", &call, by_redis).await?;
    Ok(())
}
