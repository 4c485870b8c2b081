//! The operations of a history in memory, packed: 32 bytes for each call, a few numbers for what it did, and each different text, record state, user
//! and outcome once (decision 0045). Nothing here judges.

mod effects;
mod groups;
mod number;
mod records;
mod states;
mod texts;

pub(crate) use effects::{
    LONG, MORE, QUERY, RISKY, SET, TAGGED, TARGET, Tag, WORDS, Words, verdict_kind, workflow_end,
};
pub(crate) use groups::Groups;
pub(crate) use number::NONE;
pub(crate) use records::Records;
pub(crate) use states::StateRow;
pub(crate) use texts::Texts;

use crate::op::{Canary, Op, Outcome, Phase};
use records::RecordTable;
use states::States;
use std::collections::HashMap;
use texts::TextTable;

/// Most bytes of a store: its numbers have 32 bits. What one operation adds fits in the rest.
pub(crate) const MOST_BYTES: u64 = u32::MAX as u64 - (64 << 20);
/// In [`Row::took_us`]: the times of the call do not fit in its row, and `lag_us` is their position in [`Store::wide`].
const WIDE: u32 = u32::MAX;
/// In [`Row::lag_us`]: the call was not planned.
const UNPLANNED: u32 = u32::MAX;
/// Bits of [`Row::name_and_phase`] that are the phase.
const PHASE_BITS: u32 = 2;
/// Bytes that the tables which find equal values take for each value: 4 of its number and 1 of its hash, in a table that is at least 7/16 full.
const TABLE_BYTES: u64 = 11;

/// About how many bytes a mark outside a record takes, and a different outcome with its texts.
const STRAY_BYTES: u64 = 256;
const OUTCOME_BYTES: u64 = 128;

/// One call.
#[derive(Debug, Clone, Copy)]
struct Row {
    invoke_us: u64,
    /// From the send to the end.
    took_us: u32,
    /// From the planned start to the send.
    lag_us: u32,
    caller: u32,
    name_and_phase: u32,
    outcome: u32,
    /// Position of its effect in [`Store::words`].
    effect: u32,
}

/// A user with a process number: texts by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Caller {
    pub(crate) process: u32,
    pub(crate) user: User,
}

/// A user: texts by number, [`NONE`] for the default workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct User {
    pub(crate) tenant: u32,
    pub(crate) user: u32,
    pub(crate) workspace: u32,
}

/// The times of a call that do not fit in a row.
#[derive(Debug, Clone, Copy)]
struct WideTimes {
    planned_us: Option<u64>,
    complete_us: u64,
}

/// The packed operations.
#[derive(Debug, Default)]
pub(crate) struct Store {
    rows: Vec<Row>,
    /// What the calls did; see [`effects`].
    pub(crate) words: Vec<u32>,
    wide: Vec<WideTimes>,
    pub(crate) callers: Vec<Caller>,
    pub(crate) outcomes: Vec<Outcome>,
    /// The records, with their ids.
    pub(crate) records: Records,
    /// Every text that is no id of a record.
    pub(crate) texts: Texts,
    pub(crate) states: Vec<StateRow>,
    /// Writers of contents.
    pub(crate) authors: Vec<User>,
    /// Marks outside the records of replies, with the positions of the calls.
    pub(crate) strays: Vec<(u32, Vec<Canary>)>,
}

impl Store {
    pub(crate) const fn len(&self) -> u32 {
        self.rows.len() as u32
    }

    pub(crate) fn caller(&self, at: u32) -> &Caller {
        &self.callers[self.row(at).caller as usize]
    }

    pub(crate) fn name(&self, at: u32) -> &str {
        self.texts.get(self.row(at).name_and_phase >> PHASE_BITS)
    }

    pub(crate) fn phase(&self, at: u32) -> Phase {
        match self.row(at).name_and_phase & ((1 << PHASE_BITS) - 1) {
            0 => Phase::Setup,
            1 => Phase::Warmup,
            2 => Phase::Measured,
            _ => Phase::Final,
        }
    }

    pub(crate) fn invoke_us(&self, at: u32) -> u64 {
        self.row(at).invoke_us
    }

    pub(crate) fn complete_us(&self, at: u32) -> u64 {
        let row = self.row(at);
        if row.took_us == WIDE {
            self.wide[row.lag_us as usize].complete_us
        } else {
            row.invoke_us + u64::from(row.took_us)
        }
    }

