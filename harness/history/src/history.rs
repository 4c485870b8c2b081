//! The history of a run in memory, with the indices that several checks use.

mod backlog;
mod builder;
mod doubt;

pub use builder::{Full, HistoryBuilder};
pub(crate) use doubt::{Doubt, span_of};

use crate::conditions::Conditions;
use crate::experiment::{Experiment, Span};
use crate::mentions::Mentions;
use crate::op::{ErrorKind, Phase, Visibility};
use crate::store::{Groups, Store};
use crate::view::{CanaryRef, EffectRef, KeyRef, OpRef, StateRef};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

/// Every operation of a run, in the order in which it was recorded. A clone shares the operations.
#[derive(Debug, Clone, Default)]
pub struct History {
    indexed: Arc<Indexed>,
    experiment: Option<Experiment>,
    conditions: Conditions,
    /// Spans whose calls are not judged at all, however they ended.
    omitted: Vec<Span>,
}

/// The operations of a run with their indices.
#[derive(Debug, Default)]
struct Indexed {
    store: Store,
    /// The calls that changed each record, by its number.
    writes: Groups,
    deletes: Groups,
    shares: Groups,
    hidings: Groups,
    /// The calls that wrote each content, by its number.
    writers: Groups,
    /// Computed at first use.
    mentions: OnceLock<Mentions>,
}

/// The operations that changed one record, as positions in the history.
#[derive(Debug, Clone, Copy)]
pub struct Changes<'h> {
    /// Writes with a known id, in the order in which they ended.
    pub writes: &'h [u32],
    /// Deletions that were acknowledged, or may have happened.
    pub deletes: &'h [u32],
    /// Updates that made the record readable for its whole workspace, or may have done so.
    pub shares: &'h [u32],
    /// Updates that made the record private, or may have done so.
    pub hidings: &'h [u32],
}

/// One record in the reply of a read, a list or a search.
#[derive(Clone, Copy)]
pub struct RecordRead<'a> {
    /// Position of the read.
    pub at: u32,
    /// The read.
    pub op: OpRef<'a>,
    /// Id of the record.
    pub key: KeyRef<'a>,
    /// Its state.
    pub value: StateRef<'a>,
}

impl History {
    /// Adds the record of the experiment that the history belongs to.
    #[must_use]
    pub fn with_experiment(self, experiment: Experiment) -> Self {
        Self { experiment: Some(experiment), ..self }
    }

    /// The record of the experiment; `None` if the run was no experiment.
    pub const fn experiment(&self) -> Option<&Experiment> {
        self.experiment.as_ref()
    }

    /// Adds the conditions of the run.
    #[must_use]
    pub fn with_conditions(self, conditions: Conditions) -> Self {
        Self { conditions: conditions.normal(), ..self }
    }

    /// The conditions of the run. Each stall includes the time that the stack then needs to work off the backlog.
    pub const fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// Number of operations.
    pub fn len(&self) -> u64 {
        self.indexed.store.len() as u64
    }

    /// Returns true if there is no operation.
    pub fn is_empty(&self) -> bool {
        self.indexed.store.len() == 0
    }

