//! Decides which rules act on an operation. The decision is made when the request is complete, from the seed and the content of the request. It
//! never depends on the time of arrival, so that a seed selects the same operations in every run.

use super::{HeldMessage, Link};
use crate::direction_queue::{Direction, EntryContent, QueueEntry};
use crate::operation::{Operation, ReplyPlan};
use crate::rules::ActiveRule;
use crate::tally::add;
use crate::toxic::effect::{RequestEffect, Rewritten, UpstreamReply};
use crate::toxic::{Ending, Protocol};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

impl Link {
    /// Ends the connection if an unconditional rule ends every connection.
    pub(super) fn end_if_ruled(&mut self) {
        let ending = |active: &Arc<ActiveRule>| {
            let ending = if active.rule.is_conditional() { None } else { active.effect().ends_connections() };
            ending.map(|ending| (Arc::clone(active), ending))
        };
        if let Some((active, ending)) = self.rules.active.iter().find_map(ending) {
            self.count_hit(&active, None, 0);
            self.cut(ending);
        }
    }

    /// Decides about a held message, or passes it unchanged if it is too long to be held completely.
    pub(super) fn finish_held(&mut self, direction: Direction, complete: bool, now: Instant) {
        let Some(held) = self.held[direction.index()].take() else { return };
        if !complete {
            self.pass(direction, held.raw.freeze(), now);
            return;
        }
        match direction {
            Direction::Up => self.decide_held_request(held, now),
            Direction::Down => self.replace_held_reply(held, now),
        }
    }

    fn decide_held_request(&mut self, held: HeldMessage, now: Instant) {
        self.decide(&held.raw, now);
        if self.ending.is_some() {
            return;
        }
        let answered = matches!(self.operations.back(), Some(Operation { reply: ReplyPlan::Answer(..), .. }));
        if answered {
            self.answer(now);
        } else {
            self.pass(Direction::Up, held.raw.freeze(), now);
        }
    }

    fn replace_held_reply(&mut self, held: HeldMessage, now: Instant) {
        let Some((active, rewritten)) = self.rewrite(&held.content) else {
            self.pass(Direction::Down, held.raw.freeze(), now);
            return;
        };
        self.count_hit(&active, Some(Direction::Down), rewritten.bytes.len());
        self.pass(Direction::Down, rewritten.bytes, now);
        if rewritten.ends {
            self.cut_after(Direction::Down, Ending::Close, now);
        }
    }

    /// Returns the bytes that replace the reply of the oldest operation; `None` if the rule was removed in the meantime.
    fn rewrite(&self, content: &[u8]) -> Option<(Arc<ActiveRule>, Rewritten)> {
        let operation = self.operations.front()?;
        let ReplyPlan::Rewrite { rule } = operation.reply else { return None };
        let active = self.rules.active.iter().find(|active| active.id == rule)?;
        let content_type = match operation.content_type.as_str() {
            // Without a type, clients would reject the reply for that, and not for the content that the rule spoils.
            "" => "application/json",
            content_type => content_type,
        };
        let reply = UpstreamReply { status: operation.status, content_type, content };
        Some((Arc::clone(active), active.effect().rewrite(reply)?))
    }

    /// Draws the rules for the newest operation, whose request is complete, and applies them to the request.
    fn decide(&mut self, raw: &[u8], now: Instant) {
        let Some(mut operation) = self.operations.pop_back() else { return };
        // The content of a Redis command is the whole command.
        let content = if operation.protocol == Some(Protocol::Http) { &operation.content[..] } else { raw };
        let length = content.len();
        operation.identity =
            self.edge.draw.identify(&[operation.method.as_bytes(), operation.path.as_bytes(), content]);
        let drawn = self.draw(&operation, content);
        operation.drawn = drawn.iter().map(|active| active.id).collect();
        // Back in its place first, because the rules find it there to change it and to count their hits.
        self.operations.push_back(operation);
        for active in &drawn {
            self.act_on_request(active, length);
        }
        if self.ending.is_some() {
            self.mark_not_passed_on();
            self.close(now);
        }
    }

