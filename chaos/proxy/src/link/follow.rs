//! Follows the protocol of a connection: finds where messages begin and end, and the operation that they belong to. Holds a message back if a rule
//! needs the whole message to decide. Bytes that cannot be followed are forwarded too.

use super::{HeldMessage, Link, MAX_HELD_BYTES};
use crate::direction_queue::Direction;
use crate::http::frame::{Framer, HttpStep, MessageKind};
use crate::http::head::ParseOptions;
use crate::operation::{Operation, ReplyPlan};
use crate::redis::commands::{CommandStep, Commands};
use crate::redis::replies::{Replies, ReplyStep};
use crate::tally::add;
use bytes::Bytes;
use std::time::Instant;

/// Maximum number of Redis commands of a connection that wait for their replies. With more, the connection is no longer followed. To stop reading
/// instead would block a client that sends its whole pipeline before it reads a reply.
const MAX_FOLLOWED_COMMANDS: usize = 16_384;

/// The protocol of a connection, with the parsers of both directions.
pub(super) enum Follower {
    /// The client has sent nothing yet.
    Undecided,
    Http([Framer; 2]),
    Redis(Commands, Replies),
    /// The bytes cannot be followed, or no longer.
    Unfollowed,
}

/// One step through a message.
struct Progress {
    taken: usize,
    /// The message ends with this step.
    ends: bool,
    /// The connection cannot be followed from here on.
    lost: bool,
}

impl Link {
    /// Takes bytes that have arrived and must go through the link.
    pub(crate) fn received(&mut self, direction: Direction, bytes: Bytes, now: Instant) {
        self.begin(direction, &bytes);
        match self.follower {
            Follower::Http(_) | Follower::Redis(..) => self.follow(direction, bytes, now),
            Follower::Undecided | Follower::Unfollowed => {
                self.begin_unparsed_operation(direction, &bytes, now);
                self.pass(direction, bytes, now);
            }
        }
    }

    /// Returns true if arriving bytes would leave unchanged and at once. The connection may then write them itself, which saves a copy and
    /// the queue, and report them with [`Link::observe`] and [`Link::queue_unwritten`].
    pub(crate) fn is_transparent(&self, direction: Direction) -> bool {
        let passes = |operation: &Operation| matches!(operation.reply, ReplyPlan::Pass);
        self.rules.active.is_empty()
            && self.queues[direction.index()].is_clear()
            && self.held[direction.index()].is_none()
            && self.ending.is_none()
            && self.operations.iter().all(passes)
    }

