//! One direction of a connection: a bounded queue of bytes, and of the end of the direction. Each entry has the time at which it may leave. Pure:
//! the time is a parameter.

use crate::draw::next;
use crate::rules::{ActiveRule, RuleDirection, Rules};
use crate::toxic::effect::{QueuedItem, ReleaseTime};
use crate::toxic::{Ending, Moment};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Maximum number of bytes that wait in a queue without rules: the size of one read.
const MAX_WAITING_BYTES: usize = 64 << 10;
/// Maximum number of bytes that wait in a queue with rules. It is enough to delay 100 MB/s by 40 ms.
const MAX_DELAYED_BYTES: usize = 4 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client to the upstream.
    Up,
    /// From the upstream to the client.
    Down,
}

impl Direction {
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Up => 0,
            Self::Down => 1,
        }
    }

    const fn matches(self, towards: RuleDirection) -> bool {
        match (self, towards) {
            (_, RuleDirection::Both) | (Self::Up, RuleDirection::Upstream) | (Self::Down, RuleDirection::Client) => {
                true
            }
            (Self::Up, RuleDirection::Client) | (Self::Down, RuleDirection::Upstream) => false,
        }
    }

    /// Returns true if a rule acts on bytes of an operation in this direction. `drawn` has the ids of the conditional rules that were drawn for the
    /// operation.
    pub(crate) fn applies(self, active: &ActiveRule, drawn: &[u64]) -> bool {
        // A toxic of a protocol acts on an exchange, which has both directions; its `moment` decides about the side.
        let is_in_direction = active.effect().protocol().is_some() || self.matches(active.rule.towards);
        is_in_direction && (!active.rule.is_conditional() || drawn.contains(&active.id))
    }
}

#[derive(Debug)]
pub(crate) enum EntryContent {
    Bytes(Bytes),
    /// The end of the direction: FIN.
    End,
    /// The end of the whole connection.
    Cut(Ending),
}

/// An entry of the queue, with everything that its release depends on.
#[derive(Debug)]
pub(crate) struct QueueEntry {
    pub(crate) content: EntryContent,
    pub(crate) arrived: Instant,
    /// Ids of the conditional rules that act on it.
    pub(crate) drawn: Vec<u64>,
    pub(crate) random: u64,
    /// It arrived together with the entry before it.
    pub(crate) continues: bool,
    /// When it may leave; `None` if it waits until the rules change.
    due: Option<Instant>,
}

impl QueueEntry {
    pub(crate) const fn new(content: EntryContent, arrived: Instant) -> Self {
        Self { content, arrived, drawn: Vec::new(), random: 0, continues: false, due: Some(arrived) }
    }

    fn len(&self) -> usize {
        match &self.content {
            EntryContent::Bytes(bytes) => bytes.len(),
            EntryContent::End | EntryContent::Cut(_) => 0,
        }
    }
}

/// What the connection must do next for a queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    Nothing,
    Write(&'a [u8]),
    /// Send FIN.
    End,
    /// End the whole connection.
    Cut(Ending),
}

#[derive(Debug)]
pub(crate) struct DirectionQueue {
    direction: Direction,
    entries: VecDeque<QueueEntry>,
    waiting: usize,
    last_due: Option<Instant>,
    hung: bool,
    /// When a limited rate has room again.
    free_at: Option<Instant>,
    /// Number of bytes that have arrived.
    pub(crate) position: u64,
    /// The source has ended, or the queue accepts no more bytes from it.
    pub(crate) source_ended: bool,
    /// The end has been sent.
    pub(crate) done: bool,
    /// The destination is closed. Later bytes are discarded.
    pub(crate) dead: bool,
}

impl DirectionQueue {
    pub(crate) const fn new(direction: Direction) -> Self {
        Self {
            direction,
            entries: VecDeque::new(),
            waiting: 0,
            last_due: None,
            hung: false,
            free_at: None,
            position: 0,
            source_ended: false,
            done: false,
            dead: false,
        }
    }

