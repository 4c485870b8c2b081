//! Things that may be used once, over all instances: Redis remembers who took them, and each instance remembers what it took itself, so
//! that a Redis that forgets gives nothing back to the same instance. Where Redis is configured and silent, nothing can be taken.

use crate::quota::{Claimed, Quota};
use mcp_contracts::guardrails::VerdictClaims;
use mcp_contracts::{ErrorCode, ToolError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Most things remembered here that have not expired.
const MAX_REMEMBERED: usize = 100_000;

/// What was taken. Clones share it.
#[derive(Clone)]
pub struct SingleUse {
    quota: Quota,
    taken: Arc<Mutex<HashMap<String, u64>>>,
}

impl SingleUse {
    /// Shares the quota's connection to Redis.
    pub fn new(quota: Quota) -> Self {
        Self { quota, taken: Arc::default() }
    }

    /// Takes a verdict; nobody can take it again.
    ///
    /// # Errors
    /// [`ErrorCode::VerdictUsed`] where it was taken before, [`ErrorCode::DependencyUnavailable`] where nobody can tell.
    pub async fn take(&self, verdict: &VerdictClaims) -> Result<(), ToolError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        self.remember(&verdict.jti, verdict.exp, now)?;
        let lifetime = Duration::from_secs(verdict.exp.saturating_sub(now).max(1));
        match self.quota.claim(&verdict.jti, lifetime).await {
            Claimed::First | Claimed::NobodyElse => Ok(()),
            Claimed::Before => Err(used()),
            Claimed::Unknown => {
                // Whether Redis has it is not known; the caller may come again, and then Redis decides.
                self.taken.lock().remove(&verdict.jti);
                Err(ToolError::new(
                    ErrorCode::DependencyUnavailable,
                    "nobody can tell now whether the verdict was used before",
                )
                .with_hint("nothing was done; try again"))
            }
        }
    }

    fn remember(&self, id: &str, expiry: u64, now: u64) -> Result<(), ToolError> {
        let mut taken = self.taken.lock();
        if taken.len() >= MAX_REMEMBERED {
            taken.retain(|_, expiry| *expiry > now);
            if taken.len() >= MAX_REMEMBERED {
                return Err(ToolError::new(ErrorCode::Overloaded, "too many verdicts are being used at once"));
            }
        }
        match taken.insert(id.to_owned(), expiry) {
            None => Ok(()),
            Some(_) => Err(used()),
        }
    }
}

fn used() -> ToolError {
    ToolError::new(ErrorCode::VerdictUsed, "the verdict was for one use and was used before")
        .with_hint("ask the guardrails again and acknowledge again")
}
