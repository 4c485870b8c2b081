//! The writes that wait, in one lane for each owner. Lanes take turns, and large writes take turns with small ones, so that the writes of one owner
//! never wait behind all those of another.

use parking_lot::{Condvar, Mutex};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Maximum number of writes in the queue; further ones are refused.
// Half a second of work at the measured 9,500 rows/s with a full-text index, so a queued write does not reach its
// deadline.
const WRITES: usize = 4_096;
/// Rows that the waiting writes of one owner may have, so that the queue always has places for others.
const ROWS_OF_OWNER: usize = WRITES / 4 * 3;
/// Maximum number of rows that one batch of small writes changes.
// 100 callers filled batches of about 80. The limit bounds the work that is repeated if one write of a batch fails.
const BATCH_ROWS: usize = 512;
/// A write of more rows runs in a transaction of its own, so that no other one waits for its commit.
const SMALL_ROWS: usize = 64;
/// If other owners wrote within this time, the next large write waits for as long as the last one took, so that they get the writer.
const ACTIVE: Duration = Duration::from_secs(1);
/// Longest pause after a large write, so that a slow disk delays an import and does not end it at its deadline.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The owner of a write, and the size of the write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn<'a> {
    /// Writes of different owners take turns. Empty for those of the service itself.
    pub owner: &'a str,
    /// Approximate number of rows of 2 KiB that it changes.
    pub rows: usize,
    /// True for a write that makes room, which may use the reserve of a full disk.
    pub frees: bool,
}

impl<'a> Turn<'a> {
    /// The turn of a small write.
    pub fn of(owner: &'a str) -> Self {
        Self { owner, ..Self::default() }
    }
}

