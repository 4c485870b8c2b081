//! Locks of the executions that run in this process. Two calls of one execution run one after the other, so that the second finds the result
//! of the first.

use crate::store::{NewRun, Owner};
use mcp_contracts::{ErrorCode, ToolError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::sync::OwnedMutexGuard;

/// Number of locks from which on unused ones are removed.
const MAX_UNUSED: usize = 1_024;

type Key = (Owner, String);
type Guard = OwnedMutexGuard<()>;

#[derive(Default)]
pub(super) struct RunLocks {
    // Weak, so that a lock lives only as long as a call holds it or waits for it.
    locks: Mutex<HashMap<Key, Weak<tokio::sync::Mutex<()>>>>,
}

impl RunLocks {
    /// Waits until no other call runs the same execution. A run that only reuses an id of the client gets a new id instead of waiting.
    pub(super) async fn enter(&self, new_run: &mut NewRun, deadline: Instant) -> Result<Vec<Guard>, ToolError> {
        // First the key, then the id, in every call, so that two calls cannot wait for each other.
        let mut guards = Vec::with_capacity(2);
        if let Some(key) = &new_run.key {
            guards.push(wait(self.lock(&new_run.owner, &format!("key {key}")), deadline).await?);
        }
        let lock = self.lock(&new_run.owner, &format!("id {}", new_run.id));
        if new_run.resumed {
            guards.push(wait(lock, deadline).await?);
        } else if let Ok(guard) = lock.try_lock_owned() {
            guards.push(guard);
        } else {
            new_run.id = uuid::Uuid::new_v4().to_string();
        }
        Ok(guards)
    }

    /// Returns the lock for the long text that an organisation may have read at a time.
    pub(super) fn long_text(&self, org: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.lock(&Owner { org: org.to_owned(), workspace: String::new(), user: String::new() }, "long text")
    }

    fn lock(&self, owner: &Owner, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock();
        if locks.len() >= MAX_UNUSED {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = locks.entry((owner.clone(), name.to_owned())).or_default();
        if let Some(held) = lock.upgrade() {
            return held;
        }
        let fresh = Arc::new(tokio::sync::Mutex::new(()));
        *lock = Arc::downgrade(&fresh);
        fresh
    }
}

async fn wait(lock: Arc<tokio::sync::Mutex<()>>, deadline: Instant) -> Result<Guard, ToolError> {
    tokio::time::timeout_at(deadline.into(), lock.lock_owned()).await.map_err(|_| {
        ToolError::new(ErrorCode::DeadlineExceeded, "the same execution is still running")
            .with_hint("retry with the same idempotency key")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_contracts::orchestrator::AgentName;
    use std::time::Duration;

    fn new_run(key: Option<&str>) -> NewRun {
        NewRun {
            owner: Owner { org: "acme".into(), workspace: "default".into(), user: "ann".into() },
            id: "e-1".into(),
            resumed: false,
            agent: AgentName::Rca,
            key: key.map(str::to_owned),
            request: String::new(),
        }
    }

    #[tokio::test]
    async fn the_same_key_waits_and_the_same_id_gets_a_new_one() {
        let running = RunLocks::default();
        let soon = || Instant::now() + Duration::from_millis(20);
        let mut first = new_run(Some("k"));
        let guard = running.enter(&mut first, soon()).await.unwrap();
        let refused = running.enter(&mut new_run(Some("k")), soon()).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::DeadlineExceeded);
        let mut other = new_run(None);
        running.enter(&mut other, soon()).await.unwrap();
        assert_ne!(other.id, first.id);
        drop(guard);
        running.enter(&mut new_run(Some("k")), soon()).await.unwrap();
    }
}
