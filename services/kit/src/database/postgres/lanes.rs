//! Writes that wait, in one lane for each owner. The writes of a lane run one group after the other, and those that wait meanwhile become the next
//! group, which shares one transaction. Lanes run at the same time.

use crate::database::error::DatabaseError;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio_util::task::TaskTracker;

/// Maximum number of writes that wait, of all owners; further ones are refused.
const WRITES: usize = 4_096;
/// Rows that the waiting writes of one owner may have, so that there are always places for others.
const ROWS_OF_OWNER: usize = WRITES / 4 * 3;
/// Maximum number of rows of a group. The limit bounds the work that is repeated if one write of a group fails.
const GROUP_ROWS: usize = 512;

type Run<W> = dyn Fn(String, Vec<W>) -> BoxFuture<'static, ()> + Send + Sync;

/// The lanes. Clones share them.
pub struct Lanes<W> {
    state: Arc<Mutex<State<W>>>,
    run: Arc<Run<W>>,
    tasks: TaskTracker,
}

struct State<W> {
    lanes: HashMap<String, Lane<W>>,
    writes: usize,
    is_closed: bool,
}

struct Lane<W> {
    waiting: VecDeque<(usize, W)>,
    rows: usize,
}

impl<W> Clone for Lanes<W> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), run: Arc::clone(&self.run), tasks: self.tasks.clone() }
    }
}

impl<W: Send + 'static> Lanes<W> {
    /// `run` gets the owner and a group of its writes, in their order, and reports to their callers itself.
    pub fn new(run: impl Fn(String, Vec<W>) -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        let state = State { lanes: HashMap::new(), writes: 0, is_closed: false };
        Self { state: Arc::new(Mutex::new(state)), run: Arc::new(run), tasks: TaskTracker::new() }
    }

    /// Queues a write of about this number of rows.
    ///
    /// # Errors
    /// Refuses the write if too many wait or the lanes are closed. Waiting for a place would hide the overload until the deadline of the request.
    pub fn push(&self, owner: &str, rows: usize, write: W) -> Result<(), DatabaseError> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(DatabaseError::Closed);
        }
        let waiting = state.lanes.get(owner).map_or(0, |lane| lane.rows);
        if state.writes >= WRITES || waiting > 0 && waiting + rows > ROWS_OF_OWNER {
            return Err(DatabaseError::Overloaded);
        }
        state.writes += 1;
        match state.lanes.get_mut(owner) {
            Some(lane) => {
                lane.rows += rows;
                lane.waiting.push_back((rows, write));
            }
            None => {
                state.lanes.insert(owner.to_owned(), Lane { waiting: VecDeque::from([(rows, write)]), rows });
                self.tasks.spawn(self.clone().drive(owner.to_owned()));
            }
        }
        Ok(())
    }

    /// Runs the groups of one lane until it is empty.
    async fn drive(self, owner: String) {
        let _removal = RemoveLane { lanes: self.clone(), owner: owner.clone() };
        while let Some(group) = self.next(&owner) {
            (self.run)(owner.clone(), group).await;
        }
    }

    fn next(&self, owner: &str) -> Option<Vec<W>> {
        let mut state = self.state.lock();
        let lane = state.lanes.get_mut(owner)?;
        let (mut group, mut taken) = (Vec::new(), 0);
        while let Some((rows, _)) = lane.waiting.front()
            && (group.is_empty() || taken + rows <= GROUP_ROWS)
            && let Some((rows, write)) = lane.waiting.pop_front()
        {
            taken += rows;
            lane.rows -= rows;
            group.push(write);
        }
        if group.is_empty() {
            state.lanes.remove(owner);
            return None;
        }
        state.writes -= group.len();
        Some(group)
    }

    /// Refuses further writes and waits for those that are queued.
    pub async fn close(&self) {
        self.state.lock().is_closed = true;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Removes a lane whose driver has ended by a panic, so that the owner's next write starts another one. Otherwise the lane is gone already.
struct RemoveLane<W> {
    lanes: Lanes<W>,
    owner: String,
}

impl<W> Drop for RemoveLane<W> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.lanes.state.lock();
            if let Some(lane) = state.lanes.remove(&self.owner) {
                state.writes -= lane.waiting.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use tokio::sync::{Semaphore, mpsc};

    #[tokio::test]
    async fn writes_that_wait_for_a_group_are_the_next_group_and_owners_do_not_wait_for_each_other() {
        let (groups, mut seen) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let open = Arc::clone(&gate);
        let lanes = Lanes::new(move |owner, group: Vec<u32>| {
            let (groups, gate) = (groups.clone(), Arc::clone(&open));
            async move {
                groups.send((owner.clone(), group)).unwrap();
                if owner == "slow" {
                    gate.acquire().await.unwrap().forget();
                }
            }
            .boxed()
        });
        lanes.push("slow", 1, 1).unwrap();
        assert_eq!(seen.recv().await, Some(("slow".to_owned(), vec![1])));
        for (rows, write) in [(200, 2), (300, 3), (300, 4)] {
            lanes.push("slow", rows, write).unwrap();
        }
        lanes.push("quick", 1, 9).unwrap();
        assert_eq!(seen.recv().await, Some(("quick".to_owned(), vec![9])));
        gate.add_permits(3);
        assert_eq!(seen.recv().await, Some(("slow".to_owned(), vec![2, 3])));
        assert_eq!(seen.recv().await, Some(("slow".to_owned(), vec![4])));
        lanes.close().await;
        assert_eq!(lanes.push("slow", 1, 5), Err(DatabaseError::Closed));
    }

    #[tokio::test]
    async fn one_owner_cannot_take_all_places() {
        let gate = Arc::new(Semaphore::new(0));
        let open = Arc::clone(&gate);
        let lanes = Lanes::new(move |_, _: Vec<()>| {
            let gate = Arc::clone(&open);
            async move { gate.acquire().await.unwrap().forget() }.boxed()
        });
        let mut queued = 0;
        while lanes.push("greedy", 64, ()).is_ok() {
            queued += 1;
            assert!(queued < WRITES, "nothing bounds an owner");
        }
        assert_eq!(lanes.push("greedy", 64, ()), Err(DatabaseError::Overloaded));
        assert_eq!(lanes.push("other", 64, ()), Ok(()));
        gate.add_permits(WRITES);
        lanes.close().await;
    }
}
