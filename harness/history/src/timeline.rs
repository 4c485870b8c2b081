//! The calls that concern one record, as the checks of consistency judge them: what each call did to the record or saw of it, and when it may have
//! taken effect. Replies that a service repeats for an idempotency key count once.

use crate::history::History;
use crate::op::{ErrorKind, Outcome};
use crate::view::{EffectRef, KeyRef, OpRef, StateRef};
use std::collections::HashSet;

/// What one call did to a record, or saw of it.
#[derive(Clone, Copy)]
pub(crate) struct Event<'h> {
    /// Position of the call.
    pub(crate) at: u32,
    /// Earliest time of the effect. For a repeated request this is before the call was sent, because an earlier attempt may have had the effect.
    pub(crate) from_us: u64,
    /// Latest time of the effect; `u64::MAX` if the outcome is unknown, so that the effect may come at any later time or never.
    pub(crate) until_us: u64,
    pub(crate) kind: Kind<'h>,
}

/// What a call did to a record, or saw of it.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'h> {
    /// Created the record.
    Create(StateRef<'h>),
    /// Changed the fields that the state has.
    Update { value: StateRef<'h>, expected: Option<u64> },
    /// Deleted the record. `repeatable` if the deletion succeeds also without the record.
    Delete { repeatable: bool },
    /// Returned the record.
    Seen(StateRef<'h>),
    /// Answered that there is no such record: to its owner, or to a user of the same workspace.
    Missing { to_owner: bool },
    /// Refused a change because the record did not have this version.
    Conflict(u64),
}

impl Event<'_> {
    /// Returns true if the call changed the record, or may have.
    pub(crate) const fn is_change(&self) -> bool {
        matches!(self.kind, Kind::Create(_) | Kind::Update { .. } | Kind::Delete { .. })
    }

    /// Returns true if the effect is certain.
    pub(crate) const fn is_certain(&self) -> bool {
        self.until_us != u64::MAX
    }
}

/// The record was missing. `to_owner` is a placeholder, which [`resolve_missing`] sets when the creator is known.
const MISSING: Kind<'static> = Kind::Missing { to_owner: false };

/// A record that the run created, and its events in arbitrary order.
pub(crate) struct Record<'h, 't> {
    pub(crate) key: KeyRef<'h>,
    pub(crate) events: &'t [Event<'h>],
}

/// Calls `judge` for each record that a call of the history created, or may have created, in the order of their first mention. Returns the number of
/// other records that replies mention: what was stored in them before is not known.
pub(crate) fn for_each_record<'h>(history: &'h History, mut judge: impl FnMut(&Record<'h, '_>)) -> u64 {
    let mentions = history.mentions();
    let mut events = Vec::new();
    let mut strange = 0;
    for number in &mentions.order {
        let key = history.key(*number);
        events.clear();
        let mut creations = Creations::default();
        let calls = mentions.calls.get(*number);
        for (place, at) in calls.iter().enumerate() {
            // The mentions of one call follow each other.
            let turn = calls[..place].iter().rev().take_while(|before| *before == at).count();
            add(history, key, *at, turn, &mut creations, &mut events);
        }
        match creations.finish(history, &mut events) {
            Some(creator) => {
                drop_repetitions(history, &mut events);
                resolve_missing(history, creator, &mut events);
                judge(&Record { key, events: &events });
            }
            None => strange += 1,
        }
    }
    strange
}