    /// Returns true if the source may be read. While it is not read, TCP flow control slows the source down.
    pub(crate) fn wants_input(&self, rules: &Rules) -> bool {
        let limit = if rules.active.is_empty() { MAX_WAITING_BYTES } else { MAX_DELAYED_BYTES };
        // Checked before a read, so a queue may exceed the limit by one read.
        !self.source_ended && self.waiting < limit
    }

    pub(crate) fn push(&mut self, mut entry: QueueEntry, rules: &Rules) {
        if self.dead {
            return;
        }
        self.schedule(&mut entry, rules);
        self.waiting += entry.len();
        self.entries.push_back(entry);
    }

    /// Returns true if bytes that arrive now would be the next to leave.
    pub(crate) fn is_clear(&self) -> bool {
        self.entries.is_empty() && !self.dead && !self.source_ended
    }

    /// Computes the release of every waiting entry again. Called when the rules have changed.
    pub(crate) fn reschedule(&mut self, rules: &Rules) {
        // Resets the state first, because it comes from the old rules: a removed hang or limit must not delay the waiting
        // entries.
        (self.last_due, self.free_at, self.hung) = (None, None, false);
        let mut entries = std::mem::take(&mut self.entries);
        entries.iter_mut().for_each(|entry| self.schedule(entry, rules));
        self.entries = entries;
    }

    fn schedule(&mut self, entry: &mut QueueEntry, rules: &Rules) {
        // Fast path of an edge without rules. An entry behind delayed ones does not take it, so that it cannot overtake
        // them.
        if rules.active.is_empty() && self.last_due.is_none() {
            entry.due = Some(entry.arrived);
            return;
        }
        let acting = || rules.active.iter().filter(|active| self.direction.applies(active, &entry.drawn));
        let moment = match self.direction {
            Direction::Up => Moment::Request,
            Direction::Down => Moment::Reply,
        };
        // The id is mixed in, so that two rules with jitter on one edge do not vary in step.
        let delay = |active: &Arc<ActiveRule>| active.effect().delay(moment, next(entry.random ^ active.id));
        // From the arrival, not from the release of the entry before: a proxy that sleeps for each piece of 8 KiB needs 2.3 s
        // for 1 MiB through 50 ms.
        let due = entry.arrived + acting().map(delay).sum::<Duration>();
        // Bytes never overtake those before them, whatever their own delay is.
        let due = self.last_due.map_or(due, |before| due.max(before));
        let mut release = ReleaseTime { due, free_at: self.free_at, hung: self.hung };
        let waiting = QueuedItem {
            bytes: entry.len(),
            continues: entry.continues,
            is_end: matches!(entry.content, EntryContent::End),
        };
        for active in acting() {
            active.effect().schedule(waiting, &mut release);
        }
        (self.free_at, self.hung, self.last_due) = (release.free_at, release.hung, Some(release.due));
        // After a hang every later entry hangs as well, because `hung` is kept: order matters more than the delay of
        // one entry.
        entry.due = (!release.hung).then_some(release.due);
    }

