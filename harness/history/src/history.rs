//! The history of a run in memory, with the indices that several checks use.

use crate::conditions::Conditions;
use crate::experiment::{Experiment, Span};
use crate::op::{Effect, ErrorKind, Op, Outcome, Phase, RecordState, Visibility};
use crate::timeline::Mentions;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

/// Every operation of a run, in the order of `history.jsonl`.
#[derive(Debug, Default)]
pub struct History {
    ops: Vec<Op>,
    keys: HashMap<Arc<str>, Changes>,
    digests: HashMap<u64, Vec<u32>>,
    experiment: Option<Experiment>,
    /// Found when the first check asks for it.
    mentions: OnceLock<Mentions>,
    conditions: Conditions,
}

/// The operations that changed one record, as positions in the history.
#[derive(Debug, Default)]
pub struct Changes {
    /// Writes with a known id, in the order in which they ended.
    pub writes: Vec<u32>,
    /// Deletions that were acknowledged, or may have happened.
    pub deletes: Vec<u32>,
    /// Updates that made the record readable for its whole workspace, or may have.
    pub shares: Vec<u32>,
    /// Updates that made the record private, or may have.
    pub hidings: Vec<u32>,
}

/// One record in the reply of a read, a list or a search.
#[derive(Debug, Clone, Copy)]
pub struct RecordRead<'a> {
    /// Position of the read.
    pub at: u32,
    /// The read.
    pub op: &'a Op,
    /// Id of the record.
    pub key: &'a Arc<str>,
    /// Its state.
    pub value: &'a RecordState,
}

impl FromIterator<Op> for History {
    fn from_iter<T: IntoIterator<Item = Op>>(ops: T) -> Self {
        let mut history = Self { ops: ops.into_iter().collect(), ..Self::default() };
        for (at, op) in history.ops.iter().enumerate() {
            let at = at as u32;
            // A failed call certainly had no effect. A call with an unknown outcome may have had one, so it is indexed.
            if matches!(op.outcome, Outcome::Failed(_)) {
                continue;
            }
            for (key, digest, _) in op.effect.contents() {
                if let Some(key) = key {
                    history.keys.entry(Arc::clone(key)).or_default().writes.push(at);
                }
                history.digests.entry(digest).or_default().push(at);
            }
            for key in op.effect.deleted() {
                history.keys.entry(Arc::clone(key)).or_default().deletes.push(at);
            }
            if let Effect::Update { key, value, .. } = &op.effect
                && let Some(visibility) = value.visibility
            {
                let changes = history.keys.entry(Arc::clone(key)).or_default();
                match visibility {
                    Visibility::Workspace => changes.shares.push(at),
                    Visibility::Private => changes.hidings.push(at),
                }
            }
        }
        for changes in history.keys.values_mut() {
            changes.writes.sort_by_key(|at| history.ops[*at as usize].complete_us);
        }
        history
    }
}

impl History {
    /// Adds the record of the experiment that the history belongs to.
    #[must_use]
    pub fn with_experiment(self, experiment: Experiment) -> Self {
        Self { experiment: Some(experiment), ..self }
    }

    /// The record of the experiment; `None` if the run was not one.
    pub const fn experiment(&self) -> Option<&Experiment> {
        self.experiment.as_ref()
    }

    /// Adds the conditions of the run.
    #[must_use]
    pub fn with_conditions(self, conditions: Conditions) -> Self {
        Self { conditions: conditions.normal(), ..self }
    }

