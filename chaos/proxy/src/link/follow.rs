//! Where messages begin and end in what passes: follows the protocol of a connection as far as it can be followed, knows each operation by
//! it, and holds a message back where a rule must decide on it.

use super::{Held, Link, MAX_HELD_BYTES};
use crate::http::frame::{Framer, Kind, Step};
use crate::http::head::Look;
use crate::lane::Way;
use crate::operation::{Operation, ReplyPlan};
use crate::redis::commands::{self, Commands};
use crate::redis::replies::{self, Replies};
use crate::tally::add;
use bytes::Bytes;
use std::time::Instant;

/// Most commands of Redis that wait for their replies; past that they are not followed. Not to read on would not do: a client may send
/// all it has before it reads.
const MAX_FOLLOWED_COMMANDS: usize = 16_384;

/// What is spoken on a connection.
pub(super) enum Speech {
    /// The client has said nothing yet.
    Nothing,
    Http([Framer; 2]),
    Redis(Commands, Replies),
    /// What cannot be followed, or not any longer.
    Unknown,
}

/// What a step along a message was.
struct Stepped {
    taken: usize,
    /// The message is over.
    ends: bool,
    /// From here on nothing can be followed.
    lost: bool,
}

impl Link {
    /// Bytes came in that go this way.
    pub(crate) fn received(&mut self, way: Way, bytes: Bytes, now: Instant) {
        self.begin(way, &bytes);
        match self.speech {
            Speech::Http(_) | Speech::Redis(..) => self.follow(way, bytes, now),
            Speech::Nothing | Speech::Unknown => {
                self.turn(way, &bytes, now);
                self.pass(way, bytes, now);
            }
        }
    }

    /// Tells whether what comes in goes out as it is and at once, so that whoever has the sockets may write it and tell by
    /// [`Link::saw`] and [`Link::left`].
    pub(crate) fn passes_straight(&self, way: Way) -> bool {
        let as_it_is = |operation: &Operation| matches!(operation.reply, ReplyPlan::Pass);
        self.rules.planted.is_empty()
            && self.lanes[way.index()].is_clear()
            && self.held[way.index()].is_none()
            && self.verdict.is_none()
            && self.operations.iter().all(as_it_is)
    }

    /// Bytes have gone straight this way.
    pub(crate) fn saw(&mut self, way: Way, bytes: &[u8], now: Instant) {
        self.begin(way, bytes);
        self.last_way = Some(way);
        self.lanes[way.index()].position += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            let Stepped { taken, ends, lost } = self.step(way, rest, now);
            if ends && way == Way::Down {
                self.finish_operation(now);
            }
            if lost {
                self.foreign(now);
            }
            rest = &rest[taken..];
        }
    }

    /// Counts what came in, and knows by the first bytes of a client what it speaks.
    fn begin(&mut self, way: Way, bytes: &[u8]) {
        let counters = &self.edge.counters;
        add(if way == Way::Up { &counters.bytes_up } else { &counters.bytes_down }, bytes.len() as u64);
        if matches!(self.speech, Speech::Nothing) && way == Way::Up {
            self.speech = if bytes.first() == Some(&b'*') {
                add(&counters.not_followed, 1);
                Speech::Redis(Commands::new(), Replies::default())
            } else {
                Speech::Http([Framer::new(Kind::Requests), Framer::new(Kind::Replies)])
            };
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
            let Stepped { taken, ends, lost } = self.step(way, &rest[passing..], now);
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
            if lost {
                self.foreign(now);
            }
        }
        self.pass(way, rest, now);
    }

    fn must_hold(&self, way: Way) -> bool {
        let between = match &self.speech {
            Speech::Http(framers) => framers[way.index()].between_messages(),
            Speech::Redis(commands, _) => way == Way::Up && commands.between(),
            Speech::Nothing | Speech::Unknown => false,
        };
        between
            && self.held[way.index()].is_none()
            && match way {
                Way::Up => self.rules.conditional,
                Way::Down => {
                    matches!(self.operations.front(), Some(Operation { reply: ReplyPlan::Rewrite { .. }, .. }))
                }
            }
    }

    /// Goes along the message as far as `input` reaches and a step goes.
    fn step(&mut self, way: Way, input: &[u8], now: Instant) -> Stepped {
        let look = self.look(way);
        match &mut self.speech {
            Speech::Http(framers) => {
                let framer = &mut framers[way.index()];
                let (taken, step) = framer.step(input, look);
                let lost = framer.why_foreign().is_some();
                Stepped { taken, ends: self.note(way, step, &input[..taken], now), lost }
            }
            Speech::Redis(..) if way == Way::Up => self.step_command(input),
            Speech::Redis(_, replies) => {
                let (taken, step) = replies.step(input);
                Stepped { taken, ends: step == replies::Step::Reply, lost: matches!(step, replies::Step::Foreign(_)) }
            }
            Speech::Nothing | Speech::Unknown => Stepped { taken: input.len(), ends: false, lost: false },
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

    fn step_command(&mut self, input: &[u8]) -> Stepped {
        let Speech::Redis(commands, _) = &mut self.speech else {
            return Stepped { taken: input.len(), ends: false, lost: false };
        };
        if commands.between() {
            self.last_operation += 1;
            add(&self.edge.counters.operations, 1);
            self.operations.push_back(Operation::command(self.last_operation));
        }
        let (taken, step) = commands.step(input);
        match step {
            commands::Step::Part => Stepped { taken, ends: false, lost: false },
            commands::Step::Command(name) => {
                let last = self.last_operation;
                if let Some(operation) = self.operations.back_mut().filter(|operation| operation.number == last) {
                    operation.method = name;
                }
                Stepped { taken, ends: true, lost: self.operations.len() > MAX_FOLLOWED_COMMANDS }
            }
            commands::Step::Foreign(_) => Stepped { taken, ends: false, lost: true },
        }
    }

    /// Notes what a step along HTTP was; tells whether a message ended with it.
    fn note(&mut self, way: Way, step: Step, bytes: &[u8], now: Instant) -> bool {
        match (way, step) {
            (_, Step::Between | Step::Foreign) => false,
            (Way::Up, Step::Head { head, ends }) => {
                self.last_operation += 1;
                add(&self.edge.counters.operations, 1);
                let keep = self.edge.tap.listening();
                self.operations.push_back(Operation::request(self.last_operation, head, keep, now));
                ends
            }
            (Way::Down, Step::Head { head, ends }) => {
                if let Some(operation) = self.operations.front_mut() {
                    operation.reply_head(head);
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
        if matches!(self.speech, Speech::Http(_)) {
            add(&self.edge.counters.not_followed, 1);
        }
        self.speech = Speech::Unknown;
        self.close(now);
        for way in [Way::Up, Way::Down] {
            self.release(way, now);
        }
    }
}