    /// Every operation.
    pub fn ops(&self) -> impl ExactSizeIterator<Item = OpRef<'_>> + Clone {
        (0..self.indexed.store.len()).map(|at| OpRef::new(&self.indexed.store, at))
    }

    /// The operation at a position of this history.
    pub fn op(&self, at: u32) -> OpRef<'_> {
        OpRef::new(&self.indexed.store, at)
    }

    /// The operation with this number, from 0; `None` beyond the last one.
    pub fn get(&self, number: u64) -> Option<OpRef<'_>> {
        (number < self.len()).then(|| self.op(number as u32))
    }

    /// Operations of the measured phase.
    pub fn measured(&self) -> impl Iterator<Item = OpRef<'_>> + Clone {
        self.ops().filter(|op| op.phase() == Phase::Measured)
    }

    /// Calls of the measured phase with their positions. An outage that the harness caused is an operation of the history, but not a call. A call
    /// that failed on the machine of the harness shows nothing about the service; it makes the whole run unknown instead.
    pub fn calls(&self) -> impl Iterator<Item = (u32, OpRef<'_>)> {
        let is_local = |op: OpRef<'_>| matches!(op.outcome().error(), Some(ErrorKind::Local(_)));
        let is_call = move |op: OpRef<'_>| {
            op.phase() == Phase::Measured && !matches!(op.effect(), EffectRef::Outage { .. }) && !is_local(op)
        };
        self.numbered().filter(move |(_, op)| is_call(*op))
    }

    /// Measured calls that were sent within a span.
    pub fn calls_in(&self, span: Span) -> impl Iterator<Item = (u32, OpRef<'_>)> {
        self.calls().filter(move |(_, op)| span.holds(op.invoke_us()))
    }

    /// Returns the numbers of the users whose calls follow a schedule.
    pub fn scheduled_users(&self) -> HashSet<u32> {
        self.calls().filter(|(_, op)| op.planned_us().is_some()).map(|(_, op)| op.process()).collect()
    }

    /// Returns the measured calls whose latency is judged. If some users follow a schedule, these are only the calls of
    /// those users. All others wait for their replies during an outage, so their few slow calls would hide it.
    pub fn timed_calls(&self) -> impl Iterator<Item = (u32, OpRef<'_>)> {
        let scheduled = self.scheduled_users();
        self.calls().filter(move |(_, op)| scheduled.is_empty() || scheduled.contains(&op.process()))
    }

    /// Returns the planned arrivals within a span. Calls of organisations that have used up their limit are omitted, because their refusals say
    /// nothing about the capacity of the stack. Calls that follow from an arrival are omitted, because their number depends on the mix. If no call
    /// of the run was planned, every call is an arrival.
    pub fn load_in(&self, span: Span) -> impl Iterator<Item = (u32, OpRef<'_>)> {
        let (used_up, scheduled) = (self.used_up(), self.calls().any(|(_, op)| op.planned_us().is_some()));
        let arrived = move |op: OpRef<'_>| !scheduled || op.planned_us().is_some();
        self.calls_in(span).filter(move |(_, op)| arrived(*op) && !used_up.contains(&op.caller().tenant))
    }

    /// Returns the organisations whose latest call of the run was refused by quota.
    fn used_up(&self) -> HashSet<u32> {
        let mut last: HashMap<u32, OpRef<'_>> = HashMap::new();
        for (_, op) in self.calls() {
            let latest = last.entry(op.caller().tenant).or_insert(op);
            if op.invoke_us() >= latest.invoke_us() {
                *latest = op;
            }
        }
        let refused = |op: OpRef<'_>| op.outcome().error() == Some(&ErrorKind::Quota);
        last.into_iter().filter(|(_, op)| refused(*op)).map(|(tenant, _)| tenant).collect()
    }

    /// The changes of each record, in the order in which calls first named the records.
    pub fn keys(&self) -> impl Iterator<Item = (KeyRef<'_>, Changes<'_>)> {
        let keys = (0..self.indexed.store.records.len()).map(|number| KeyRef::of(&self.indexed.store, number));
        keys.filter_map(|key| Some((key, self.changes(key)?)))
    }

    /// The changes of one record; `None` if no call changed it.
    pub fn changes(&self, key: KeyRef<'_>) -> Option<Changes<'_>> {
        let of = |groups: &'_ Groups| groups.get(key.number()).len();
        let count =
            of(&self.indexed.writes) + of(&self.indexed.deletes) + of(&self.indexed.shares) + of(&self.indexed.hidings);
        (count > 0).then(|| Changes {
            writes: self.indexed.writes.get(key.number()),
            deletes: self.indexed.deletes.get(key.number()),
            shares: self.indexed.shares.get(key.number()),
            hidings: self.indexed.hidings.get(key.number()),
        })
    }

    /// Positions of the operations that wrote the content of this state, or may have written it.
    pub fn writers(&self, value: StateRef<'_>) -> &[u32] {
        value.content().map_or(&[], |content| self.indexed.writers.get(content))
    }

    /// Successful reads of single records: position, operation, id, and the state in the reply; `None` if the record was not found.
    pub fn reads(&self) -> impl Iterator<Item = (u32, OpRef<'_>, KeyRef<'_>, Option<StateRef<'_>>)> {
        self.answered().filter_map(|(at, op)| match op.effect() {
            EffectRef::Read { key, value } => Some((at, op, key, value)),
            _ => None,
        })
    }

    /// Returns the number of calls, of any phase, that failed on the machine of the harness, and the reason of the first one.
    pub fn local_errors(&self) -> Option<(u64, &str)> {
        let mut reasons = self.ops().filter_map(|op| match op.outcome().error() {
            Some(ErrorKind::Local(reason)) => Some(&**reason),
            _ => None,
        });
        let first = reasons.next()?;
        Some((reasons.count() as u64 + 1, first))
    }

    /// Every record in the reply of a read, a list or a search.
    pub fn records_read(&self) -> impl Iterator<Item = RecordRead<'_>> {
        self.answered()
            .flat_map(|(at, op)| op.effect().returned().map(move |(key, value)| RecordRead { at, op, key, value }))
    }

    /// Marks of contents outside the records of replies, with the positions of the calls.
    pub(crate) fn strays(&self) -> impl Iterator<Item = (u32, impl Iterator<Item = CanaryRef<'_>>)> {
        self.indexed.store.strays.iter().map(|(at, strays)| (*at, strays.iter().map(CanaryRef::from)))
    }

    /// Operations that ended `ok`, with their positions.
    pub(crate) fn answered(&self) -> impl Iterator<Item = (u32, OpRef<'_>)> {
        self.numbered().filter(|(_, op)| op.is_ok())
    }

    /// The places at which calls mention each record.
    pub(crate) fn mentions(&self) -> &Mentions {
        self.indexed.mentions.get_or_init(|| Mentions::of(&self.indexed.store))
    }

    /// Number of records, with those that do not exist: an id which a call of an organisation names counts once for this organisation.
    pub(crate) fn key_count(&self) -> u32 {
        self.indexed.store.records.len()
    }

    /// The record with this number.
    pub(crate) fn key(&self, number: u32) -> KeyRef<'_> {
        KeyRef::of(&self.indexed.store, number)
    }

    /// Every operation with its position.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (u32, OpRef<'_>)> {
        (0..self.indexed.store.len()).map(|at| (at, OpRef::new(&self.indexed.store, at)))
    }
}

