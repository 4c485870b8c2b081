//! Which rules act on an operation: drawn when its request is complete, by what it asks for and never by when it comes.

use super::{Held, Link};
use crate::lane::{Load, Parcel, Way};
use crate::operation::{Operation, Reply};
use crate::rules::Planted;
use crate::tally::add;
use crate::toxic::{Ending, Moment, Protocol, Toxic};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

impl Link {
    /// A connection on which a reset stands ends at once.
    pub(super) fn reset_if_told(&mut self) {
        let told = self
            .rules
            .planted
            .iter()
            .find(|planted| matches!(planted.rule.toxic, Toxic::Reset(_)) && !planted.rule.is_conditional());
        if let Some(planted) = told.cloned() {
            self.touch(&planted, None, 0);
            self.cut(Ending::Reset);
        }
    }

    /// A message that was held back is complete, or cannot be held any longer.
    pub(super) fn message_held(&mut self, way: Way, complete: bool, now: Instant) {
        let Some(held) = self.held[way.index()].take() else { return };
        if !complete {
            self.pass(way, held.raw.freeze(), now);
            return;
        }
        match way {
            Way::Up => self.request_held(held, now),
            Way::Down => self.reply_held(held, now),
        }
    }

    fn request_held(&mut self, held: Held, now: Instant) {
        self.decide(&held.raw, now);
        if self.verdict.is_some() {
            return;
        }
        let replaced = matches!(self.operations.back(), Some(Operation { reply: Reply::Replaced(..), .. }));
        if replaced {
            self.answer(now);
        } else {
            self.pass(Way::Up, held.raw.freeze(), now);
        }
    }

    fn reply_held(&mut self, held: Held, now: Instant) {
        let Some(Operation { reply: Reply::Malformed(id, malform), status, content_type, .. }) =
            self.operations.front()
        else {
            self.pass(Way::Down, held.raw.freeze(), now);
            return;
        };
        let Some(planted) = self.rules.planted.iter().find(|planted| planted.id == *id).cloned() else {
            self.pass(Way::Down, held.raw.freeze(), now);
            return;
        };
        let media = if content_type.is_empty() { "application/json" } else { content_type.as_str() };
        let (reply, ends) = (malform.reply(*status, media, &held.content), malform.ends());
        self.touch(&planted, Some(Way::Down), reply.len());
        self.pass(Way::Down, reply, now);
        if ends {
            self.cut_after(Way::Down, Ending::Close, now);
        }
    }

    /// The last operation's request is complete: draws its rules and does what they say about the request.
    fn decide(&mut self, raw: &[u8], now: Instant) {
        let Some(mut operation) = self.operations.pop_back() else { return };
        // What a command of Redis asks for is all of it.
        let content = if operation.protocol == Some(Protocol::Http) { &operation.content[..] } else { raw };
        let asked = content.len();
        operation.identity =
            self.edge.draw.identify(&[operation.method.as_bytes(), operation.path.as_bytes(), content]);
        let drawn = self.draw(&operation, content);
        operation.drawn = drawn.iter().map(|planted| planted.id).collect();
        self.operations.push_back(operation);
        for planted in &drawn {
            self.act_on_request(planted, asked);
        }
        if self.verdict.is_some() {
            self.mark_not_passed_on();
            self.close(now);
        }
    }

    /// The conditional rules that act on an operation.
    fn draw(&self, operation: &Operation, content: &[u8]) -> Vec<Arc<Planted>> {
        let (method, path) = (operation.method.as_str(), operation.path.as_str());
        let drawn = |planted: &&Arc<Planted>| {
            let rule = &planted.rule;
            rule.is_conditional()
                && rule.toxic.protocol().is_none_or(|protocol| operation.protocol == Some(protocol))
                && !matches!(&rule.toxic, Toxic::RedisError(error) if !error.answers(method))
                && rule.only.fits(method, path, content)
                && self.edge.draw.among(rule.share, rule.toxic.kind(), operation.identity)
        };
        self.rules.planted.iter().filter(drawn).cloned().collect()
    }

    fn act_on_request(&mut self, planted: &Arc<Planted>, asked: usize) {
        let Some(operation) = self.operations.back_mut() else { return };
        match &planted.rule.toxic {
            Toxic::Reset(_) => self.verdict = self.verdict.or(Some(Ending::Reset)),
            Toxic::Abort(abort) => match abort.moment {
                Moment::Request => self.verdict = self.verdict.or(Some(abort.ending)),
                Moment::Reply => {
                    operation.reply = Reply::Aborted(planted.id, abort.clone());
                    return;
                }
            },
            Toxic::Status(status) => {
                operation.reply = Reply::Replaced(status.reply(operation.is_head()), None);
                operation.passed_on = false;
            }
            Toxic::RedisError(error) => {
                operation.reply = Reply::Replaced(error.reply(), error.ends().then_some(Ending::Close));
                operation.passed_on = false;
            }
            Toxic::Delay(_) => {}
            Toxic::Malform(malform) => {
                operation.reply = Reply::Malformed(planted.id, malform.clone());
                return;
            }
            Toxic::Latency(_)
            | Toxic::Bandwidth(_)
            | Toxic::Hang(_)
            | Toxic::Blackhole(_)
            | Toxic::SlowClose(_)
            | Toxic::Slice(_)
            | Toxic::Truncate(_)
            | Toxic::Corrupt(_) => return,
        }
        self.touch(planted, Some(Way::Up), asked);
    }

    fn mark_not_passed_on(&mut self) {
        if let Some(operation) = self.operations.back_mut() {
            operation.passed_on = false;
        }
    }

    /// Sends the replies of the proxy itself whose turn has come.
    pub(super) fn answer(&mut self, now: Instant) {
        while let Some(Operation { reply: Reply::Replaced(reply, ending), .. }) = self.operations.front() {
            let (reply, ending) = (reply.clone(), *ending);
            self.pass(Way::Down, reply, now);
            if let Some(ending) = ending {
                self.cut_after(Way::Down, ending, now);
            }
            if let Some(operation) = self.operations.pop_front()
                && let Some(exchange) = operation.exchange(self.number, false, now)
            {
                self.edge.tap.add(exchange);
            }
        }
    }

    /// A turn of another protocol begins where a client speaks after the upstream did.
    pub(super) fn turn(&mut self, way: Way, bytes: &Bytes, now: Instant) {
        let begins = way == Way::Up && self.last_way != Some(Way::Up);
        self.last_way = Some(way);
        if !begins || self.rules.planted.is_empty() {
            return;
        }
        self.last_operation += 1;
        add(&self.edge.counters.operations, 1);
        let mut operation = Operation::turn(self.last_operation);
        let drawn = if self.rules.conditional {
            operation.identity = self.edge.draw.identify(&[bytes]);
            self.draw(&operation, bytes)
        } else {
            Vec::new()
        };
        operation.drawn = drawn.iter().map(|planted| planted.id).collect();
        self.operations.clear();
        self.operations.push_back(operation);
        drawn.iter().for_each(|planted| self.act_on_request(planted, bytes.len()));
        if self.verdict.is_some() {
            self.close(now);
        }
    }

    /// The connection ends after what waits on this way.
    pub(super) fn cut_after(&mut self, way: Way, ending: Ending, now: Instant) {
        let lane = &mut self.lanes[way.index()];
        if !lane.source_ended {
            lane.source_ended = true;
            lane.push(Parcel::new(Load::Cut(ending), now), &self.rules);
        }
    }
}
