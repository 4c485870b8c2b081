//! One connection as data: bytes and ends come in, what to write and when comes out. Follows the operations, holds a request back where a
//! rule must decide on it, and does to the bytes what the rules say. Pure but for the counters: it is told the time, and reaches no socket.

mod decide;
mod pass;

use crate::draw::Draw;
use crate::http::frame::{Framer, Kind, Step};
use crate::http::head::Look;
use crate::lane::{Lane, Load, Next, Parcel, Way};
use crate::operation::{Operation, Reply};
use crate::rules::Rules;
use crate::tally::{Counters, add};
use crate::tap::Tap;
use crate::toxic::Ending;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Most requests on a connection that wait for their replies; more are not read.
const MAX_WAITING_OPERATIONS: usize = 128;
/// Longest message that is held back for a rule, in bytes; a longer one passes undecided.
pub(crate) const MAX_HELD_BYTES: usize = 4 << 20;

/// What all connections of an edge share.
pub(crate) struct Edge {
    pub(crate) draw: Draw,
    pub(crate) tap: Tap,
    pub(crate) counters: Counters,
}

/// A message that is held back.
#[derive(Debug, Default)]
struct Held {
    raw: BytesMut,
    content: BytesMut,
}

/// See the head of this file.
pub(crate) struct Link {
    edge: Arc<Edge>,
    number: u64,
    rules: Arc<Rules>,
    lanes: [Lane; 2],
    framers: [Framer; 2],
    held: [Option<Held>; 2],
    /// Requests without a whole reply, oldest first; of other protocols the present turn alone.
    operations: VecDeque<Operation>,
    last_operation: u64,
    last_way: Option<Way>,
    /// Rules that have touched the connection.
    touched: Vec<u64>,
    /// Bytes that a truncation let pass: rule, operation (0: any), count.
    passed: Vec<(u64, u64, u64)>,
    /// Blackholes that took bytes.
    lost_to: Vec<u64>,
    verdict: Option<Ending>,
    counted_foreign: bool,
}

impl Link {
    pub(crate) fn new(edge: Arc<Edge>, number: u64, rules: Arc<Rules>) -> Self {
        let mut link = Self {
            edge,
            number,
            rules,
            lanes: [Lane::new(Way::Up), Lane::new(Way::Down)],
            framers: [Framer::new(Kind::Requests), Framer::new(Kind::Replies)],
            held: [None, None],
            operations: VecDeque::new(),
            last_operation: 0,
            last_way: None,
            touched: Vec::new(),
            passed: Vec::new(),
            lost_to: Vec::new(),
            verdict: None,
            counted_foreign: false,
        };
        link.reset_if_told();
        link
    }

    /// How the connection must end now, if it must.
    pub(crate) fn verdict(&self) -> Option<Ending> {
        let finished = self.lanes.iter().all(|lane| lane.done);
        self.verdict.or_else(|| finished.then_some(self.ending_of_the_finished()))
    }

    fn ending_of_the_finished(&self) -> Ending {
        if self.lanes.iter().any(|lane| lane.dead) { Ending::Reset } else { Ending::Close }
    }

    /// Tells whether more may be read that goes this way.
    pub(crate) fn hungry(&self, way: Way) -> bool {
        let room = way == Way::Down || self.operations.len() < MAX_WAITING_OPERATIONS;
        room && self.lanes[way.index()].hungry(&self.rules)
    }

