//! What happens to bytes on their way: the rules that act on them change, drop, split or stamp them, then they wait in the lane.

use super::{Link, Passed};
use crate::draw::next;
use crate::lane::{Load, Parcel, Way};
use crate::operation::{Operation, ReplyPlan};
use crate::rules::Planted;
use crate::tally::add;
use crate::toxic::effect::{Passage, Place};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

impl Link {
    /// Passes bytes of the operation whose turn it is on this way.
    pub(super) fn pass(&mut self, way: Way, bytes: Bytes, now: Instant) {
        let lane = &mut self.lanes[way.index()];
        if bytes.is_empty() || lane.dead {
            return;
        }
        let position = lane.position;
        lane.position += bytes.len() as u64;
        if self.rules.planted.is_empty() {
            self.lanes[way.index()].push(Parcel::new(Load::Bytes(bytes), now), &self.rules);
            return;
        }
        let mut passage = Passage::new(bytes);
        if way == Way::Down {
            self.cut_reply(&mut passage);
        }
        for planted in Arc::clone(&self.rules).planted.iter() {
            if self.acts(way, planted) {
                self.apply(way, planted, position, &mut passage);
            }
        }
        self.queue(way, passage, position, now);
    }

    fn operation(&self, way: Way) -> Option<&Operation> {
        match way {
            Way::Up => self.operations.back(),
            Way::Down => self.operations.front(),
        }
    }

    fn acts(&self, way: Way, planted: &Planted) -> bool {
        way.acts(planted, self.operation(way).map_or(&[], |operation| operation.drawn.as_slice()))
    }

    fn apply(&mut self, way: Way, planted: &Arc<Planted>, position: u64, passage: &mut Passage) {
        let random = self.random(way, planted.rule.toxic.kind());
        let passed = self.passed(planted, way);
        let hit = planted.rule.toxic.effect().on_bytes(passage, Place { position, passed: *passed, random });
        *passed += passage.bytes.len() as u64;
        if std::mem::take(&mut passage.lost) && !self.lost_to.contains(&planted.id) {
            self.lost_to.push(planted.id);
        }
        if hit > 0 {
            self.touch(planted, Some(way), hit);
        }
    }

    /// The number of bytes that a rule let pass this way: of the present operation if the rule is conditional, otherwise of the connection.
    fn passed(&mut self, planted: &Planted, way: Way) -> &mut u64 {
        let operation =
            if planted.rule.is_conditional() { self.operation(way).map_or(0, |operation| operation.number) } else { 0 };
        let place = self.passed.iter().position(|passed| passed.rule == planted.id && passed.way == way);
        let place = place.unwrap_or_else(|| {
            self.passed.push(Passed { rule: planted.id, way, operation, bytes: 0 });
            self.passed.len() - 1
        });
        let passed = &mut self.passed[place];
        if passed.operation != operation {
            (passed.operation, passed.bytes) = (operation, 0);
        }
        &mut passed.bytes
    }

    fn cut_reply(&mut self, passage: &mut Passage) {
        let Some(Operation { reply: ReplyPlan::Cut { rule, after_bytes, ending }, .. }) = self.operations.front_mut()
        else {
            return;
        };
        let Some(planted) = self.rules.planted.iter().find(|planted| planted.id == *rule).cloned() else { return };
        let room = usize::try_from(*after_bytes).unwrap_or(usize::MAX).min(passage.bytes.len());
        *after_bytes -= room as u64;
        if room < passage.bytes.len() {
            passage.cut_after(room, *ending);
            self.touch(&planted, Some(Way::Down), room);
        }
    }

    fn random(&self, way: Way, purpose: &str) -> u64 {
        let identity = self.operation(way).map(|operation| operation.identity).unwrap_or_default();
        next(self.edge.draw.number(purpose, identity) ^ way.index() as u64)
    }

    fn queue(&mut self, way: Way, passage: Passage, position: u64, now: Instant) {
        let drawn = self.operation(way).map(|operation| operation.drawn.clone()).unwrap_or_default();
        let mut rest = passage.bytes;
        let mut continues = false;
        // The pieces of one read share their random number, so that a jitter never tears them apart; the next read has another.
        let random = next(self.random(way, "time") ^ position);
        while !rest.is_empty() {
            let piece = rest.split_to(passage.max_piece.min(rest.len()));
            let mut parcel = Parcel::new(Load::Bytes(piece), now);
            (parcel.random, parcel.continues) = (random, continues);
            parcel.drawn.clone_from(&drawn);
            self.lanes[way.index()].push(parcel, &self.rules);
            continues = true;
        }
        if let Some(ending) = passage.cut {
            self.cut_after(way, ending, now);
        }
    }

    /// The end of a direction is on its way: the rules that hold it back have touched the connection.
    pub(super) fn touch_end(&mut self, way: Way) {
        for planted in Arc::clone(&self.rules).planted.iter() {
            if self.acts(way, planted) && planted.rule.toxic.effect().holds_end() {
                self.touch(planted, None, 0);
            }
        }
    }

    /// Counts what a rule did.
    pub(super) fn touch(&mut self, planted: &Arc<Planted>, way: Option<Way>, bytes: usize) {
        let hits = &planted.hits;
        add(&hits.bytes, bytes as u64);
        if !self.touched.contains(&planted.id) {
            self.touched.push(planted.id);
            add(&hits.connections, 1);
        }
        let operation = match way {
            Some(Way::Up) => self.operations.back_mut(),
            Some(Way::Down) => self.operations.front_mut(),
            None => None,
        };
        if let Some(operation) = operation
            && !operation.touched.contains(&planted.id)
        {
            operation.touched.push(planted.id);
            add(&hits.operations, 1);
        }
    }
}
