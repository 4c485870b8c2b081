//! Decides whether the quota of an organisation admits a call. The plan limits the calls per day, and a burst limit the
//! calls per second. Redis decides in one script, about the calls that wait and a lease of further ones. If Redis does not answer, the
//! configured fallback decides. A metric counts every call that the fallback admits.

mod lanes;
mod lease;
mod local;
mod redis_link;
mod usage;

use crate::readiness::Readiness;
use crate::revocation::Revocations;
use crate::settings::{Fallback, QuotaLimits, Settings};
use local::{LocalLimiter, Share};
use mcp_contracts::{Claims, Plan, Service, metric};
pub use redis_link::SingleUseResult;
use redis_link::{RedisDecision, RedisLink};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use usage::{DAY_SECS, Usage, WindowDecision};

/// `Retry-After` of a call that is refused because the quota cannot be checked. One second, because the link to Redis retries at least
/// that often.
const REFUSED_RETRY: Duration = Duration::from_secs(1);

/// Decides whether a call is admitted. Clones share everything.
#[derive(Clone)]
pub struct Quota {
    inner: Arc<Inner>,
}

struct Inner {
    service: Service,
    limits: QuotaLimits,
    fallback: Fallback,
    share: Share,
    local: LocalLimiter,
    /// Counts the calls of [`Quota::decide_prepaid`]. Apart from `local`, so that they are never settled with Redis.
    prepaid: LocalLimiter,
    redis: Option<RedisLink>,
    /// Read over the same connection to Redis.
    revocations: Revocations,
}

/// Usage of an organisation by service.
pub type UsageByService = Vec<(Service, QuotaState)>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaDecision {
    Admitted(QuotaState),
    /// Over the limit: 429.
    Limited(QuotaState),
    /// The quota cannot be checked: 503.
    Refused {
        retry_after: Duration,
    },
}

/// State of the day or the second, whichever has fewer calls remaining.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaState {
    /// Calls that the window allows.
    pub limit: u64,
    pub remaining: u64,
    /// Seconds until the window ends.
    pub reset_secs: u64,
    /// `per day` or `per second`.
    pub window: &'static str,
    pub mode: Mode,
}

/// The counter that decided about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Redis,
    /// The limiter of this process, because no Redis is configured.
    Local,
    /// The fallback, because Redis did not answer.
    Fallback,
}

impl Mode {
    /// Returns the name in headers and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Local => "local",
            Self::Fallback => "fallback",
        }
    }
}

impl Quota {
    /// Creates the quota. If Redis is configured, a background task keeps a connection to it until [`Quota::stop`].
    pub fn new(settings: &Settings, readiness: &Readiness) -> Self {
        let (local, revocations) = (LocalLimiter::default(), Revocations::default());
        let redis = settings.redis.clone().map(|target| {
            RedisLink::start(
                settings.service,
                target,
                settings.redis_deadline,
                local.clone(),
                settings.limits,
                revocations.clone(),
                readiness.clone(),
            )
        });
        Self {
            inner: Arc::new(Inner {
                service: settings.service,
                limits: settings.limits,
                fallback: settings.fallback,
                share: Share { instances: u64::from(settings.instances) },
                local,
                prepaid: LocalLimiter::default(),
                redis,
                revocations,
            }),
        }
    }

    /// Decides about a call of `org` on `plan`, and counts the call if it is admitted.
    pub async fn decide(&self, org: &str, plan: Plan) -> QuotaDecision {
        let inner = &*self.inner;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let decision = match &inner.redis {
            None => inner.decide_here(org, plan, now, Mode::Local),
            Some(redis) => match redis.decide(org, plan, now).await {
                RedisDecision::Decided(decision) => inner.state(decision, plan, now, Mode::Redis),
                RedisDecision::Down => {
                    let decision = inner.fall_back(org, plan, now);
                    if matches!(decision, QuotaDecision::Admitted(_)) {
                        redis.note_local_admission();
                    }
                    decision
                }
            },
        };
        inner.count(&decision);
        decision
    }

    /// Decides about a call whose workflow the orchestrator has charged already: only the burst limit of this instance applies. The daily quota
    /// and an outage of Redis do not refuse it, because a workflow must not lose its guardrail checks when its organisation has no calls left.
    pub fn decide_prepaid(&self, org: &str, plan: Plan) -> QuotaDecision {
        let inner = &*self.inner;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let limits = QuotaLimits { daily: [u64::MAX; 4], ..inner.limits };
        let decision = inner.prepaid.decide(org, plan, limits, now, Share { instances: 1 }, false);
        let decision = inner.state(decision, plan, now, Mode::Local);
        inner.count(&decision);
        decision
    }

    /// Returns the usage of an organisation today, by service. Without Redis it returns only the calls that this instance counted.
    pub async fn usage(&self, org: &str, plan: Plan) -> UsageByService {
        let inner = &*self.inner;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let of = |service, day, mode| {
            let usage = Usage { day, second: 0 };
            let limit = inner.limits.daily(plan);
            let reset_secs = DAY_SECS - now.as_secs() % DAY_SECS;
            let remaining = limit.saturating_sub(usage.day);
            (service, QuotaState { limit, remaining, reset_secs, window: "per day", mode })
        };
        let mode = match &inner.redis {
            None => Mode::Local,
            Some(redis) => {
                if let Some(days) = redis.days(org, day(now)).await {
                    return days.into_iter().map(|(service, used)| of(service, used, Mode::Redis)).collect();
                }
                Mode::Fallback
            }
        };
        vec![of(inner.service, inner.local.used(org, day(now)), mode)]
    }