/// Adds the indices to packed operations.
fn indexed(store: Store) -> History {
    let (keys, contents) = (store.records.len(), store.contents());
    // A failed call certainly had no effect. A call with an unknown outcome may have had one, so it is indexed.
    let each = |visit: &mut dyn FnMut(u32, EffectRef<'_>)| {
        for at in 0..store.len() {
            let op = OpRef::new(&store, at);
            if !op.outcome().is_failed() {
                visit(at, op.effect());
            }
        }
    };
    let changed_visibility = |wanted: Visibility| {
        Groups::of(keys, |add| {
            each(&mut |at, effect| {
                if let EffectRef::Update { key, value, .. } = effect
                    && value.visibility() == Some(wanted)
                {
                    add(key.number(), at);
                }
            });
        })
    };
    let mut writes = Groups::of(keys, |add| {
        each(&mut |at, effect| effect.contents().filter_map(|(key, _, _)| key).for_each(|key| add(key.number(), at)));
    });
    writes.sort_each_by_key(|at| store.complete_us(at));
    let deletes =
        Groups::of(keys, |add| each(&mut |at, effect| effect.deleted().for_each(|key| add(key.number(), at))));
    let writers = Groups::of(contents, |add| {
        each(&mut |at, effect| {
            effect.contents().filter_map(|(_, _, value)| value.content()).for_each(|content| add(content, at));
        });
    });
    let (shares, hidings) = (changed_visibility(Visibility::Workspace), changed_visibility(Visibility::Private));
    let indexed = Indexed { writes, deletes, shares, hidings, writers, store, mentions: OnceLock::new() };
    History { indexed: Arc::new(indexed), ..History::default() }
}