    pub(crate) fn next(&self, now: Instant) -> Next<'_> {
        match self.entries.front() {
            Some(entry) if entry.due.is_some_and(|due| due <= now) => match &entry.content {
                EntryContent::Bytes(bytes) => Next::Write(bytes),
                EntryContent::End => Next::End,
                EntryContent::Cut(ending) => Next::Cut(*ending),
            },
            Some(_) | None => Next::Nothing,
        }
    }

    /// Returns when the front of the queue may leave; `None` if the queue is empty or hangs.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.entries.front().and_then(|entry| entry.due)
    }

    /// Removes written bytes from the front of the queue.
    pub(crate) fn wrote(&mut self, count: usize) {
        self.waiting = self.waiting.saturating_sub(count);
        if let Some(QueueEntry { content: EntryContent::Bytes(bytes), .. }) = self.entries.front_mut() {
            bytes.advance(count);
            if bytes.is_empty() {
                self.pop();
            }
        }
    }

    /// Removes the end of the direction from the front of the queue, after FIN was sent.
    pub(crate) fn sent_end(&mut self) {
        self.pop();
        self.done = true;
    }

    /// Discards everything, because the destination is closed.
    pub(crate) fn kill(&mut self) {
        self.entries.clear();
        self.waiting = 0;
        self.dead = true;
        self.done = true;
    }

    fn pop(&mut self) {
        self.entries.pop_front();
        // With an empty queue there is nothing to overtake, so `schedule` may take its fast path again.
        if self.entries.is_empty() && !self.hung {
            self.last_due = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Rule, add};
    use crate::toxic::{Bandwidth, Latency, SlowClose, Toxic};
    use tokio::sync::watch;

    fn bytes(count: usize, arrived: Instant) -> QueueEntry {
        QueueEntry::new(EntryContent::Bytes(Bytes::from(vec![7; count])), arrived)
    }

    #[test]
    fn a_blocked_destination_stops_reading_from_the_source() {
        let (now, rules) = (Instant::now(), Rules::default());
        let mut queue = DirectionQueue::new(Direction::Up);
        queue.push(bytes(MAX_WAITING_BYTES - 1, now), &rules);
        assert!(queue.wants_input(&rules));
        queue.push(bytes(1, now), &rules);
        assert!(!queue.wants_input(&rules));
        queue.wrote(1);
        assert!(queue.wants_input(&rules));
    }

    #[test]
    fn bytes_leave_in_order_and_the_end_leaves_last() {
        let (now, rules) = (Instant::now(), Rules::default());
        let mut queue = DirectionQueue::new(Direction::Down);
        queue.push(bytes(2, now), &rules);
        queue.push(QueueEntry::new(EntryContent::End, now), &rules);
        assert_eq!(queue.next(now), Next::Write(&[7, 7]));
        queue.wrote(1);
        assert_eq!(queue.next(now), Next::Write(&[7]));
        queue.wrote(1);
        assert_eq!(queue.next(now), Next::End);
        queue.sent_end();
        assert!(queue.done && queue.next(now) == Next::Nothing);
    }

    fn under(toxic: Toxic) -> Arc<Rules> {
        let rules = watch::Sender::new(Arc::new(Rules::default()));
        let guard = add(&rules, Rule::new(toxic)).unwrap();
        let acting = Arc::clone(&rules.borrow());
        drop(guard);
        acting
    }

    /// Pushes parcels of 1,000 bytes that arrive together, and an end; returns how long each one waits.
    fn dues(toxic: Toxic, entries: usize) -> Vec<Duration> {
        let (now, rules) = (Instant::now(), under(toxic));
        let mut queue = DirectionQueue::new(Direction::Down);
        (0..entries).for_each(|_| queue.push(bytes(1_000, now), &rules));
        queue.push(QueueEntry::new(EntryContent::End, now), &rules);
        queue.entries.iter().map(|entry| entry.due.unwrap() - now).collect()
    }

    #[test]
    fn a_long_reply_is_delayed_once_and_not_for_each_piece() {
        let delay = Duration::from_millis(300);
        assert_eq!(dues(Toxic::Latency(Latency { delay, jitter: Duration::ZERO }), 16), [delay; 17]);
    }

    #[test]
    fn each_piece_of_a_limited_rate_waits_for_those_before_it() {
        let seconds = dues(Toxic::Bandwidth(Bandwidth { bytes_per_second: 4_000 }), 4);
        assert_eq!(seconds, [250, 500, 750, 1_000, 1_000].map(Duration::from_millis));
    }

    #[test]
    fn a_slow_close_delays_only_the_end() {
        let delay = Duration::from_millis(150);
        assert_eq!(dues(Toxic::SlowClose(SlowClose { delay }), 2), [Duration::ZERO, Duration::ZERO, delay]);
    }

    #[test]
    fn bytes_for_a_closed_destination_are_discarded() {
        let (now, rules) = (Instant::now(), Rules::default());
        let mut queue = DirectionQueue::new(Direction::Down);
        queue.push(bytes(2, now), &rules);
        queue.kill();
        queue.push(bytes(2, now), &rules);
        assert!(queue.next(now) == Next::Nothing && queue.wants_input(&rules));
    }
}
