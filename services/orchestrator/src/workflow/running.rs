//! What runs in this process now: two calls that are the same execution go one after the other, so that the second finds what the first did.

use crate::store::{NewRun, Owner};
use mcp_contracts::{ErrorCode, ToolError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::sync::OwnedMutexGuard;

/// Lanes looked at before those that nobody is in are forgotten.
const FORGET_EVERY: usize = 1_024;

type Lane = (Owner, String);
type Turn = OwnedMutexGuard<()>;

/// The lanes of running executions.
#[derive(Default)]
pub(super) struct RunLocks {
    lanes: Mutex<HashMap<Lane, Weak<tokio::sync::Mutex<()>>>>,
}

impl RunLocks {
    /// Waits until no other call is the same execution. An id that is merely repeated is exchanged for a new one instead.
    pub(super) async fn enter(&self, new_run: &mut NewRun, deadline: Instant) -> Result<Vec<Turn>, ToolError> {
        let mut turns = Vec::with_capacity(2);
        if let Some(key) = &new_run.key {
            turns.push(wait(self.lane(&new_run.owner, &format!("key {key}")), deadline).await?);
        }
        let lane = self.lane(&new_run.owner, &format!("id {}", new_run.id));
        if new_run.resumed {
            turns.push(wait(lane, deadline).await?);
        } else if let Ok(turn) = lane.try_lock_owned() {
            turns.push(turn);
        } else {
            new_run.id = uuid::Uuid::new_v4().to_string();
        }
        Ok(turns)
    }

    fn lane(&self, owner: &Owner, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut lanes = self.lanes.lock();
        if lanes.len() >= FORGET_EVERY {
            lanes.retain(|_, lane| lane.strong_count() > 0);
        }
        let lane = lanes.entry((owner.clone(), name.to_owned())).or_default();
        if let Some(known) = lane.upgrade() {
            return known;
        }
        let fresh = Arc::new(tokio::sync::Mutex::new(()));
        *lane = Arc::downgrade(&fresh);
        fresh
    }
}

async fn wait(lane: Arc<tokio::sync::Mutex<()>>, deadline: Instant) -> Result<Turn, ToolError> {
    tokio::time::timeout_at(deadline.into(), lane.lock_owned()).await.map_err(|_| {
        ToolError::new(ErrorCode::DeadlineExceeded, "the same execution is still running")
            .with_hint("repeat the call with the same idempotency key")
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
    async fn the_same_key_waits_its_turn_and_the_same_id_gets_another() {
        let running = RunLocks::default();
        let soon = || Instant::now() + Duration::from_millis(20);
        let mut first = new_run(Some("k"));
        let turn = running.enter(&mut first, soon()).await.unwrap();
        let refused = running.enter(&mut new_run(Some("k")), soon()).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::DeadlineExceeded);
        let mut other = new_run(None);
        running.enter(&mut other, soon()).await.unwrap();
        assert_ne!(other.id, first.id);
        drop(turn);
        running.enter(&mut new_run(Some("k")), soon()).await.unwrap();
    }
}
