//! Verdicts that can be used once, over all instances. Redis records the used ones. Each instance also records those that it used, so that
//! they stay used on this instance if Redis loses its data. The other instances then refuse verdicts from before the loss. If a configured
//! Redis does not answer, no such verdict can be used (decision 0011).

use crate::quota::{Quota, SingleUseResult};
use mcp_contracts::guardrails::VerdictClaims;
use mcp_contracts::{ErrorCode, ToolError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Maximum number of verdicts that this process records as used. Expired ones are removed first. If none has expired,
/// further uses are refused.
// Verdicts are valid for two minutes, so only more than 800 uses per second reach this limit.
const MAX_REMEMBERED: usize = 100_000;

/// The used verdicts. Clones share them.
#[derive(Clone)]
pub struct SingleUse {
    quota: Quota,
    /// The expiry of each used verdict, by the id of its token.
    used: Arc<Mutex<HashMap<String, u64>>>,
}

impl SingleUse {
    /// Uses the quota's connection to Redis.
    pub fn new(quota: Quota) -> Self {
        Self { quota, used: Arc::default() }
    }

    /// Uses a verdict up: records it as used, here and in Redis.
    ///
    /// # Errors
    /// Fails with [`ErrorCode::VerdictUsed`] if it was used before, and with [`ErrorCode::DependencyUnavailable`] if Redis does not answer.
    pub async fn take(&self, verdict: &VerdictClaims) -> Result<(), ToolError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        // Recorded here before Redis is called, so that only one of two concurrent calls of this instance continues.
        self.record(&verdict.jti, verdict.exp, now)?;
        let lifetime = Duration::from_secs(verdict.exp.saturating_sub(now).max(1));
        match self.quota.use_once(&verdict.jti, issued(verdict), lifetime).await {
            SingleUseResult::First | SingleUseResult::NoRedis => Ok(()),
            SingleUseResult::Taken => Err(used()),
            SingleUseResult::Lost => Err(ToolError::new(
                ErrorCode::VerdictInvalid,
                "Redis lost its data after this verdict, so it is unknown whether it was used before",
            )
            .with_hint("nothing was done; call `check_guardrails` and acknowledge again")),
            SingleUseResult::Unknown => {
                // Redis may have recorded the use although its reply is missing. The record here is removed, so that Redis alone decides about a
                // retry.
                self.used.lock().remove(&verdict.jti);
                Err(ToolError::new(
                    ErrorCode::DependencyUnavailable,
                    "Redis does not answer, so it is unknown whether the verdict was used before",
                )
                .with_hint("nothing was done; retry"))
            }
        }
    }

    fn record(&self, id: &str, expiry: u64, now: u64) -> Result<(), ToolError> {
        let mut records = self.used.lock();
        if records.len() >= MAX_REMEMBERED {
            records.retain(|_, expiry| *expiry > now);
            if records.len() >= MAX_REMEMBERED {
                return Err(ToolError::new(ErrorCode::Overloaded, "too many verdicts are in use"));
            }
        }
        match records.insert(id.to_owned(), expiry) {
            None => Ok(()),
            Some(_) => Err(used()),
        }
    }
}

/// Returns the time of issue since the epoch. The id has it with milliseconds.
fn issued(verdict: &VerdictClaims) -> Duration {
    let of_id = uuid::Uuid::try_parse(&verdict.jti).ok().and_then(|id| id.get_timestamp());
    of_id.map_or(Duration::from_secs(verdict.iat), |time| {
        let (seconds, nanos) = time.to_unix();
        Duration::new(seconds, nanos)
    })
}

fn used() -> ToolError {
    ToolError::new(ErrorCode::VerdictUsed, "the verdict can be used once and was used before")
        .with_hint("call `check_guardrails` and acknowledge again")
}