    /// The conditions of the run. To each stall the time is added that it took to work off what waited.
    pub const fn conditions(&self) -> &Conditions {
        &self.conditions
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

    /// Calls of the measured phase with their positions. An outage that the harness caused is an operation of the history, but not a call. A call
    /// that failed on the machine of the harness shows nothing about the service; it makes the whole run unknown instead.
    pub fn calls(&self) -> impl Iterator<Item = (u32, &Op)> {
        let is_local = |op: &Op| matches!(op.outcome.error(), Some(ErrorKind::Local(_)));
        let is_call =
            move |op: &Op| op.phase == Phase::Measured && !matches!(op.effect, Effect::Outage { .. }) && !is_local(op);
        self.numbered().filter(move |(_, op)| is_call(op))
    }

    /// Measured calls that were sent within a span.
    pub fn calls_in(&self, span: Span) -> impl Iterator<Item = (u32, &Op)> {
        self.calls().filter(move |(_, op)| span.holds(op.invoke_us))
    }

    /// Returns the numbers of the users whose calls follow a schedule.
    pub fn scheduled_users(&self) -> HashSet<u32> {
        self.calls().filter(|(_, op)| op.planned_us.is_some()).map(|(_, op)| op.process).collect()
    }

    /// Returns the measured calls whose latency is judged. If some users follow a schedule, only their calls: the others
    /// send nothing while nothing answers, so that their calls would hide an outage.
    pub fn timed_calls(&self) -> impl Iterator<Item = (u32, &Op)> {
        let scheduled = self.scheduled_users();
        self.calls().filter(move |(_, op)| scheduled.is_empty() || scheduled.contains(&op.process))
    }

    /// Returns the planned arrivals within a span. Calls of organisations that have used up their limit are left out, because their refusals say
    /// nothing about the capacity of the stack. Calls that follow from an arrival are left out, because their number depends on the mix. If no call
    /// of the run was planned, every call is an arrival.
    pub fn load_in(&self, span: Span) -> impl Iterator<Item = (u32, &Op)> {
        let (used_up, scheduled) = (self.used_up(), self.calls().any(|(_, op)| op.planned_us.is_some()));
        let arrived = move |op: &Op| !scheduled || op.planned_us.is_some();
        self.calls_in(span).filter(move |(_, op)| arrived(op) && !used_up.contains(&*op.tenant))
    }

    /// Returns the organisations whose call that was sent last was refused by quota.
    fn used_up(&self) -> HashSet<&str> {
        let mut last: HashMap<&str, &Op> = HashMap::new();
        for (_, op) in self.calls() {
            let latest = last.entry(&op.tenant).or_insert(op);
            if op.invoke_us >= latest.invoke_us {
                *latest = op;
            }
        }
        let refused = |op: &Op| op.outcome.error() == Some(&ErrorKind::Quota);
        last.into_iter().filter(|(_, op)| refused(op)).map(|(tenant, _)| tenant).collect()
    }

    /// The changes of each record, in arbitrary order.
    pub fn keys(&self) -> impl Iterator<Item = (&Arc<str>, &Changes)> {
        self.keys.iter()
    }

    /// The changes of one record.
    pub fn changes(&self, key: &str) -> Option<&Changes> {
        self.keys.get(key)
    }

    /// Positions of the operations that wrote this content, or may have written it.
    pub fn writers(&self, digest: u64) -> &[u32] {
        self.digests.get(&digest).map_or(&[], Vec::as_slice)
    }

    /// Reads of one record that ended `ok`: position, operation, id, and the state in the reply.
    pub fn reads(&self) -> impl Iterator<Item = (u32, &Op, &Arc<str>, Option<&RecordState>)> {
        self.answered().filter_map(|(at, op)| match &op.effect {
            Effect::Read { key, value } => Some((at, op, key, value.as_ref())),
            _ => None,
        })
    }

    /// Returns the number of calls, of any phase, that failed on the machine of the harness, and the reason of the first one.
    pub fn local_errors(&self) -> Option<(u64, &str)> {
        let mut reasons = self.ops.iter().filter_map(|op| match op.outcome.error() {
            Some(ErrorKind::Local(reason)) => Some(&**reason),
            _ => None,
        });
        let first = reasons.next()?;
        Some((reasons.count() as u64 + 1, first))
    }

    /// Every record in the reply of a read, a list or a search.
    pub fn records_read(&self) -> impl Iterator<Item = RecordRead<'_>> {
        self.answered()
            .flat_map(|(at, op)| op.effect.returned().map(move |(key, value)| RecordRead { at, op, key, value }))
    }

    /// Operations that ended `ok`, with their positions.
    pub(crate) fn answered(&self) -> impl Iterator<Item = (u32, &Op)> {
        self.numbered().filter(|(_, op)| op.outcome == Outcome::Ok)
    }

    /// Where calls mention records.
    pub(crate) fn mentions(&self) -> &Mentions {
        self.mentions.get_or_init(|| Mentions::of(&self.ops))
    }

    /// Every operation with its position.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (u32, &Op)> {
        self.ops.iter().enumerate().map(|(at, op)| (at as u32, op))
    }
}
