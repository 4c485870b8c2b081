//! What happens to bytes on their way: the rules that act on them change, drop, split or stamp them, then they wait in the lane.

use super::Link;
use crate::draw::next;
use crate::lane::{Load, Parcel, Way};
use crate::operation::{Operation, Reply};
use crate::rules::Planted;
use crate::tally::add;
use crate::toxic::{Ending, Toxic};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::time::Instant;

/// What the rules made of some bytes.
struct Made {
    bytes: Bytes,
    piece: usize,
    cut: Option<Ending>,
}

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
        let mut made = Made { bytes, piece: usize::MAX, cut: None };
        if way == Way::Down {
            self.abort(&mut made);
        }
        for planted in Arc::clone(&self.rules).planted.iter() {
            if self.acts(way, planted) {
                self.apply(way, planted, position, &mut made);
            }
        }
        self.queue(way, made, position, now);
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

    fn apply(&mut self, way: Way, planted: &Arc<Planted>, position: u64, made: &mut Made) {
        let mut touched = made.bytes.len();
        match &planted.rule.toxic {
            Toxic::Corrupt(corrupt) => {
                let random = self.random(way, "corrupt");
                let mut changed = BytesMut::from(made.bytes.as_ref());
                touched = usize::try_from(corrupt.change(&mut changed, position, random)).unwrap_or(usize::MAX);
                made.bytes = changed.freeze();
            }
            Toxic::Truncate(truncate) => {
                let passed = self.passed(planted, way);
                match truncate.room(*passed, made.bytes.len()) {
                    Some(room) => {
                        *passed += room as u64;
                        touched -= room;
                        made.bytes.truncate(room);
                        made.cut = Some(truncate.ending);
                    }
                    None => {
                        *passed += made.bytes.len() as u64;
                        return;
                    }
                }
            }
            Toxic::Blackhole(_) => {
                made.bytes.clear();
                if !self.lost_to.contains(&planted.id) {
                    self.lost_to.push(planted.id);
                }
            }
            Toxic::Slice(slice) => made.piece = made.piece.min(slice.size),
            Toxic::Bandwidth(bandwidth) => made.piece = made.piece.min(bandwidth.piece()),
            Toxic::Latency(_) | Toxic::Hang(_) => {}
            Toxic::SlowClose(_)
            | Toxic::Reset(_)
            | Toxic::Abort(_)
            | Toxic::Status(_)
            | Toxic::Delay(_)
            | Toxic::Malform(_)
            | Toxic::RedisError(_) => return,
        }
        if touched > 0 {
            self.touch(planted, Some(way), touched);
        }
    }

    /// The bytes that a truncation let pass so far.
    fn passed(&mut self, planted: &Planted, way: Way) -> &mut u64 {
        let operation =
            if planted.rule.is_conditional() { self.operation(way).map_or(0, |operation| operation.number) } else { 0 };
        let key = (planted.id, operation * 2 + way.index() as u64);
        self.passed.retain(|(rule, other, _)| *rule != key.0 || other % 2 != key.1 % 2 || *other == key.1);
        let place = self.passed.iter().position(|(rule, other, _)| (*rule, *other) == key).unwrap_or_else(|| {
            self.passed.push((key.0, key.1, 0));
            self.passed.len() - 1
        });
        &mut self.passed[place].2
    }

    fn abort(&mut self, made: &mut Made) {
        let Some(Operation { reply: Reply::Aborted(id, abort), .. }) = self.operations.front_mut() else { return };
        let Some(planted) = self.rules.planted.iter().find(|planted| planted.id == *id).cloned() else { return };
        let room = usize::try_from(abort.after_bytes).unwrap_or(usize::MAX).min(made.bytes.len());
        abort.after_bytes -= room as u64;
        if room < made.bytes.len() {
            made.bytes.truncate(room);
            made.cut = Some(abort.ending);
            self.touch(&planted, Some(Way::Down), room);
        }
    }

    fn random(&self, way: Way, purpose: &str) -> u64 {
        let identity = self.operation(way).map(|operation| operation.identity).unwrap_or_default();
        next(self.edge.draw.number(purpose, identity) ^ way.index() as u64)
    }

    fn queue(&mut self, way: Way, made: Made, position: u64, now: Instant) {
        let drawn = self.operation(way).map(|operation| operation.drawn.clone()).unwrap_or_default();
        let mut rest = made.bytes;
        let mut continues = false;
        // The pieces of one read share their random number, so that a jitter never tears them apart; the next read has another.
        let random = next(self.random(way, "time") ^ position);
        while !rest.is_empty() {
            let piece = rest.split_to(made.piece.min(rest.len()));
            let mut parcel = Parcel::new(Load::Bytes(piece), now);
            (parcel.random, parcel.continues) = (random, continues);
            parcel.drawn.clone_from(&drawn);
            self.lanes[way.index()].push(parcel, &self.rules);
            continues = true;
        }
        if let Some(ending) = made.cut {
            self.cut_after(way, ending, now);
        }
    }

    /// The end of a direction is on its way: the rules that hold it back have touched the connection.
    pub(super) fn touch_end(&mut self, way: Way) {
        for planted in Arc::clone(&self.rules).planted.iter() {
            if self.acts(way, planted) && matches!(planted.rule.toxic, Toxic::SlowClose(_) | Toxic::Hang(_)) {
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
