//! Which rules act on an operation: drawn when its request is complete, by what it asks for and never by when it comes.

use super::{Held, Link};
use crate::lane::{Load, Parcel, Way};
use crate::operation::{Operation, ReplyPlan};
use crate::rules::Planted;
use crate::tally::add;
use crate::toxic::effect::{RequestEffect, Rewritten, UpstreamReply};
use crate::toxic::{Ending, Protocol};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

impl Link {
    /// Ends the connection if an unconditional rule ends every connection.
    pub(super) fn end_if_ruled(&mut self) {
        let ending = |planted: &Arc<Planted>| {
            let ending =
                if planted.rule.is_conditional() { None } else { planted.rule.toxic.effect().ends_connections() };
            ending.map(|ending| (Arc::clone(planted), ending))
        };
        if let Some((planted, ending)) = self.rules.planted.iter().find_map(ending) {
            self.touch(&planted, None, 0);
            self.cut(ending);
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
        let replaced = matches!(self.operations.back(), Some(Operation { reply: ReplyPlan::Answer(..), .. }));
        if replaced {
            self.answer(now);
        } else {
            self.pass(Way::Up, held.raw.freeze(), now);
        }
    }

    fn reply_held(&mut self, held: Held, now: Instant) {
        let Some((planted, rewritten)) = self.rewrite(&held.content) else {
            self.pass(Way::Down, held.raw.freeze(), now);
            return;
        };
        self.touch(&planted, Some(Way::Down), rewritten.bytes.len());
        self.pass(Way::Down, rewritten.bytes, now);
        if rewritten.ends {
            self.cut_after(Way::Down, Ending::Close, now);
        }
    }

    /// What replaces the reply of the oldest operation; `None` if its rule was removed in the meantime.
    fn rewrite(&self, content: &[u8]) -> Option<(Arc<Planted>, Rewritten)> {
        let operation = self.operations.front()?;
        let ReplyPlan::Rewrite { rule } = operation.reply else { return None };
        let planted = self.rules.planted.iter().find(|planted| planted.id == rule)?;
        let content_type = match operation.content_type.as_str() {
            "" => "application/json",
            content_type => content_type,
        };
        let reply = UpstreamReply { status: operation.status, content_type, content };
        Some((Arc::clone(planted), planted.rule.toxic.effect().rewrite(reply)?))
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
                && rule.toxic.effect().protocol().is_none_or(|protocol| operation.protocol == Some(protocol))
                && rule.toxic.effect().applies_to(method)
                && rule.only.fits(method, path, content)
                && self.edge.draw.among(rule.share, rule.toxic.kind(), operation.identity)
        };
        self.rules.planted.iter().filter(drawn).cloned().collect()
    }

    fn act_on_request(&mut self, planted: &Arc<Planted>, asked: usize) {
        let Some(operation) = self.operations.back_mut() else { return };
        let rule = planted.id;
        match planted.rule.toxic.effect().on_request(operation.is_head()) {
            RequestEffect::Nothing => return,
            RequestEffect::Hit => {}
            RequestEffect::End(ending) => self.verdict = self.verdict.or(Some(ending)),
            RequestEffect::Answer(reply, ending) => {
                operation.reply = ReplyPlan::Answer(reply, ending);
                operation.passed_on = false;
            }
            RequestEffect::CutReply { after_bytes, ending } => {
                operation.reply = ReplyPlan::Cut { rule, after_bytes, ending };
                return;
            }
            RequestEffect::RewriteReply => {
                operation.reply = ReplyPlan::Rewrite { rule };
                return;
            }
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
        while let Some(Operation { reply: ReplyPlan::Answer(reply, ending), .. }) = self.operations.front() {
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
