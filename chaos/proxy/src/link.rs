//! One connection without its sockets: the link receives the bytes and the ends of both sides, and returns which bytes to write and when. It
//! follows the operations, holds a request back if a rule needs the whole request to decide, and applies the rules to the bytes. It is pure
//! except for the counters and the tap: the time is a parameter.

mod decide;
mod follow;
mod pass;

use crate::direction_queue::{Direction, DirectionQueue, EntryContent, Next, QueueEntry};
use crate::draw::EdgeRandom;
use crate::operation::Operation;
use crate::rules::Rules;
use crate::tally::Counters;
use crate::tap::Tap;
use crate::toxic::Ending;
use bytes::{Bytes, BytesMut};
use follow::Follower;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Maximum number of HTTP requests of a connection that wait for their replies. Then the client is not read until a reply arrives.
const MAX_WAITING_OPERATIONS: usize = 128;
/// Maximum size of a message that is held back for a rule. A longer one passes without the rule, so that memory stays bounded.
pub(crate) const MAX_HELD_BYTES: usize = 4 << 20;

/// State that all connections of an edge share.
pub(crate) struct Edge {
    pub(crate) draw: EdgeRandom,
    pub(crate) tap: Tap,
    pub(crate) counters: Counters,
}

/// A message that is held back, from its first byte.
#[derive(Debug, Default)]
struct HeldMessage {
    raw: BytesMut,
    content: BytesMut,
}

/// The number of bytes that a rule has let pass in one direction.
struct PassedBytes {
    rule: u64,
    direction: Direction,
    /// The operation whose bytes are counted; 0 if the bytes of the whole connection are.
    operation: u64,
    bytes: u64,
}

pub(crate) struct Link {
    edge: Arc<Edge>,
    number: u64,
    rules: Arc<Rules>,
    queues: [DirectionQueue; 2],
    follower: Follower,
    held: [Option<HeldMessage>; 2],
    /// Operations without a complete reply, oldest first. For unknown protocols only the current exchange.
    operations: VecDeque<Operation>,
    last_operation: u64,
    last_direction: Option<Direction>,
    /// Rules that have already counted the connection as hit.
    counted_rules: Vec<u64>,
    passed: Vec<PassedBytes>,
    /// Rules that took bytes out of the stream.
    rules_that_lost_bytes: Vec<u64>,
    ending: Option<Ending>,
}

impl Link {
    pub(crate) fn new(edge: Arc<Edge>, number: u64, rules: Arc<Rules>) -> Self {
        let mut link = Self {
            edge,
            number,
            rules,
            queues: [DirectionQueue::new(Direction::Up), DirectionQueue::new(Direction::Down)],
            follower: Follower::Undecided,
            held: [None, None],
            operations: VecDeque::new(),
            last_operation: 0,
            last_direction: None,
            counted_rules: Vec::new(),
            passed: Vec::new(),
            rules_that_lost_bytes: Vec::new(),
            ending: None,
        };
        link.end_if_ruled();
        link
    }

    /// Returns how the connection must end now; `None` if it stays open.
    pub(crate) fn ending(&self) -> Option<Ending> {
        let finished = self.queues.iter().all(|queue| queue.done);
        self.ending.or_else(|| finished.then_some(self.ending_of_finished_queues()))
    }

    fn ending_of_finished_queues(&self) -> Ending {
        // Bytes for a closed destination were discarded, and only RST reports that to their sender.
        if self.queues.iter().any(|queue| queue.dead) { Ending::Reset } else { Ending::Close }
    }

    /// Returns true if the source of this direction may be read.
    pub(crate) fn wants_input(&self, direction: Direction) -> bool {
        let has_room = match self.follower {
            Follower::Http(_) => self.operations.len() < MAX_WAITING_OPERATIONS,
            Follower::Undecided | Follower::Redis(..) | Follower::Unfollowed => true,
        };
        // The upstream is always read, because only a reply can make room.
        (has_room || direction == Direction::Down) && self.queues[direction.index()].wants_input(&self.rules)
    }

    pub(crate) fn next(&self, direction: Direction, now: Instant) -> Next<'_> {
        self.queues[direction.index()].next(now)
    }

    pub(crate) fn due(&self, direction: Direction) -> Option<Instant> {
        self.queues[direction.index()].due()
    }

    pub(crate) fn wrote(&mut self, direction: Direction, count: usize) {
        self.queues[direction.index()].wrote(count);
    }

    pub(crate) fn passed_end(&mut self, direction: Direction) {
        self.queues[direction.index()].sent_end();
    }

    pub(crate) fn cut(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    pub(crate) fn destination_closed(&mut self, direction: Direction) {
        self.queues[direction.index()].kill();
    }

    /// Queues the rest of bytes that were forwarded directly, because the destination did not accept all of them.
    pub(crate) fn queue_unwritten(&mut self, direction: Direction, bytes: Bytes, now: Instant) {
        self.queues[direction.index()].push(QueueEntry::new(EntryContent::Bytes(bytes), now), &self.rules);
    }

    /// Takes the end of a source: in order (FIN) or with an error, which resets the connection.
    pub(crate) fn source_ended(&mut self, direction: Direction, in_order: bool, now: Instant) {
        let ends_reply = match &self.follower {
            Follower::Http([_, replies]) => direction == Direction::Down && replies.ends_with_connection(),
            Follower::Undecided | Follower::Redis(..) | Follower::Unfollowed => false,
        };
        if ends_reply && in_order {
            // Such a reply has no length: its end is that of the connection, so a held one is complete now.
            self.finish_held(direction, true, now);
        } else {
            // The rest of a held message will never come, so the message passes without the rule.
            self.release(direction, now);
        }
        if ends_reply {
            self.finish_operation(now);
        }
        let queue = &mut self.queues[direction.index()];
        queue.source_ended = true;
        // The end is queued behind the bytes, so that a delay or a hang holds it back as well.
        let content = if in_order { EntryContent::End } else { EntryContent::Cut(Ending::Reset) };
        queue.push(QueueEntry::new(content, now), &self.rules);
        self.count_end(direction);
    }

    /// Applies changed rules, also to the bytes that are already waiting.
    pub(crate) fn set_rules(&mut self, rules: Arc<Rules>) {
        self.rules = rules;
        self.passed.retain(|passed| self.rules.has(passed.rule));
        // The bytes that the removed rule took are missing, so the rest of the stream would be wrong.
        if self.rules_that_lost_bytes.iter().any(|id| !self.rules.has(*id)) {
            self.cut(Ending::Reset);
        }
        self.queues.iter_mut().for_each(|queue| queue.reschedule(&self.rules));
        self.end_if_ruled();
    }

    /// Records the operations without a complete reply in the tap, because the connection is over.
    pub(crate) fn close(&mut self, now: Instant) {
        for operation in std::mem::take(&mut self.operations) {
            if let Some(exchange) = operation.exchange(self.number, false, now) {
                self.edge.tap.add(exchange);
            }
        }
    }

    /// Passes a held message unchanged.
    fn release(&mut self, direction: Direction, now: Instant) {
        if let Some(held) = self.held[direction.index()].take() {
            self.pass(direction, held.raw.freeze(), now);
        }
    }

    /// Ends the oldest operation, whose reply is complete, and records it in the tap.
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
