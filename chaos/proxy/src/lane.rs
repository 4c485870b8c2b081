//! One direction of a connection: a bounded queue of bytes that wait for their time. Pure: it is told the time.

use crate::draw::next;
use crate::rules::{Planted, Rules, Towards};
use crate::toxic::effect::{Departure, Waiting};
use crate::toxic::{Ending, Moment};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most bytes that wait on an edge where nothing is done: as much as one read.
const MAX_WAITING_BYTES: usize = 64 << 10;
/// Most bytes that wait where something is: what a delay of 40 ms holds back at 100 MB/s.
const MAX_DELAYED_BYTES: usize = 4 << 20;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the client to the upstream.
    Up,
    /// From the upstream to the client.
    Down,
}

impl Way {
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Up => 0,
            Self::Down => 1,
        }
    }

    const fn faces(self, towards: Towards) -> bool {
        match (self, towards) {
            (_, Towards::Both) | (Self::Up, Towards::Upstream) | (Self::Down, Towards::Client) => true,
            (Self::Up, Towards::Client) | (Self::Down, Towards::Upstream) => false,
        }
    }

    /// Tells whether a rule acts on something that `drawn` rules were drawn for.
    pub(crate) fn acts(self, planted: &Planted, drawn: &[u64]) -> bool {
        let faces = planted.rule.toxic.effect().protocol().is_some() || self.faces(planted.rule.towards);
        faces && (!planted.rule.is_conditional() || drawn.contains(&planted.id))
    }
}

/// What waits.
#[derive(Debug)]
pub(crate) enum Load {
    Bytes(Bytes),
    /// The end of the direction: FIN.
    End,
    /// The end of the connection.
    Cut(Ending),
}

/// Something that waits, and what its time depends on.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) load: Load,
    pub(crate) arrived: Instant,
    /// Conditional rules that act on it.
    pub(crate) drawn: Vec<u64>,
    pub(crate) random: u64,
    /// Whether it continues what the one before began.
    pub(crate) continues: bool,
    /// `None`: not before the rules change.
    due: Option<Instant>,
}

impl Parcel {
    pub(crate) const fn new(load: Load, arrived: Instant) -> Self {
        Self { load, arrived, drawn: Vec::new(), random: 0, continues: false, due: Some(arrived) }
    }

    fn len(&self) -> usize {
        match &self.load {
            Load::Bytes(bytes) => bytes.len(),
            Load::End | Load::Cut(_) => 0,
        }
    }
}

