//! Calls of one organisation that wait for Redis at the same time are decided by one script call. Nothing is reserved for later calls, so every
//! count stays exact, with any number of instances (decision 0056).

use mcp_contracts::Plan;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The calls that one script call can decide together: their limits and counters are the same.
pub(super) type LaneKey = (Arc<str>, Plan);

/// Calls that wait, by organisation and plan. A lane exists only while it has a worker, so concurrent calls bound their number.
pub(super) struct Lanes<Decision> {
    lanes: Mutex<HashMap<LaneKey, Lane<Decision>>>,
}

struct Lane<Decision> {
    waiting: Vec<oneshot::Sender<Decision>>,
    /// Number of tasks that take calls of this lane to Redis.
    workers: usize,
    /// True if a worker will soon be back for the calls that wait.
    is_served: bool,
}

impl<Decision> Default for Lanes<Decision> {
    fn default() -> Self {
        Self { lanes: Mutex::default() }
    }
}

impl<Decision> Lanes<Decision> {
    /// Adds a call. Returns the receiver of its decision, and true if the caller must start a worker for it.
    pub(super) fn join(&self, key: &LaneKey) -> (oneshot::Receiver<Decision>, bool) {
        let (sender, receiver) = oneshot::channel();
        let mut lanes = self.lanes.lock();
        let lane =
            lanes.entry(key.clone()).or_insert_with(|| Lane { waiting: Vec::new(), workers: 0, is_served: false });
        lane.waiting.push(sender);
        let starts = !lane.is_served;
        if starts {
            lane.begin();
        }
        (receiver, starts)
    }

    /// Returns the calls that wait, for the next script call of a worker. Returns `None` if none does; the worker must then end.
    pub(super) fn take(&self, key: &LaneKey) -> Option<Vec<oneshot::Sender<Decision>>> {
        let mut lanes = self.lanes.lock();
        let lane = lanes.get_mut(key)?;
        // A client that has gone uses up no call.
        lane.waiting.retain(|call| !call.is_closed());
        if lane.waiting.is_empty() {
            lane.workers -= 1;
            // The next call starts a worker, even if another one still waits for Redis: it may wait for long.
            lane.is_served = false;
            if lane.workers == 0 {
                lanes.remove(key);
            }
            return None;
        }
        lane.is_served = true;
        Some(std::mem::take(&mut lane.waiting))
    }

    /// A worker waits for Redis longer than others may wait for it. Returns true if the caller must start another one, because calls wait already;
    /// the next call starts one otherwise.
    pub(super) fn give_up_waiting(&self, key: &LaneKey) -> bool {
        let mut lanes = self.lanes.lock();
        let Some(lane) = lanes.get_mut(key) else { return false };
        lane.is_served = false;
        let starts = !lane.waiting.is_empty();
        if starts {
            lane.begin();
        }
        starts
    }
}

impl<Decision> Lane<Decision> {
    fn begin(&mut self) {
        self.workers += 1;
        self.is_served = true;
    }
}

#[cfg(test)]
mod tests {
    use super::{LaneKey, Lanes};
    use mcp_contracts::Plan;

    fn key() -> LaneKey {
        ("acme".into(), Plan::Free)
    }

    #[test]
    fn calls_that_come_while_a_worker_is_away_wait_for_it() {
        let lanes = Lanes::<()>::default();
        let (_first, starts) = lanes.join(&key());
        assert!(starts);
        assert_eq!(lanes.take(&key()).map(|calls| calls.len()), Some(1));
        let others: Vec<_> = (0..3).map(|_| lanes.join(&key())).collect();
        assert!(others.iter().all(|(_, starts)| !starts));
        assert_eq!(lanes.take(&key()).map(|calls| calls.len()), Some(3));
        assert!(lanes.take(&key()).is_none());
        assert!(lanes.lanes.lock().is_empty(), "an idle lane takes no memory");
    }

    #[test]
    fn no_call_waits_for_a_worker_that_is_late_or_has_ended() {
        let lanes = Lanes::<()>::default();
        let (_first, _) = lanes.join(&key());
        lanes.take(&key());
        let (_second, starts) = lanes.join(&key());
        assert!(!starts && lanes.give_up_waiting(&key()), "the second call gets a worker of its own");
        lanes.take(&key());
        assert!(!lanes.give_up_waiting(&key()), "no call waits");
        let (_third, starts) = lanes.join(&key());
        assert!(starts);
        lanes.take(&key());
        assert!(lanes.take(&key()).is_none(), "one of three workers ends");
        let (_fourth, starts) = lanes.join(&key());
        assert!(starts);
    }

    #[test]
    fn a_client_that_has_gone_uses_up_no_call() {
        let lanes = Lanes::<()>::default();
        let (gone, _) = lanes.join(&key());
        let (_waits, _) = lanes.join(&key());
        drop(gone);
        assert_eq!(lanes.take(&key()).map(|calls| calls.len()), Some(1));
        let (gone, _) = lanes.join(&key());
        drop(gone);
        assert!(lanes.take(&key()).is_none());
    }
}