/// Adds what a call did to a record. Creations are collected, because several calls can stand for one.
fn add<'h>(
    history: &'h History,
    key: KeyRef<'h>,
    at: u32,
    turn: usize,
    creations: &mut Creations<'h>,
    events: &mut Vec<Event<'h>>,
) {
    let op = history.op(at);
    let Some(until_us) = until(op) else {
        events.extend(refusal(op).map(|kind| Event { at, from_us: op.invoke_us(), until_us: op.complete_us(), kind }));
        return;
    };
    let event = |kind| Event { at, from_us: op.invoke_us(), until_us, kind };
    let kind = match op.effect() {
        // As a change was recorded before `Effect::Update` existed.
        EffectRef::Write { value, existing: false, .. } if op.name().starts_with("update") => {
            Kind::Update { value, expected: None }
        }
        EffectRef::Write { value, existing: false, .. } => return creations.add(event(Kind::Create(value)), op, false),
        EffectRef::Writes { records } => {
            let Some(value) = records.state_of(key, turn) else { return };
            return creations.add(event(Kind::Create(value)), op, true);
        }
        EffectRef::Write { value, .. } => Kind::Seen(value),
        EffectRef::Update { value, expected, .. } => Kind::Update { value, expected },
        EffectRef::Delete { .. } => Kind::Delete { repeatable: false },
        EffectRef::Deletes { .. } => Kind::Delete { repeatable: true },
        // An answer that never came has shown nothing.
        EffectRef::Read { .. } | EffectRef::Scan { .. } if !op.is_ok() => return,
        EffectRef::Read { value, .. } => value.map_or(MISSING, Kind::Seen),
        EffectRef::Scan { hits, .. } => match hits.state_of(key, turn) {
            Some(value) => Kind::Seen(value),
            None => return,
        },
        _ => return,
    };
    let mut event = event(kind);
    match kind {
        Kind::Update { value, .. } if event.is_certain() => {
            let first = first_attempt(history, op, value, Some(key));
            event.from_us = event.from_us.min(first.unwrap_or(u64::MAX));
        }
        Kind::Seen(value) if matches!(op.effect(), EffectRef::Write { .. }) => {
            let first = first_attempt(history, op, value, None);
            event.from_us = event.from_us.min(first.unwrap_or(u64::MAX));
        }
        _ => {}
    }
    events.push(event);
}

/// Returns the latest time of the effect; `None` if the call certainly had none.
fn until(op: OpRef<'_>) -> Option<u64> {
    match op.outcome() {
        Outcome::Ok => Some(op.complete_us()),
        Outcome::Unknown(_) => Some(u64::MAX),
        Outcome::Failed(_) => None,
    }
}

/// Returns what a refused change shows of the record.
fn refusal<'h>(op: OpRef<'_>) -> Option<Kind<'h>> {
    let Outcome::Failed(ErrorKind::Tool(code)) = op.outcome() else { return None };
    match (&**code, op.effect()) {
        ("version_conflict", EffectRef::Update { expected: Some(expected), .. }) => Some(Kind::Conflict(expected)),
        ("not_found", EffectRef::Update { .. } | EffectRef::Delete { .. }) => Some(MISSING),
        _ => None,
    }
}

/// Returns when the same user first sent this content without getting an answer: the effect of a repeated request may be that of the first one.
fn first_attempt(history: &History, op: OpRef<'_>, value: StateRef<'_>, key: Option<KeyRef<'_>>) -> Option<u64> {
    let is_attempt = |other: &OpRef<'_>| {
        let same_target = match other.effect() {
            EffectRef::Write { .. } => key.is_none(),
            EffectRef::Update { key: updated, .. } => key == Some(updated),
            _ => false,
        };
        same_target && matches!(other.outcome(), Outcome::Unknown(_)) && is_same_user(*other, op)
    };
    let attempts = history.writers(value).iter().map(|at| history.op(*at)).filter(is_attempt);
    attempts.map(|other| other.invoke_us()).min()
}

/// Returns true if one user made both calls.
pub(crate) fn is_same_user(one: OpRef<'_>, other: OpRef<'_>) -> bool {
    one.caller() == other.caller()
}

/// Returns true if both users read the shared records of one workspace. A scenario writes a workspace that is not the default one behind the name of
/// the user, as `ann@ops`.
pub(crate) fn is_same_workspace(one: OpRef<'_>, other: OpRef<'_>) -> bool {
    let (caller, of_other) = (one.caller(), other.caller());
    let same_workspace = caller.tenant == of_other.tenant && caller.workspace == of_other.workspace;
    same_workspace && (caller.user == of_other.user || suffix(one.user()) == suffix(other.user()))
}

/// Returns what follows the name of a user: its workspace, if a scenario wrote it there.
pub(crate) fn suffix(user: &str) -> Option<&str> {
    user.find('@').map(|at| &user[at..])
}

/// The acknowledged calls that created one record.
#[derive(Default)]
struct Creations<'h> {
    found: Vec<(Event<'h>, OpRef<'h>, bool)>,
}

