//! One connection as data: bytes and ends come in, what to write and when comes out. Follows the operations, holds a request back where a
//! rule must decide on it, and does to the bytes what the rules say. Pure but for the counters: it is told the time, and reaches no socket.

mod decide;
mod follow;
mod pass;

use crate::draw::Draw;
use crate::lane::{Lane, Load, Next, Parcel, Way};
use crate::operation::Operation;
use crate::rules::Rules;
use crate::tally::Counters;
use crate::tap::Tap;
use crate::toxic::Ending;
use bytes::{Bytes, BytesMut};
use follow::Speech;
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

/// The bytes that a rule let pass one way.
struct Passed {
    rule: u64,
    way: Way,
    /// The operation that the bytes belong to; 0 if the rule counts those of the whole connection.
    operation: u64,
    bytes: u64,
}

/// See the head of this file.
pub(crate) struct Link {
    edge: Arc<Edge>,
    number: u64,
    rules: Arc<Rules>,
    lanes: [Lane; 2],
    speech: Speech,
    held: [Option<Held>; 2],
    /// Requests without a whole reply, oldest first; of other protocols the present turn alone.
    operations: VecDeque<Operation>,
    last_operation: u64,
    last_way: Option<Way>,
    /// Rules that have touched the connection.
    touched: Vec<u64>,
    passed: Vec<Passed>,
    /// Rules that took bytes out of the stream.
    lost_to: Vec<u64>,
    verdict: Option<Ending>,
}

impl Link {
    pub(crate) fn new(edge: Arc<Edge>, number: u64, rules: Arc<Rules>) -> Self {
        let mut link = Self {
            edge,
            number,
            rules,
            lanes: [Lane::new(Way::Up), Lane::new(Way::Down)],
            speech: Speech::Nothing,
            held: [None, None],
            operations: VecDeque::new(),
            last_operation: 0,
            last_way: None,
            touched: Vec::new(),
            passed: Vec::new(),
            lost_to: Vec::new(),
            verdict: None,
        };
        link.end_if_ruled();
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
        let few = match self.speech {
            Speech::Http(_) => self.operations.len() < MAX_WAITING_OPERATIONS,
            Speech::Nothing | Speech::Redis(..) | Speech::Unknown => true,
        };
        (few || way == Way::Down) && self.lanes[way.index()].hungry(&self.rules)
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

    /// Bytes could not be written that were to go straight; they wait.
    pub(crate) fn left(&mut self, way: Way, bytes: Bytes, now: Instant) {
        self.lanes[way.index()].push(Parcel::new(Load::Bytes(bytes), now), &self.rules);
    }

    /// The source of this way has ended, in order or with an error.
    pub(crate) fn source_ended(&mut self, way: Way, in_order: bool, now: Instant) {
        self.release(way, now);
        if let (Way::Down, Speech::Http([_, replies])) = (way, &self.speech)
            && replies.end()
        {
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
        self.passed.retain(|passed| self.rules.has(passed.rule));
        if self.lost_to.iter().any(|id| !self.rules.has(*id)) {
            self.cut(Ending::Reset);
        }
        self.lanes.iter_mut().for_each(|lane| lane.reschedule(&self.rules));
        self.end_if_ruled();
    }

    /// The connection is over; what was not answered is told to the tap.
    pub(crate) fn close(&mut self, now: Instant) {
        for operation in std::mem::take(&mut self.operations) {
            if let Some(exchange) = operation.exchange(self.number, false, now) {
                self.edge.tap.add(exchange);
            }
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