    pub(crate) fn planned_us(&self, at: u32) -> Option<u64> {
        let row = self.row(at);
        if row.took_us == WIDE {
            self.wide[row.lag_us as usize].planned_us
        } else {
            (row.lag_us != UNPLANNED).then(|| row.invoke_us - u64::from(row.lag_us))
        }
    }

    pub(crate) fn outcome(&self, at: u32) -> &Outcome {
        &self.outcomes[self.row(at).outcome as usize]
    }

    /// Position of the effect in the words.
    pub(crate) fn effect(&self, at: u32) -> u32 {
        self.row(at).effect
    }

    /// Number of different contents.
    pub(crate) fn contents(&self) -> u32 {
        self.states
            .iter()
            .map(|state| state.content)
            .filter(|content| *content != NONE)
            .max()
            .map_or(0, |most| most + 1)
    }

    fn row(&self, at: u32) -> &Row {
        &self.rows[at as usize]
    }
}

/// Packs operations, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    store: Store,
    records: RecordTable,
    texts: TextTable,
    states: States,
    authors: HashMap<User, u32>,
    callers: HashMap<Caller, u32>,
    outcomes: HashMap<Outcome, u32>,
    /// Number of marks outside the records of replies.
    strays: u64,
}

impl Packer {
    pub(crate) fn push(&mut self, op: &Op) {
        let user = self.user(&op.tenant, &op.user, op.workspace.as_deref());
        let caller = number(&mut self.callers, &mut self.store.callers, &Caller { process: op.process, user });
        let outcome = number(&mut self.outcomes, &mut self.store.outcomes, &op.outcome);
        let name = self.text(&op.name);
        if !op.strays.is_empty() {
            self.strays += op.strays.len() as u64;
            self.store.strays.push((self.store.len(), op.strays.clone()));
        }
        let effect = self.effect(user.tenant, &op.effect);
        let (took_us, lag_us) = self.times(op);
        self.store.rows.push(Row {
            invoke_us: op.invoke_us,
            took_us,
            lag_us,
            caller,
            name_and_phase: name << PHASE_BITS | op.phase as u32,
            outcome,
            effect,
        });
    }

    pub(crate) const fn len(&self) -> u32 {
        self.store.len()
    }

    /// Bytes that the operations take, with the tables that find equal values.
    pub(crate) fn bytes(&self) -> u64 {
        let Store { rows, words, records, texts, states, .. } = &self.store;
        let values = u64::from(texts.len()) + states.len() as u64;
        size_of_val(&**rows) as u64
            + size_of_val(&**words) as u64
            + size_of_val(&**states) as u64
            + records.bytes()
            + self.records.bytes()
            + texts.bytes()
            + values * TABLE_BYTES
            + self.strays * STRAY_BYTES
            + self.store.outcomes.len() as u64 * OUTCOME_BYTES
    }

    pub(crate) fn finish(self) -> Store {
        let mut store = self.store;
        store.records.finish();
        states::number_contents(&mut store.states);
        store
    }

    fn user(&mut self, tenant: &str, user: &str, workspace: Option<&str>) -> User {
        let workspace = workspace.map_or(NONE, |workspace| self.text(workspace));
        User { tenant: self.text(tenant), user: self.text(user), workspace }
    }

    fn text(&mut self, text: &str) -> u32 {
        self.texts.number(&mut self.store.texts, text)
    }

    /// Returns the number of the record that an organisation means by this id.
    fn record(&mut self, tenant: u32, id: &str) -> u32 {
        self.records.number(&mut self.store.records, tenant, id)
    }

    fn times(&mut self, op: &Op) -> (u32, u32) {
        let short = |from: u64, until: u64| until.checked_sub(from).and_then(|us| u32::try_from(us).ok());
        let took = short(op.invoke_us, op.complete_us).filter(|took| *took != WIDE);
        let lag = match op.planned_us {
            None => Some(UNPLANNED),
            Some(planned_us) => short(planned_us, op.invoke_us).filter(|lag| *lag != UNPLANNED),
        };
        if let Some((took, lag)) = took.zip(lag) {
            return (took, lag);
        }
        self.store.wide.push(WideTimes { planned_us: op.planned_us, complete_us: op.complete_us });
        (WIDE, self.store.wide.len() as u32 - 1)
    }
}

/// Returns the number of a value, which is added if it is new.
fn number<T: Clone + Eq + std::hash::Hash>(numbers: &mut HashMap<T, u32>, values: &mut Vec<T>, value: &T) -> u32 {
    if let Some(number) = numbers.get(value) {
        return *number;
    }
    let number = values.len() as u32;
    numbers.insert(value.clone(), number);
    values.push(value.clone());
    number
}