impl<'h> Creations<'h> {
    fn add(&mut self, event: Event<'h>, op: OpRef<'h>, imported: bool) {
        self.found.push((event, op, imported));
    }

    /// Adds the creation to the events, and returns the call that made it. Acknowledgements of one content to one user are one creation, because a
    /// service repeats its reply for an idempotency key. Any other import is a read: its reply does not say whether it created the record.
    fn finish(mut self, history: &'h History, events: &mut Vec<Event<'h>>) -> Option<OpRef<'h>> {
        self.found.sort_by_key(|(event, _, _)| (event.until_us, event.at));
        let first = self.found.first().copied();
        let Some((first, creator, _)) = first.filter(|(event, _, _)| event.is_certain()) else {
            events.extend(self.found.iter().map(|(event, _, _)| event));
            return unanswered(history, events).or_else(|| first.map(|(_, op, _)| op));
        };
        let Kind::Create(value) = first.kind else { return None };
        let mut creation = first;
        for (event, op, imported) in self.found {
            let Kind::Create(other) = event.kind else { continue };
            if other.digest() == value.digest() && is_same_user(op, creator) {
                creation.from_us = creation.from_us.min(event.from_us);
            } else if imported {
                events.push(Event { kind: Kind::Seen(other), ..event });
            } else {
                events.push(event);
            }
        }
        let attempt = first_attempt(history, creator, value, None);
        creation.from_us = creation.from_us.min(attempt.unwrap_or(u64::MAX));
        events.push(creation);
        Some(creator)
    }
}

/// Adds the unanswered writes that may have created the record, by the contents that were seen in it. Returns the first.
fn unanswered<'h>(history: &'h History, events: &mut Vec<Event<'h>>) -> Option<OpRef<'h>> {
    let seen = events.iter().filter_map(|event| match event.kind {
        Kind::Seen(value) => value.digest().map(|_| value),
        _ => None,
    });
    let mut contents: Vec<StateRef<'_>> = seen.collect();
    contents.sort_unstable_by_key(|value| value.digest());
    contents.dedup_by_key(|value| value.digest());
    let tenant = events.first().map(|event| history.op(event.at).caller().tenant);
    let mut creator = None;
    for value in contents {
        for at in history.writers(value) {
            let op = history.op(*at);
            if let EffectRef::Write { key: None, value, .. } = op.effect()
                && !op.is_ok()
                && tenant == Some(op.caller().tenant)
            {
                let kind = Kind::Create(value);
                events.push(Event { at: *at, from_us: op.invoke_us(), until_us: u64::MAX, kind });
                creator.get_or_insert(op);
            }
        }
    }
    creator
}

/// Resolves to whom the record was missing. Drops the calls of users of other workspaces, for whom it is always missing.
fn resolve_missing(history: &History, creator: OpRef<'_>, events: &mut Vec<Event<'_>>) {
    events.retain_mut(|event| {
        let Kind::Missing { to_owner } = &mut event.kind else { return true };
        let reader = history.op(event.at);
        *to_owner = is_same_user(reader, creator);
        *to_owner || is_same_workspace(reader, creator)
    });
}

/// Drops the acknowledged changes that repeat an earlier reply to the same user: same content and same version.
fn drop_repetitions(history: &History, events: &mut Vec<Event<'_>>) {
    let is_write = |event: &Event<'_>| event.is_certain() && event.is_change();
    let is_answer =
        |event: &Event<'_>| matches!(history.op(event.at).effect(), EffectRef::Write { existing: true, .. });
    if events.iter().filter(|event| is_write(event) || is_answer(event)).count() < 2 {
        return;
    }
    events.sort_by_key(|event| (event.until_us, event.at));
    let mut known: HashSet<(u64, Option<u64>, bool, &str, &str)> = HashSet::new();
    events.retain(|event| {
        let (value, seen) = match event.kind {
            Kind::Update { value, .. } if event.is_certain() => (value, false),
            Kind::Seen(value) if is_answer(event) => (value, true),
            _ => return true,
        };
        let Some(digest) = value.digest() else { return true };
        let op = history.op(event.at);
        known.insert((digest, value.version(), seen, op.tenant(), op.user()))
    });
}