    /// What to write now that goes this way.
    pub(crate) fn next(&self, way: Way, now: Instant) -> Next<'_> {
        self.lanes[way.index()].next(now)
    }

    /// When something is due that waits for its time alone.
    pub(crate) fn due(&self, way: Way) -> Option<Instant> {
        self.lanes[way.index()].due()
    }

    pub(crate) fn wrote(&mut self, way: Way, count: usize) {
        self.lanes[way.index()].wrote(count);
    }

    pub(crate) fn passed_end(&mut self, way: Way) {
        self.lanes[way.index()].ended();
    }

    pub(crate) fn cut(&mut self, ending: Ending) {
        self.verdict.get_or_insert(ending);
    }

    /// The destination of this way takes nothing any more.
    pub(crate) fn destination_gone(&mut self, way: Way) {
        self.lanes[way.index()].kill();
    }

    /// Bytes came in that go this way.
    pub(crate) fn received(&mut self, way: Way, bytes: Bytes, now: Instant) {
        let counters = &self.edge.counters;
        add(if way == Way::Up { &counters.bytes_up } else { &counters.bytes_down }, bytes.len() as u64);
        if self.framers[way.index()].why_foreign().is_some() {
            self.turn(way, &bytes, now);
            self.pass(way, bytes, now);
        } else {
            self.follow(way, bytes, now);
        }
    }

    /// The source of this way has ended, in order or with an error.
    pub(crate) fn source_ended(&mut self, way: Way, in_order: bool, now: Instant) {
        self.release(way, now);
        if way == Way::Down && self.framers[way.index()].end() {
            self.finish_operation(now);
        }
        let lane = &mut self.lanes[way.index()];
        lane.source_ended = true;
        let load = if in_order { Load::End } else { Load::Cut(Ending::Reset) };
        lane.push(Parcel::new(load, now), &self.rules);
        self.touch_end(way);
    }

    /// The rules have changed.
    pub(crate) fn adopt(&mut self, rules: Arc<Rules>) {
        self.rules = rules;
        if self.lost_to.iter().any(|id| !self.rules.has(*id)) {
            self.cut(Ending::Reset);
        }
        self.lanes.iter_mut().for_each(|lane| lane.reschedule(&self.rules));
        self.reset_if_told();
    }

    /// The connection is over; what was not answered is told to the tap.
    pub(crate) fn close(&mut self, now: Instant) {
        for operation in std::mem::take(&mut self.operations) {
            if let Some(exchange) = operation.exchange(self.number, false, now) {
                self.edge.tap.add(exchange);
            }
        }
    }

    /// Follows messages through `bytes` and passes them on in as few pieces as can be.
    fn follow(&mut self, way: Way, bytes: Bytes, now: Instant) {
        let mut rest = bytes;
        let mut passing = 0;
        while passing < rest.len() {
            if self.must_hold(way) {
                self.pass(way, rest.split_to(passing), now);
                passing = 0;
                self.held[way.index()] = Some(Held::default());
            }
            let look = self.look(way);
            let (taken, step) = self.framers[way.index()].step(&rest[passing..], look);
            let ends = self.note(way, step, &rest[passing..passing + taken], now);
            if let Some(held) = &mut self.held[way.index()] {
                held.raw.extend_from_slice(&rest.split_to(taken));
                if ends || held.raw.len() > MAX_HELD_BYTES {
                    self.message_held(way, ends, now);
                }
            } else {
                passing += taken;
                if ends && (!self.rules.planted.is_empty() || self.operations.len() > 1) {
                    self.pass(way, rest.split_to(passing), now);
                    passing = 0;
                }
            }
            if ends && way == Way::Down {
                self.finish_operation(now);
            }
            if self.verdict.is_some() {
                return;
            }
            if self.framers[way.index()].why_foreign().is_some() && !self.counted_foreign {
                self.foreign(now);
            }
        }
        self.pass(way, rest, now);
    }

    fn must_hold(&self, way: Way) -> bool {
        let index = way.index();
        self.held[index].is_none()
            && self.framers[index].between_messages()
            && match way {
                Way::Up => self.rules.conditional,
                Way::Down => matches!(self.operations.front(), Some(Operation { reply: Reply::Malformed(..), .. })),
            }
    }

    fn look(&self, way: Way) -> Look {
        let operation = (way == Way::Down).then(|| self.operations.front()).flatten();
        Look {
            to_head: operation.is_some_and(Operation::is_head),
            keep_fields: match way {
                Way::Up => self.edge.tap.listening(),
                Way::Down => operation.is_some_and(Operation::recorded) || self.held[Way::Down.index()].is_some(),
            },
        }
    }

    /// Notes what a step was; tells whether a message ended with it.
    fn note(&mut self, way: Way, step: Step, bytes: &[u8], now: Instant) -> bool {
        match (way, step) {
            (_, Step::Between | Step::Foreign) => false,
            (Way::Up, Step::Head { head, ends }) => {
                self.last_operation += 1;
                add(&self.edge.counters.operations, 1);
                let keep = self.edge.tap.listening();
                self.operations.push_back(Operation::request(self.last_operation, *head, keep, now));
                ends
            }
            (Way::Down, Step::Head { head, ends }) => {
                if let Some(operation) = self.operations.front_mut() {
                    operation.reply_head(*head);
                }
                ends
            }
            (Way::Up, Step::Content { data, ends }) => {
                let (last, keep) = (self.last_operation, self.held[way.index()].is_some());
                if let Some(operation) = self.operations.back_mut().filter(|operation| operation.number == last) {
                    operation.request_content(&bytes[bytes.len() - data..], keep);
                }
                ends
            }
            (Way::Down, Step::Content { data, ends }) => {
                let data = &bytes[bytes.len() - data..];
                if let Some(operation) = self.operations.front_mut() {
                    operation.reply_content(data);
                }
                if let Some(held) = &mut self.held[way.index()] {
                    held.content.extend_from_slice(data);
                }
                ends
            }
            (_, Step::End) => true,
        }
    }

    /// From here on neither direction is followed.
    fn foreign(&mut self, now: Instant) {
        let why = self.framers.iter().find_map(Framer::why_foreign).unwrap_or("the other direction is not followed");
        self.framers.iter_mut().for_each(|framer| framer.give_up(why));
        self.counted_foreign = true;
        add(&self.edge.counters.not_followed, 1);
        self.close(now);
        for way in [Way::Up, Way::Down] {
            self.release(way, now);
        }
    }

    /// What was held back passes as it is.
    fn release(&mut self, way: Way, now: Instant) {
        if let Some(held) = self.held[way.index()].take() {
            self.pass(way, held.raw.freeze(), now);
        }
    }

    /// The reply of the oldest operation is over.
    fn finish_operation(&mut self, now: Instant) {
        if let Some(operation) = self.operations.pop_front()
            && let Some(exchange) = operation.exchange(self.number, true, now)
        {
            self.edge.tap.add(exchange);
        }
        self.answer(now);
    }
}

#[cfg(test)]
mod tests;