impl Default for Turn<'_> {
    fn default() -> Self {
        Self { owner: "", rows: 1, frees: false }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

/// Writes that run in one transaction.
#[derive(Debug)]
pub(super) struct Batch<W> {
    pub(super) writes: Vec<W>,
    pub(super) rows: usize,
    /// The owner, if the batch is one large write.
    large: Option<String>,
}

pub(super) struct Queue<W> {
    state: Mutex<State<W>>,
    changed: Condvar,
}

struct State<W> {
    lanes: HashMap<String, Lane<W>>,
    /// Owners of the lanes, in the order of their turns.
    turns: VecDeque<String>,
    writes: usize,
    is_closed: bool,
    /// True if small writes ran while a large one waited.
    large_is_next: bool,
    /// The two owners of the last small writes, each with its time. Two, because one of them may be the owner of the large write.
    recent: VecDeque<(String, Instant)>,
    /// No large write begins before this time.
    pause_until: Option<Instant>,
}

struct Lane<W> {
    writes: VecDeque<(usize, W)>,
    rows: usize,
}

impl<W> Queue<W> {
    pub(super) fn new() -> Self {
        let state = State {
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            writes: 0,
            is_closed: false,
            large_is_next: false,
            recent: VecDeque::new(),
            pause_until: None,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Adds a write. A full queue refuses at once; waiting for a place would hide the overload until the deadline of the request.
    pub(super) fn push(&self, turn: Turn<'_>, write: W) -> Result<(), Refused> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(Refused::Closed);
        }
        let waiting = state.lanes.get(turn.owner).map_or(0, |lane| lane.rows);
        let too_many = !turn.owner.is_empty() && waiting > 0 && waiting + turn.rows > ROWS_OF_OWNER;
        if state.writes >= WRITES || too_many {
            return Err(Refused::Full);
        }
        state.push(turn, write);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for writes and takes those of the next transaction; returns `None` if the queue is closed and empty.
    pub(super) fn next(&self) -> Option<Batch<W>> {
        let mut state = self.state.lock();
        loop {
            let now = Instant::now();
            let pause = state.pause_until.filter(|until| *until > now && !state.is_closed);
            if state.large_is_next
                && pause.is_none()
                && let Some(batch) = state.take_large()
            {
                return Some(batch);
            }
            if let Some(batch) = state.take_small(now) {
                return Some(batch);
            }
            match pause {
                None => match state.take_large() {
                    Some(batch) => return Some(batch),
                    None if state.is_closed => return None,
                    None => self.changed.wait(&mut state),
                },
                Some(until) => {
                    let _ = self.changed.wait_until(&mut state, until);
                }
            }
        }
    }

    /// Takes note that a batch has ended.
    pub(super) fn ended(&self, batch: &Batch<W>, duration: Duration) {
        let Some(owner) = &batch.large else { return };
        let mut state = self.state.lock();
        let now = Instant::now();
        let others = state.recent.iter().any(|(other, at)| other != owner && now - *at < duration + ACTIVE);
        state.pause_until = others.then(|| now + duration.min(LONGEST_PAUSE));
    }

    /// Refuses further writes. Those that wait are still taken.
    pub(super) fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_all();
    }
}

impl<W> State<W> {
    fn push(&mut self, turn: Turn<'_>, write: W) {
        if !self.lanes.contains_key(turn.owner) {
            self.lanes.insert(turn.owner.to_owned(), Lane { writes: VecDeque::new(), rows: 0 });
            self.turns.push_back(turn.owner.to_owned());
        }
        if let Some(lane) = self.lanes.get_mut(turn.owner) {
            lane.writes.push_back((turn.rows, write));
            lane.rows += turn.rows;
            self.writes += 1;
        }
    }

    /// Returns the rows of the first write of the lane at this turn; every lane has one.
    fn rows_at(&self, turn: usize) -> usize {
        let lane = self.turns.get(turn).and_then(|owner| self.lanes.get(owner));
        lane.and_then(|lane| lane.writes.front()).map_or(0, |(rows, _)| *rows)
    }

    /// Takes the first write of the lane at this turn. The lane goes to the end of the turns; those that are passed over keep theirs.
    fn take(&mut self, turn: usize) -> Option<(String, usize, W)> {
        let owner = self.turns.remove(turn)?;
        let lane = self.lanes.get_mut(&owner)?;
        let (rows, write) = lane.writes.pop_front()?;
        lane.rows -= rows;
        self.writes -= 1;
        if lane.writes.is_empty() {
            self.lanes.remove(&owner);
        } else {
            self.turns.push_back(owner.clone());
        }
        Some((owner, rows, write))
    }

    fn take_small(&mut self, now: Instant) -> Option<Batch<W>> {
        let mut batch = Batch { writes: Vec::new(), rows: 0, large: None };
        let mut turn = 0;
        // Writes of no rows are bounded as well.
        while turn < self.turns.len() && batch.writes.len() < BATCH_ROWS {
            if self.rows_at(turn) > SMALL_ROWS.min(BATCH_ROWS - batch.rows) {
                turn += 1;
            } else if let Some((owner, rows, write)) = self.take(turn) {
                batch.rows += rows;
                batch.writes.push(write);
                self.wrote(owner, now);
            }
        }
        if batch.writes.is_empty() {
            return None;
        }
        self.large_is_next = (0..self.turns.len()).any(|turn| self.rows_at(turn) > SMALL_ROWS);
        Some(batch)
    }

    fn take_large(&mut self) -> Option<Batch<W>> {
        let turn = (0..self.turns.len()).find(|turn| self.rows_at(*turn) > SMALL_ROWS)?;
        let (owner, rows, write) = self.take(turn)?;
        self.large_is_next = false;
        Some(Batch { writes: vec![write], rows, large: Some(owner) })
    }

    fn wrote(&mut self, owner: String, now: Instant) {
        self.recent.retain(|(other, _)| *other != owner);
        // The service's own writes are no tenant that waits.
        if !owner.is_empty() {
            self.recent.push_front((owner, now));
            self.recent.truncate(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turn(owner: &str, rows: usize) -> Turn<'_> {
        Turn { owner, rows, frees: false }
    }

    fn order(queue: &Queue<&'static str>) -> Vec<Vec<&'static str>> {
        queue.close();
        std::iter::from_fn(|| queue.next()).map(|batch| batch.writes).collect()
    }

    #[test]
    fn owners_take_turns() {
        let queue = Queue::new();
        for _ in 0..600 {
            queue.push(turn("busy", 1), "busy").unwrap();
        }
        queue.push(turn("calm", 1), "calm").unwrap();
        let batches = order(&queue);
        assert_eq!(batches[0][..3], ["busy", "calm", "busy"]);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [512, 89]);
    }

    #[test]
    fn a_large_write_runs_alone_after_the_small_ones_and_before_the_next_ones() {
        let queue = Queue::new();
        for _ in 0..3 {
            queue.push(turn("importer", 500), "import").unwrap();
        }
        queue.push(turn("other", 500), "other import").unwrap();
        queue.push(turn("calm", 1), "first").unwrap();
        assert_eq!(queue.next().unwrap().writes, ["first"]);
        queue.push(turn("calm", 1), "second").unwrap();
        assert_eq!(queue.next().unwrap().writes, ["import"]);
        assert_eq!(queue.next().unwrap().writes, ["second"]);
        assert_eq!(order(&queue), [["other import"], ["import"], ["import"]]);
    }

    #[test]
    fn a_large_write_pauses_only_if_others_write() {
        let queue = Queue::new();
        let run_large = || {
            queue.push(turn("importer", 500), "import").unwrap();
            let batch = queue.next().unwrap();
            queue.ended(&batch, Duration::from_millis(200));
            queue.state.lock().pause_until
        };
        assert_eq!(run_large(), None);
        queue.push(turn("importer", 1), "own").unwrap();
        queue.next().unwrap();
        assert_eq!(run_large(), None, "its own small writes count as those of others");
        queue.push(turn("calm", 1), "small").unwrap();
        queue.next().unwrap();
        let until = run_large().expect("no pause beside another owner");
        queue.push(turn("importer", 500), "import").unwrap();
        queue.push(turn("calm", 1), "small").unwrap();
        assert_eq!(queue.next().unwrap().writes, ["small"]);
        assert_eq!(queue.next().unwrap().writes, ["import"]);
        assert!(Instant::now() >= until, "the import began in the pause");
    }

    #[test]
    fn one_owner_cannot_fill_the_queue() {
        let queue = Queue::new();
        let accepted = (0..WRITES).filter(|_| queue.push(turn("greedy", 1), "x").is_ok()).count();
        assert_eq!(accepted, ROWS_OF_OWNER);
        assert_eq!(queue.push(turn("calm", 1), "y"), Ok(()));
        // A single write is accepted whatever its size.
        assert_eq!(queue.push(turn("huge", WRITES), "z"), Ok(()));
        queue.close();
        assert_eq!(queue.push(turn("calm", 1), "y"), Err(Refused::Closed));
    }

    proptest! {
        #[test]
        fn every_write_runs_once_and_those_of_an_owner_in_their_order(writes in proptest::collection::vec((0usize..4, 0usize..200), 0..120)) {
            let queue = Queue::new();
            let push = |(number, (owner, rows)): (usize, &(usize, usize))| {
                queue.push(turn(["a", "b", "c", ""][*owner], *rows), (*owner, number)).is_ok()
            };
            let accepted = writes.iter().enumerate().filter(|write| push(*write)).count();
            queue.close();
            let batches: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
            for batch in &batches {
                prop_assert!(batch.rows <= BATCH_ROWS && (batch.writes.len() == 1 || batch.large.is_none()));
            }
            let ran: Vec<(usize, usize)> = batches.into_iter().flat_map(|batch| batch.writes).collect();
            prop_assert_eq!(ran.len(), accepted);
            for owner in 0..4 {
                let own: Vec<usize> = ran.iter().filter(|(of, _)| *of == owner).map(|(_, number)| *number).collect();
                prop_assert!(own.is_sorted());
            }
            prop_assert!(queue.state.lock().lanes.is_empty() && queue.state.lock().turns.is_empty());
        }
    }
}
