//! Applies the rules to bytes: a rule can change, drop or split them, or end the connection. The remaining bytes are queued.

use super::{Link, PassedBytes};
use crate::direction_queue::{Direction, EntryContent, QueueEntry};
use crate::draw::next;
use crate::operation::{Operation, ReplyPlan};
use crate::rules::ActiveRule;
use crate::tally::add;
use crate::toxic::effect::{BytesInTransit, StreamPosition};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

impl Link {
    /// Passes bytes of the current operation of this direction.
    pub(super) fn pass(&mut self, direction: Direction, bytes: Bytes, now: Instant) {
        let queue = &mut self.queues[direction.index()];
        if bytes.is_empty() || queue.dead {
            return;
        }
        // The position counts what arrived, also bytes that a rule drops, so that `corrupt` decides the same about a
        // byte whatever other rules do.
        let position = queue.position;
        queue.position += bytes.len() as u64;
        if self.rules.active.is_empty() {
            self.queues[direction.index()].push(QueueEntry::new(EntryContent::Bytes(bytes), now), &self.rules);
            return;
        }
        let mut in_transit = BytesInTransit::new(bytes);
        if direction == Direction::Down {
            self.cut_reply(&mut in_transit);
        }
        for active in Arc::clone(&self.rules).active.iter() {
            if self.applies(direction, active) {
                self.apply(direction, active, position, &mut in_transit);
            }
        }
        self.queue(direction, in_transit, position, now);
    }

    fn operation(&self, direction: Direction) -> Option<&Operation> {
        match direction {
            Direction::Up => self.operations.back(),
            Direction::Down => self.operations.front(),
        }
    }

    fn applies(&self, direction: Direction, active: &ActiveRule) -> bool {
        direction.applies(active, self.operation(direction).map_or(&[], |operation| operation.drawn.as_slice()))
    }

    fn apply(
        &mut self,
        direction: Direction,
        active: &Arc<ActiveRule>,
        position: u64,
        in_transit: &mut BytesInTransit,
    ) {
        let random = self.random(direction, active.rule.toxic.kind());
        let passed = self.passed(active, direction);
        let hit = active.effect().on_bytes(in_transit, StreamPosition { position, passed: *passed, random });
        *passed += in_transit.bytes.len() as u64;
        // Taken, so that the loss is not attributed to the next rule as well.
        if std::mem::take(&mut in_transit.lost) && !self.rules_that_lost_bytes.contains(&active.id) {
            self.rules_that_lost_bytes.push(active.id);
        }
        if hit > 0 {
            self.count_hit(active, Some(direction), hit);
        }
    }

    /// Returns the counter of the bytes that a rule has let pass: in the current operation if the rule is conditional, otherwise in the whole
    /// connection.
    fn passed(&mut self, active: &ActiveRule, direction: Direction) -> &mut u64 {
        let operation = if active.rule.is_conditional() {
            self.operation(direction).map_or(0, |operation| operation.number)
        } else {
            0
        };
        let place = self.passed.iter().position(|passed| passed.rule == active.id && passed.direction == direction);
        let place = place.unwrap_or_else(|| {
            self.passed.push(PassedBytes { rule: active.id, direction, operation, bytes: 0 });
            self.passed.len() - 1
        });
        let passed = &mut self.passed[place];
        if passed.operation != operation {
            (passed.operation, passed.bytes) = (operation, 0);
        }
        &mut passed.bytes
    }

    fn cut_reply(&mut self, in_transit: &mut BytesInTransit) {
        let Some(Operation { reply: ReplyPlan::Cut { rule, after_bytes, ending }, .. }) = self.operations.front_mut()
        else {
            return;
        };
        // If the rule was removed after the request, the reply passes.
        let Some(active) = self.rules.active.iter().find(|active| active.id == *rule).cloned() else { return };
        let room = usize::try_from(*after_bytes).unwrap_or(usize::MAX).min(in_transit.bytes.len());
        *after_bytes -= room as u64;
        if room < in_transit.bytes.len() {
            in_transit.cut_after(room, *ending);
            self.count_hit(&active, Some(Direction::Down), room);
        }
    }

    fn random(&self, direction: Direction, purpose: &str) -> u64 {
        let identity = self.operation(direction).map(|operation| operation.identity).unwrap_or_default();
        next(self.edge.draw.number(purpose, identity) ^ direction.index() as u64)
    }

    fn queue(&mut self, direction: Direction, in_transit: BytesInTransit, position: u64, now: Instant) {
        let drawn = self.operation(direction).map(|operation| operation.drawn.clone()).unwrap_or_default();
        let mut rest = in_transit.bytes;
        let mut continues = false;
        // The pieces of one read share a random number, so that jitter does not pull them apart. The next read has another.
        let random = next(self.random(direction, "time") ^ position);
        while !rest.is_empty() {
            let piece = rest.split_to(in_transit.max_piece.min(rest.len()));
            let mut entry = QueueEntry::new(EntryContent::Bytes(piece), now);
            (entry.random, entry.continues) = (random, continues);
            entry.drawn.clone_from(&drawn);
            self.queues[direction.index()].push(entry, &self.rules);
            continues = true;
        }
        if let Some(ending) = in_transit.cut {
            self.cut_after(direction, ending, now);
        }
    }

    /// Counts a hit of every rule that holds back the end of a direction.
    pub(super) fn count_end(&mut self, direction: Direction) {
        for active in Arc::clone(&self.rules).active.iter() {
            if self.applies(direction, active) && active.effect().holds_end() {
                self.count_hit(active, None, 0);
            }
        }
    }

    /// Counts a hit of a rule: its bytes, and each connection and operation once. These counters are the proof that a fault hit (decision
    /// 0015), so they count when the rule acts and not when the bytes leave: bytes that a hang holds back are hit.
    pub(super) fn count_hit(&mut self, active: &Arc<ActiveRule>, direction: Option<Direction>, bytes: usize) {
        let hits = &active.hits;
        add(&hits.bytes, bytes as u64);
        if !self.counted_rules.contains(&active.id) {
            self.counted_rules.push(active.id);
            add(&hits.connections, 1);
        }
        let operation = match direction {
            Some(Direction::Up) => self.operations.back_mut(),
            Some(Direction::Down) => self.operations.front_mut(),
            None => None,
        };
        if let Some(operation) = operation
            && !operation.counted_rules.contains(&active.id)
        {
            operation.counted_rules.push(active.id);
            add(&hits.operations, 1);
        }
    }
}
