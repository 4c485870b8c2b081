//! A whole history, with the indices that the checks share.

use crate::experiment::{Experiment, Span};
use crate::op::{Effect, ErrorKind, Op, Outcome, Phase, RecordState, Visibility};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Every operation of a run, in the order of `history.jsonl`.
#[derive(Debug, Default)]
pub struct History {
    ops: Vec<Op>,
    keys: HashMap<Arc<str>, Changes>,
    digests: HashMap<u64, Vec<u32>>,
    experiment: Option<Experiment>,
}

/// What was done to one record, as positions in the history.
#[derive(Debug, Default)]
pub struct Changes {
    /// Writes whose key is known, in the order in which they were over.
    pub writes: Vec<u32>,
    /// Deletions that were acknowledged, or may have happened.
    pub deletes: Vec<u32>,
    /// Updates that made the record readable for its whole workspace, or may have.
    pub shares: Vec<u32>,
}

/// One record as somebody saw it.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// Position of the read.
    pub at: u32,
    /// The read.
    pub op: &'a Op,
    /// Id of the record.
    pub key: &'a Arc<str>,
    /// Its content.
    pub value: &'a RecordState,
}

impl FromIterator<Op> for History {
    fn from_iter<T: IntoIterator<Item = Op>>(ops: T) -> Self {
        let mut history = Self { ops: ops.into_iter().collect(), ..Self::default() };
        for (at, op) in history.ops.iter().enumerate() {
            let at = at as u32;
            if matches!(op.outcome, Outcome::Failed(_)) {
                continue;
            }
            for (key, digest, _) in op.effect.contents() {
                if let Some(key) = key {
                    history.keys.entry(Arc::clone(key)).or_default().writes.push(at);
                }
                history.digests.entry(digest).or_default().push(at);
            }
            let deleted = match &op.effect {
                Effect::Delete { key } => std::slice::from_ref(key),
                Effect::Deletes { keys } => keys,
                _ => &[],
            };
            for key in deleted {
                history.keys.entry(Arc::clone(key)).or_default().deletes.push(at);
            }
            if let Effect::Update { key, value, .. } = &op.effect
                && value.visibility == Some(Visibility::Workspace)
            {
                history.keys.entry(Arc::clone(key)).or_default().shares.push(at);
            }
        }
        for changes in history.keys.values_mut() {
            changes.writes.sort_by_key(|at| history.ops[*at as usize].complete_us);
        }
        history
    }
}

impl History {
    /// The same history as that of an experiment.
    #[must_use]
    pub fn with_experiment(self, experiment: Experiment) -> Self {
        Self { experiment: Some(experiment), ..self }
    }

    /// What happened beside the calls; `None` where the run was no experiment.
    pub const fn experiment(&self) -> Option<&Experiment> {
        self.experiment.as_ref()
    }

    /// Every operation.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The operation at a position.
    pub fn op(&self, at: u32) -> &Op {
        &self.ops[at as usize]
    }

    /// Operations of the measured phase.
    pub fn measured(&self) -> impl Iterator<Item = &Op> {
        self.ops.iter().filter(|op| op.phase == Phase::Measured)
    }

    /// Calls of the measured phase with their positions; what the harness did to the stack is none.
    pub fn calls(&self) -> impl Iterator<Item = (u32, &Op)> {
        let is_call = |op: &Op| op.phase == Phase::Measured && !matches!(op.effect, Effect::Outage { .. });
        self.numbered().filter(move |(_, op)| is_call(op))
    }

    /// Those that were sent within a span.
    pub fn calls_in(&self, span: Span) -> impl Iterator<Item = (u32, &Op)> {
        self.calls().filter(move |(_, op)| span.holds(op.invoke_us))
    }

    /// Arrivals of organisations that have not used up their limit: what the others are refused is no measure of what the stack can bear, and
    /// calls that follow from an arrival come as often as the mix happens to draw them. Where no call was planned, every one is an arrival.
    pub fn load_in(&self, span: Span) -> impl Iterator<Item = (u32, &Op)> {
        let (used_up, scheduled) = (self.used_up(), self.calls().any(|(_, op)| op.planned_us.is_some()));
        let arrived = move |op: &Op| !scheduled || op.planned_us.is_some();
        self.calls_in(span).filter(move |(_, op)| arrived(op) && !used_up.contains(&*op.tenant))
    }

    /// Organisations whose last call was refused by quota.
    fn used_up(&self) -> HashSet<&str> {
        let mut last: HashMap<&str, &Op> = HashMap::new();
        for (_, op) in self.calls() {
            let known = last.entry(&op.tenant).or_insert(op);
            if op.invoke_us >= known.invoke_us {
                *known = op;
            }
        }
        let refused = |op: &Op| op.outcome.error() == Some(&ErrorKind::Quota);
        last.into_iter().filter(|(_, op)| refused(op)).map(|(tenant, _)| tenant).collect()
    }

    /// What was done to each record.
    pub fn keys(&self) -> impl Iterator<Item = (&Arc<str>, &Changes)> {
        self.keys.iter()
    }

    /// What was done to one record.
    pub fn changes(&self, key: &str) -> Option<&Changes> {
        self.keys.get(key)
    }

    /// Writes of a content that took effect or may have, as positions.
    pub fn writers(&self, digest: u64) -> &[u32] {
        self.digests.get(&digest).map_or(&[], Vec::as_slice)
    }

    /// Reads by id that were answered: position, operation, id, and what came back.
    pub fn reads(&self) -> impl Iterator<Item = (u32, &Op, &Arc<str>, Option<&RecordState>)> {
        self.answered().filter_map(|(at, op)| match &op.effect {
            Effect::Read { key, value } => Some((at, op, key, value.as_ref())),
            _ => None,
        })
    }

    /// Every record that came back from any read, list or search.
    pub fn sights(&self) -> impl Iterator<Item = Sight<'_>> {
        self.answered().flat_map(|(at, op)| {
            let one = match &op.effect {
                Effect::Read { key, value: Some(value) } => Some(Sight { at, op, key, value }),
                _ => None,
            };
            let many = match &op.effect {
                Effect::Scan { hits, .. } => hits.as_slice(),
                _ => &[],
            };
            one.into_iter().chain(many.iter().map(move |(key, value)| Sight { at, op, key, value }))
        })
    }

    fn answered(&self) -> impl Iterator<Item = (u32, &Op)> {
        self.numbered().filter(|(_, op)| op.outcome == Outcome::Ok)
    }

    fn numbered(&self) -> impl Iterator<Item = (u32, &Op)> {
        self.ops.iter().enumerate().map(|(at, op)| (at as u32, op))
    }
}