    /// Returns true if the token with these claims is revoked.
    pub(crate) fn is_revoked(&self, claims: &Claims) -> bool {
        self.inner.revocations.include(claims)
    }

    /// Claims a name that was issued at `issued`, for `lifetime`, once over all instances and services.
    pub(crate) async fn use_once(&self, name: &str, issued: Duration, lifetime: Duration) -> SingleUseResult {
        match &self.inner.redis {
            None => SingleUseResult::NoRedis,
            Some(redis) => redis.use_once(name, issued, lifetime).await,
        }
    }

    /// Closes the connection to Redis. Calls that were admitted without Redis and are not yet settled are never settled.
    pub async fn stop(&self) {
        if let Some(redis) = &self.inner.redis {
            redis.stop().await;
        }
    }
}

impl Inner {
    fn fall_back(&self, org: &str, plan: Plan, now: Duration) -> QuotaDecision {
        match self.fallback {
            Fallback::Closed => QuotaDecision::Refused { retry_after: REFUSED_RETRY },
            Fallback::Local => self.decide_here(org, plan, now, Mode::Fallback),
            Fallback::Open => {
                // Counted all the same, so that Redis learns of the calls when it is back.
                self.local.admit_unlimited(org, plan, day(now));
                let limit = self.limits.daily(plan);
                let reset_secs = DAY_SECS - now.as_secs() % DAY_SECS;
                QuotaDecision::Admitted(QuotaState {
                    limit,
                    remaining: limit,
                    reset_secs,
                    window: "per day",
                    mode: Mode::Fallback,
                })
            }
        }
    }

    fn decide_here(&self, org: &str, plan: Plan, now: Duration, mode: Mode) -> QuotaDecision {
        // Without a configured Redis there are no other instances to share with, whatever `RATE_LIMIT_INSTANCES` is.
        let share = if mode == Mode::Local { Share { instances: 1 } } else { self.share };
        let decision = self.local.decide(org, plan, self.limits, now, share, mode == Mode::Fallback);
        self.state(decision, plan, now, mode)
    }

    fn state(&self, decision: WindowDecision, plan: Plan, now: Duration, mode: Mode) -> QuotaDecision {
        let (daily, burst) = (self.limits.daily(plan), self.limits.burst_per_second);
        let of_day = |usage: Usage| QuotaState {
            limit: daily,
            remaining: daily.saturating_sub(usage.day),
            reset_secs: DAY_SECS - now.as_secs() % DAY_SECS,
            window: "per day",
            mode,
        };
        let of_second = |usage: Usage| QuotaState {
            limit: burst,
            remaining: burst.saturating_sub(usage.second),
            // A window of one second ends within the second, and `Retry-After` has no fractions.
            reset_secs: 1,
            window: "per second",
            mode,
        };
        match decision {
            WindowDecision::OverDay(usage) => QuotaDecision::Limited(of_day(usage)),
            WindowDecision::OverSecond(usage) => QuotaDecision::Limited(of_second(usage)),
            // The window that will refuse the client first is reported.
            WindowDecision::Admitted(usage) if burst.saturating_sub(usage.second) < daily.saturating_sub(usage.day) => {
                QuotaDecision::Admitted(of_second(usage))
            }
            WindowDecision::Admitted(usage) => QuotaDecision::Admitted(of_day(usage)),
        }
    }

    fn count(&self, decision: &QuotaDecision) {
        let (mode, label) = match decision {
            QuotaDecision::Admitted(state) => (state.mode.name(), "admitted"),
            QuotaDecision::Limited(state) => (state.mode.name(), "limited"),
            QuotaDecision::Refused { .. } => (Mode::Fallback.name(), "refused"),
        };
        let service = self.service.name();
        metrics::counter!(metric::QUOTA_DECISIONS_TOTAL, "service" => service, "mode" => mode, "decision" => label)
            .increment(1);
        if matches!(decision, QuotaDecision::Admitted(QuotaState { mode: Mode::Fallback, .. })) {
            metrics::counter!(metric::RATE_LIMIT_UNVERIFIED_TOTAL, "service" => service).increment(1);
        }
    }
}

fn day(now: Duration) -> u64 {
    now.as_secs() / DAY_SECS
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_contracts::env;
    use std::collections::BTreeMap;

    #[tokio::test]
    async fn a_prepaid_call_is_admitted_after_the_day_is_used_up_and_uses_up_nothing() {
        let values = [(env::QUOTA_FREE_DAILY, "2"), (env::QUOTA_BURST_PER_SECOND, "1000")];
        let values: BTreeMap<_, _> = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let settings = Settings::from_values(Service::Guardrails, &values).unwrap();
        let quota = Quota::new(&settings, &Readiness::default());
        let admits = |decision: &QuotaDecision| matches!(decision, QuotaDecision::Admitted(_));
        (0..9).for_each(|_| assert!(admits(&quota.decide_prepaid("acme", Plan::Free))));
        for admitted in [true, true, false] {
            assert_eq!(admits(&quota.decide("acme", Plan::Free).await), admitted);
        }
        assert!(admits(&quota.decide_prepaid("acme", Plan::Free)));
    }

    #[test]
    fn a_prepaid_call_keeps_to_the_burst_limit() {
        let values = BTreeMap::from([(env::QUOTA_BURST_PER_SECOND.to_owned(), "1".to_owned())]);
        let settings = Settings::from_values(Service::Guardrails, &values).unwrap();
        let quota = Quota::new(&settings, &Readiness::default());
        let is_limited = |_| matches!(quota.decide_prepaid("acme", Plan::Free), QuotaDecision::Limited(_));
        assert!((0..1_000).any(is_limited));
    }
}