/// What to do next for a lane.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// Nothing waits whose time has come.
    Nothing,
    /// Write these bytes.
    Write(&'a [u8]),
    /// Write FIN.
    End,
    /// End the connection.
    Cut(Ending),
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Lane {
    way: Way,
    queue: VecDeque<Parcel>,
    waiting: usize,
    last_due: Option<Instant>,
    hung: bool,
    /// When a limited rate has room again.
    free_at: Option<Instant>,
    /// Bytes that came in.
    pub(crate) position: u64,
    /// The source has ended, or nothing more of it is wanted.
    pub(crate) source_ended: bool,
    /// The end was passed on.
    pub(crate) done: bool,
    /// The destination takes nothing any more.
    pub(crate) dead: bool,
}

impl Lane {
    pub(crate) const fn new(way: Way) -> Self {
        Self {
            way,
            queue: VecDeque::new(),
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

    /// Tells whether more may be read from the source.
    pub(crate) fn hungry(&self, rules: &Rules) -> bool {
        let limit = if rules.planted.is_empty() { MAX_WAITING_BYTES } else { MAX_DELAYED_BYTES };
        !self.source_ended && self.waiting < limit
    }

    pub(crate) fn push(&mut self, mut parcel: Parcel, rules: &Rules) {
        if self.dead {
            return;
        }
        self.schedule(&mut parcel, rules);
        self.waiting += parcel.len();
        self.queue.push_back(parcel);
    }

    /// Tells whether what comes in would go out at once, next and as it is.
    pub(crate) fn is_clear(&self) -> bool {
        self.queue.is_empty() && !self.dead && !self.source_ended
    }

    /// Gives everything that waits the time that `rules` say.
    pub(crate) fn reschedule(&mut self, rules: &Rules) {
        (self.last_due, self.free_at, self.hung) = (None, None, false);
        let mut queue = std::mem::take(&mut self.queue);
        queue.iter_mut().for_each(|parcel| self.schedule(parcel, rules));
        self.queue = queue;
    }

    fn schedule(&mut self, parcel: &mut Parcel, rules: &Rules) {
        if rules.planted.is_empty() && self.last_due.is_none() {
            parcel.due = Some(parcel.arrived);
            return;
        }
        let acting = || rules.planted.iter().filter(|planted| self.way.acts(planted, &parcel.drawn));
        let moment = match self.way {
            Way::Up => Moment::Request,
            Way::Down => Moment::Reply,
        };
        let delay =
            |planted: &Arc<Planted>| planted.rule.toxic.effect().delay(moment, next(parcel.random ^ planted.id));
        let due = parcel.arrived + acting().map(delay).sum::<Duration>();
        let due = self.last_due.map_or(due, |before| due.max(before));
        let mut departure = Departure { due, free_at: self.free_at, hung: self.hung };
        let waiting =
            Waiting { bytes: parcel.len(), continues: parcel.continues, is_end: matches!(parcel.load, Load::End) };
        for planted in acting() {
            planted.rule.toxic.effect().schedule(waiting, &mut departure);
        }
        (self.free_at, self.hung, self.last_due) = (departure.free_at, departure.hung, Some(departure.due));
        parcel.due = (!departure.hung).then_some(departure.due);
    }

    /// What to do now.
    pub(crate) fn next(&self, now: Instant) -> Next<'_> {
        match self.queue.front() {
            Some(parcel) if parcel.due.is_some_and(|due| due <= now) => match &parcel.load {
                Load::Bytes(bytes) => Next::Write(bytes),
                Load::End => Next::End,
                Load::Cut(ending) => Next::Cut(*ending),
            },
            Some(_) | None => Next::Nothing,
        }
    }

    /// When there is something to do next, if only time is missing.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.queue.front().and_then(|parcel| parcel.due)
    }

    /// So many bytes of the front were written.
    pub(crate) fn wrote(&mut self, count: usize) {
        self.waiting = self.waiting.saturating_sub(count);
        if let Some(Parcel { load: Load::Bytes(bytes), .. }) = self.queue.front_mut() {
            bytes.advance(count);
            if bytes.is_empty() {
                self.pop();
            }
        }
    }

    /// The end at the front was passed on.
    pub(crate) fn ended(&mut self) {
        self.pop();
        self.done = true;
    }

    /// The destination is gone.
    pub(crate) fn kill(&mut self) {
        self.queue.clear();
        self.waiting = 0;
        self.dead = true;
        self.done = true;
    }

    fn pop(&mut self) {
        self.queue.pop_front();
        if self.queue.is_empty() && !self.hung {
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

    fn bytes(count: usize, arrived: Instant) -> Parcel {
        Parcel::new(Load::Bytes(Bytes::from(vec![7; count])), arrived)
    }

    #[test]
    fn a_destination_that_takes_nothing_holds_back_the_source_and_not_the_memory() {
        let (now, rules) = (Instant::now(), Rules::default());
        let mut lane = Lane::new(Way::Up);
        lane.push(bytes(MAX_WAITING_BYTES - 1, now), &rules);
        assert!(lane.hungry(&rules));
        lane.push(bytes(1, now), &rules);
        assert!(!lane.hungry(&rules));
        lane.wrote(1);
        assert!(lane.hungry(&rules));
    }

    #[test]
    fn what_came_first_goes_first_and_an_end_goes_last() {
        let (now, rules) = (Instant::now(), Rules::default());
        let mut lane = Lane::new(Way::Down);
        lane.push(bytes(2, now), &rules);
        lane.push(Parcel::new(Load::End, now), &rules);
        assert_eq!(lane.next(now), Next::Write(&[7, 7]));
        lane.wrote(1);
        assert_eq!(lane.next(now), Next::Write(&[7]));
        lane.wrote(1);
        assert_eq!(lane.next(now), Next::End);
        lane.ended();
        assert!(lane.done && lane.next(now) == Next::Nothing);
    }

    fn under(toxic: Toxic) -> Arc<Rules> {
        let rules = watch::Sender::new(Arc::new(Rules::default()));
        let guard = add(&rules, Rule::new(toxic)).unwrap();
        let acting = Arc::clone(&rules.borrow());
        drop(guard);
        acting
    }

    /// When each of several parcels that came at once is due, after that moment.
    fn dues(toxic: Toxic, parcels: usize) -> Vec<Duration> {
        let (now, rules) = (Instant::now(), under(toxic));
        let mut lane = Lane::new(Way::Down);
        (0..parcels).for_each(|_| lane.push(bytes(1_000, now), &rules));
        lane.push(Parcel::new(Load::End, now), &rules);
        lane.queue.iter().map(|parcel| parcel.due.unwrap() - now).collect()
    }

    #[test]
    fn a_long_reply_is_late_once_and_not_for_each_of_its_pieces() {
        let delay = Duration::from_millis(300);
        assert_eq!(dues(Toxic::Latency(Latency { delay, jitter: Duration::ZERO }), 16), [delay; 17]);
    }

    #[test]
    fn each_piece_of_a_limited_rate_waits_for_those_before_it() {
        let seconds = dues(Toxic::Bandwidth(Bandwidth { bytes_per_second: 4_000 }), 4);
        assert_eq!(seconds, [250, 500, 750, 1_000, 1_000].map(Duration::from_millis));
    }

    #[test]
    fn a_slow_close_delays_the_end_alone() {
        let delay = Duration::from_millis(150);
        assert_eq!(dues(Toxic::SlowClose(SlowClose { delay }), 2), [Duration::ZERO, Duration::ZERO, delay]);
    }

    #[test]
    fn a_destination_that_is_gone_takes_nothing_more() {
        let (now, rules) = (Instant::now(), Rules::default());
        let mut lane = Lane::new(Way::Down);
        lane.push(bytes(2, now), &rules);
        lane.kill();
        lane.push(bytes(2, now), &rules);
        assert!(lane.next(now) == Next::Nothing && lane.hungry(&rules));
    }
}