    /// Returns the conditional rules that act on an operation.
    fn draw(&self, operation: &Operation, content: &[u8]) -> Vec<Arc<ActiveRule>> {
        let (method, path) = (operation.method.as_str(), operation.path.as_str());
        let drawn = |active: &&Arc<ActiveRule>| {
            let rule = &active.rule;
            rule.is_conditional()
                && rule.toxic.effect().protocol().is_none_or(|protocol| operation.protocol == Some(protocol))
                && rule.toxic.effect().applies_to(method)
                && rule.only.matches(method, path, content)
                && self.edge.draw.selects(rule.share, rule.toxic.kind(), operation.identity)
        };
        self.rules.active.iter().filter(drawn).cloned().collect()
    }

    fn act_on_request(&mut self, active: &Arc<ActiveRule>, length: usize) {
        let Some(operation) = self.operations.back_mut() else { return };
        let rule = active.id;
        match active.effect().on_request(operation.is_head()) {
            RequestEffect::Nothing => return,
            RequestEffect::Hit => {}
            RequestEffect::End(ending) => self.ending = self.ending.or(Some(ending)),
            RequestEffect::Answer(reply, ending) => {
                operation.reply = ReplyPlan::Answer(reply, ending);
                operation.passed_on = false;
            }
            RequestEffect::CutReply { after_bytes, ending } => {
                operation.reply = ReplyPlan::Cut { rule, after_bytes, ending };
                // Not a hit yet: a reply that is shorter than `after_bytes` passes unharmed.
                return;
            }
            RequestEffect::RewriteReply => {
                operation.reply = ReplyPlan::Rewrite { rule };
                return;
            }
        }
        self.count_hit(active, Some(Direction::Up), length);
    }

    fn mark_not_passed_on(&mut self) {
        if let Some(operation) = self.operations.back_mut() {
            operation.passed_on = false;
        }
    }

    /// Sends the proxy's own replies, as long as the oldest operation has one. Replies keep the order of the requests.
    pub(super) fn answer(&mut self, now: Instant) {
        while let Some(Operation { reply: ReplyPlan::Answer(reply, ending), .. }) = self.operations.front() {
            let (reply, ending) = (reply.clone(), *ending);
            self.pass(Direction::Down, reply, now);
            if let Some(ending) = ending {
                self.cut_after(Direction::Down, ending, now);
            }
            // Recorded as incomplete, because the upstream has sent no reply.
            if let Some(operation) = self.operations.pop_front()
                && let Some(exchange) = operation.exchange(self.number, false, now)
            {
                self.edge.tap.add(exchange);
            }
        }
    }

    /// Begins an exchange (request and reply) of an unknown protocol, if these are the first bytes from the client since the upstream last sent.
    pub(super) fn begin_unparsed_operation(&mut self, direction: Direction, bytes: &Bytes, now: Instant) {
        let begins = direction == Direction::Up && self.last_direction != Some(Direction::Up);
        self.last_direction = Some(direction);
        if !begins || self.rules.active.is_empty() {
            return;
        }
        self.last_operation += 1;
        add(&self.edge.counters.operations, 1);
        let mut operation = Operation::unparsed(self.last_operation);
        let drawn = if self.rules.conditional {
            operation.identity = self.edge.draw.identify(&[bytes]);
            self.draw(&operation, bytes)
        } else {
            Vec::new()
        };
        operation.drawn = drawn.iter().map(|active| active.id).collect();
        // Without a protocol the end of the previous exchange is unknown: the new one replaces it.
        self.operations.clear();
        self.operations.push_back(operation);
        drawn.iter().for_each(|active| self.act_on_request(active, bytes.len()));
        if self.ending.is_some() {
            self.close(now);
        }
    }

    /// Ends the connection once everything that waits in this direction was sent.
    pub(super) fn cut_after(&mut self, direction: Direction, ending: Ending, now: Instant) {
        let queue = &mut self.queues[direction.index()];
        if !queue.source_ended {
            queue.source_ended = true;
            queue.push(QueueEntry::new(EntryContent::Cut(ending), now), &self.rules);
        }
    }
}
