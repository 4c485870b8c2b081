//! Calls of one organisation that wait for Redis at the same time are decided by one script call. They share no more
//! than the script, so every count stays exact, with any number of instances (decision 0056).

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

/// A task that takes the calls of a lane to Redis. Its drop frees the lane, also if the task panics: otherwise every later call would wait for it.
#[must_use]
pub(super) struct Worker<Decision> {
    lanes: Arc<Lanes<Decision>>,
    key: LaneKey,
    /// True once no call waited for it.
    has_ended: bool,
}

impl<Decision> Default for Lanes<Decision> {
    fn default() -> Self {
        Self { lanes: Mutex::default() }
    }
}

impl<Decision> Lanes<Decision> {
    /// Adds a call. Returns the receiver of its decision, and the worker that the caller must start for it, if it needs one.
    pub(super) fn join(self: &Arc<Self>, key: LaneKey) -> (oneshot::Receiver<Decision>, Option<Worker<Decision>>) {
        let (sender, receiver) = oneshot::channel();
        let mut lanes = self.lanes.lock();
        let lane =
            lanes.entry(key.clone()).or_insert_with(|| Lane { waiting: Vec::new(), workers: 0, is_served: false });
        lane.waiting.push(sender);
        let starts = !lane.is_served;
        if starts {
            lane.begin();
        }
        (receiver, starts.then(|| Worker { lanes: Arc::clone(self), key, has_ended: false }))
    }
}

impl<Decision> Worker<Decision> {
    pub(super) const fn key(&self) -> &LaneKey {
        &self.key
    }

    /// Returns the calls that wait, for the next script call. Returns `None` if none does; the worker must then end.
    pub(super) fn take(&mut self) -> Option<Vec<oneshot::Sender<Decision>>> {
        let mut lanes = self.lanes.lanes.lock();
        let lane = lanes.get_mut(&self.key)?;
        // A client that has gone uses up no call.
        lane.waiting.retain(|call| !call.is_closed());
        // If none waits, the next call starts a worker, even if another one still waits for Redis: it may wait for long.
        self.has_ended = lane.waiting.is_empty();
        lane.is_served = !self.has_ended;
        (!self.has_ended).then(|| std::mem::take(&mut lane.waiting))
    }

    /// Notes that this worker waits for Redis for longer than `LONGEST_WAIT`, so that other calls no longer wait for it. Returns a second worker
    /// that the caller must start, if calls wait already. Otherwise the next call starts one.
    pub(super) fn give_up_waiting(&self) -> Option<Self> {
        let mut lanes = self.lanes.lanes.lock();
        let lane = lanes.get_mut(&self.key)?;
        lane.is_served = false;
        if lane.waiting.is_empty() {
            return None;
        }
        lane.begin();
        Some(Self { lanes: Arc::clone(&self.lanes), key: self.key.clone(), has_ended: false })
    }
}

impl<Decision> Drop for Worker<Decision> {
    fn drop(&mut self) {
        let mut lanes = self.lanes.lanes.lock();
        let Some(lane) = lanes.get_mut(&self.key) else { return };
        lane.workers -= 1;
        if !self.has_ended {
            // The calls that waited for this worker are decided without Redis.
            lane.waiting.clear();
            lane.is_served = false;
        }
        if lane.workers == 0 && lane.waiting.is_empty() {
            lanes.remove(&self.key);
        }
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
    use std::sync::Arc;

    fn key() -> LaneKey {
        ("acme".into(), Plan::Free)
    }

    #[test]
    fn calls_that_come_while_a_worker_is_away_wait_for_it() {
        let lanes = Arc::new(Lanes::<()>::default());
        let (_first, worker) = lanes.join(key());
        let mut worker = worker.unwrap();
        assert_eq!(worker.take().map(|calls| calls.len()), Some(1));
        let others: Vec<_> = (0..3).map(|_| lanes.join(key())).collect();
        assert!(others.iter().all(|(_, worker)| worker.is_none()));
        assert_eq!(worker.take().map(|calls| calls.len()), Some(3));
        assert!(worker.take().is_none());
        drop(worker);
        assert!(lanes.lanes.lock().is_empty(), "an idle lane takes no memory");
    }

    #[test]
    fn no_call_waits_for_a_worker_that_is_late_or_has_ended() {
        let lanes = Arc::new(Lanes::<()>::default());
        let (_first, late) = lanes.join(key());
        let mut late = late.unwrap();
        late.take();
        let (_second, worker) = lanes.join(key());
        assert!(worker.is_none());
        let mut second = late.give_up_waiting().expect("the second call gets a worker of its own");
        second.take();
        assert!(late.give_up_waiting().is_none(), "no call waits");
        let (_third, worker) = lanes.join(key());
        let mut third = worker.unwrap();
        third.take();
        assert!(third.take().is_none(), "one of three workers ends");
        // Before it is dropped too: a call must not come too late for it.
        let (_fourth, worker) = lanes.join(key());
        assert!(worker.is_some());
        drop((worker, third, second, late));
        assert!(lanes.lanes.lock().is_empty());
    }

    #[test]
    fn a_client_that_has_gone_uses_up_no_call() {
        let lanes = Arc::new(Lanes::<()>::default());
        let (gone, worker) = lanes.join(key());
        let (_waits, _) = lanes.join(key());
        drop(gone);
        let mut worker = worker.unwrap();
        assert_eq!(worker.take().map(|calls| calls.len()), Some(1));
        let (gone, _) = lanes.join(key());
        drop(gone);
        assert!(worker.take().is_none());
    }

    #[test]
    fn a_worker_that_panics_frees_its_lane() {
        let lanes = Arc::new(Lanes::<()>::default());
        let (mut taken, worker) = lanes.join(key());
        let mut worker = worker.unwrap();
        let calls = worker.take();
        let (mut waits, none) = lanes.join(key());
        assert!(none.is_none());
        let panicked = std::thread::spawn(move || {
            let _moved = (worker, calls);
            panic!("while it decides");
        });
        assert!(panicked.join().is_err());
        let closed = tokio::sync::oneshot::error::TryRecvError::Closed;
        assert_eq!((taken.try_recv(), waits.try_recv()), (Err(closed.clone()), Err(closed)), "no call waits for ever");
        let (_next, worker) = lanes.join(key());
        assert!(worker.is_some(), "the next call gets a worker");
        drop(worker);
        assert!(lanes.lanes.lock().is_empty());
    }
}