    /// Follows bytes that were forwarded directly.
    pub(crate) fn observe(&mut self, direction: Direction, bytes: &[u8], now: Instant) {
        self.begin(direction, bytes);
        self.last_direction = Some(direction);
        self.queues[direction.index()].position += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            let Progress { taken, ends, lost } = self.step(direction, rest, now);
            if ends && direction == Direction::Down {
                self.finish_operation(now);
            }
            if lost {
                self.stop_following(now);
            }
            rest = &rest[taken..];
        }
    }

    /// Counts arriving bytes, and detects the protocol by the first byte from the client. Bytes are counted here, before a rule can drop or
    /// delay them, so that the tally shows what both ends sent.
    fn begin(&mut self, direction: Direction, bytes: &[u8]) {
        let counters = &self.edge.counters;
        add(if direction == Direction::Up { &counters.bytes_up } else { &counters.bytes_down }, bytes.len() as u64);
        // A Redis command is an array, which begins with `*`. Everything else is tried as HTTP.
        if matches!(self.follower, Follower::Undecided) && direction == Direction::Up {
            self.follower = if bytes.first() == Some(&b'*') {
                add(&counters.foreign, 1);
                Follower::Redis(Commands::new(), Replies::default())
            } else {
                Follower::Http([Framer::new(MessageKind::Requests), Framer::new(MessageKind::Replies)])
            };
        }
    }

    /// Follows the messages in `bytes` and passes the bytes on in as few pieces as possible. A message that must be held is not passed on.
    fn follow(&mut self, direction: Direction, bytes: Bytes, now: Instant) {
        let mut rest = bytes;
        let mut passing = 0;
        while passing < rest.len() {
            if self.must_hold(direction) {
                self.pass(direction, rest.split_to(passing), now);
                passing = 0;
                self.held[direction.index()] = Some(HeldMessage::default());
            }
            let Progress { taken, ends, lost } = self.step(direction, &rest[passing..], now);
            if let Some(held) = &mut self.held[direction.index()] {
                held.raw.extend_from_slice(&rest.split_to(taken));
                if ends || held.raw.len() > MAX_HELD_BYTES {
                    self.finish_held(direction, ends, now);
                }
            } else {
                passing += taken;
                // The piece ends here, because `pass` applies the rules of one operation to the whole piece.
                if ends && (!self.rules.active.is_empty() || self.operations.len() > 1) {
                    self.pass(direction, rest.split_to(passing), now);
                    passing = 0;
                }
            }
            // After `pass`, which applies the rules of the operation in front.
            if ends && direction == Direction::Down {
                self.finish_operation(now);
            }
            if self.ending.is_some() {
                return;
            }
            if lost {
                self.stop_following(now);
            }
        }
        self.pass(direction, rest, now);
    }

    fn must_hold(&self, direction: Direction) -> bool {
        let between = match &self.follower {
            Follower::Http(framers) => framers[direction.index()].between_messages(),
            Follower::Redis(commands, _) => direction == Direction::Up && commands.between_commands(),
            Follower::Undecided | Follower::Unfollowed => false,
        };
        between
            && self.held[direction.index()].is_none()
            && match direction {
                Direction::Up => self.rules.conditional,
                Direction::Down => {
                    matches!(self.operations.front(), Some(Operation { reply: ReplyPlan::Rewrite { .. }, .. }))
                }
            }
    }

    /// Takes one step through the message, at most to the end of `input`.
    fn step(&mut self, direction: Direction, input: &[u8], now: Instant) -> Progress {
        let options = self.parse_options(direction);
        match &mut self.follower {
            Follower::Http(framers) => {
                let framer = &mut framers[direction.index()];
                let (taken, step) = framer.step(input, options);
                let lost = framer.foreign_reason().is_some();
                Progress { taken, ends: self.record_http(direction, step, &input[..taken], now), lost }
            }
            Follower::Redis(..) if direction == Direction::Up => self.step_command(input),
            Follower::Redis(_, replies) => {
                let (taken, step) = replies.step(input);
                Progress { taken, ends: step == ReplyStep::Reply, lost: matches!(step, ReplyStep::Foreign(_)) }
            }
            Follower::Undecided | Follower::Unfollowed => Progress { taken: input.len(), ends: false, lost: false },
        }
    }

    fn parse_options(&self, direction: Direction) -> ParseOptions {
        let operation = (direction == Direction::Down).then(|| self.operations.front()).flatten();
        ParseOptions {
            to_head: operation.is_some_and(Operation::is_head),
            keep_fields: match direction {
                Direction::Up => self.edge.tap.is_recording(),
                Direction::Down => {
                    operation.is_some_and(Operation::is_recorded) || self.held[Direction::Down.index()].is_some()
                }
            },
        }
    }

    fn step_command(&mut self, input: &[u8]) -> Progress {
        let Follower::Redis(commands, _) = &mut self.follower else {
            return Progress { taken: input.len(), ends: false, lost: false };
        };
        // With its first byte, because without a conditional rule its bytes pass before it is complete.
        if commands.between_commands() {
            self.last_operation += 1;
            add(&self.edge.counters.operations, 1);
            self.operations.push_back(Operation::command(self.last_operation));
        }
        let (taken, step) = commands.step(input);
        match step {
            CommandStep::Part => Progress { taken, ends: false, lost: false },
            CommandStep::Command(name) => {
                let last = self.last_operation;
                if let Some(operation) = self.operations.back_mut().filter(|operation| operation.number == last) {
                    operation.method = name;
                }
                Progress { taken, ends: true, lost: self.operations.len() > MAX_FOLLOWED_COMMANDS }
            }
            CommandStep::Foreign(_) => Progress { taken, ends: false, lost: true },
        }
    }

    /// Records a step through HTTP. Returns true if a message ended with it.
    fn record_http(&mut self, direction: Direction, step: HttpStep, bytes: &[u8], now: Instant) -> bool {
        match (direction, step) {
            (_, HttpStep::Framing | HttpStep::Foreign) => false,
            (Direction::Up, HttpStep::Head { head, ends }) => {
                self.last_operation += 1;
                add(&self.edge.counters.operations, 1);
                let record = self.edge.tap.is_recording();
                self.operations.push_back(Operation::request(self.last_operation, head, record, now));
                ends
            }
            (Direction::Down, HttpStep::Head { head, ends }) => {
                if let Some(operation) = self.operations.front_mut() {
                    operation.reply_head(head);
                }
                ends
            }
            (Direction::Up, HttpStep::Content { data, ends }) => {
                // A reply may come before the request has ended. The operation is then no longer in the queue, and the last one there is
                // another.
                let (last, keep) = (self.last_operation, self.held[direction.index()].is_some());
                if let Some(operation) = self.operations.back_mut().filter(|operation| operation.number == last) {
                    operation.request_content(&bytes[bytes.len() - data..], keep);
                }
                ends
            }
            (Direction::Down, HttpStep::Content { data, ends }) => {
                let data = &bytes[bytes.len() - data..];
                if let Some(operation) = self.operations.front_mut() {
                    operation.reply_content(data);
                }
                if let Some(held) = &mut self.held[direction.index()] {
                    held.content.extend_from_slice(data);
                }
                ends
            }
            (_, HttpStep::End) => true,
        }
    }

    /// Stops following both directions, and passes the bytes that are held back.
    fn stop_following(&mut self, now: Instant) {
        // Redis was counted when it was recognized.
        if matches!(self.follower, Follower::Http(_)) {
            add(&self.edge.counters.foreign, 1);
        }
        self.follower = Follower::Unfollowed;
        self.close(now);
        for direction in [Direction::Up, Direction::Down] {
            self.release(direction, now);
        }
    }
}
