//! The calls that concern one record, as the checks of consistency judge them: what each call did to the record or saw of it, and when it may have
//! taken effect. Replies that a service repeats for an idempotency key count once.

use crate::history::History;
use crate::op::{Effect, ErrorKind, Op, Outcome, RecordState};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What one call did to a record, or saw of it.
#[derive(Debug, Clone, Copy)]
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
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind<'h> {
    /// Created the record.
    Create(&'h RecordState),
    /// Changed the fields that the state has.
    Update { value: &'h RecordState, expected: Option<u64> },
    /// Deleted the record. `repeatable` if the deletion succeeds also without the record.
    Delete { repeatable: bool },
    /// Returned the record.
    Seen(&'h RecordState),
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

/// The record was missing; to whom is not resolved before its creator is known.
const MISSING: Kind<'static> = Kind::Missing { to_owner: false };

/// A record that the run created, and its events in arbitrary order.
pub(crate) struct Record<'h, 't> {
    pub(crate) key: &'h Arc<str>,
    pub(crate) events: &'t [Event<'h>],
}

/// Where the calls of a history mention records.
#[derive(Debug)]
pub(crate) struct Mentions {
    /// The ids of all records, in the order of their first mention.
    keys: Vec<Arc<str>>,
    /// Number of the record, position of the call, and place inside the call; sorted.
    list: Vec<(u32, u32, u32)>,
}

/// Calls `judge` for each record that a call of the history created, or may have created, in the order of their first mention. Returns the number of
/// other records that replies mention: what was stored in them before is not known.
pub(crate) fn for_each_record<'h>(history: &'h History, mut judge: impl FnMut(&Record<'h, '_>)) -> u64 {
    let mentions = history.mentions();
    let mut events = Vec::new();
    let mut strange = 0;
    for of_record in mentions.list.chunk_by(|one, other| one.0 == other.0) {
        let key = &mentions.keys[of_record[0].0 as usize];
        events.clear();
        let mut creations = Creations::default();
        for (_, at, place) in of_record {
            add(history, key, *at, *place, &mut creations, &mut events);
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

impl Mentions {
    /// Finds every mention.
    pub(crate) fn of(ops: &[Op]) -> Self {
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let (mut keys, mut list) = (Vec::new(), Vec::new());
        for (at, op) in ops.iter().enumerate() {
            let mut mention = |place: usize, key| {
                let key: &Arc<str> = key;
                let number = *numbers.entry(key).or_insert_with(|| {
                    keys.push(Arc::clone(key));
                    keys.len() as u32 - 1
                });
                list.push((number, at as u32, place as u32));
            };
            match &op.effect {
                Effect::Write { key: Some(key), .. }
                | Effect::Update { key, .. }
                | Effect::Delete { key }
                | Effect::Read { key, .. } => mention(0, key),
                Effect::Writes { records: list } | Effect::Scan { hits: list, .. } => {
                    list.iter().enumerate().for_each(|(place, (key, _))| mention(place, key));
                }
                Effect::Deletes { keys } => keys.iter().enumerate().for_each(|(place, key)| mention(place, key)),
                _ => {}
            }
        }
        list.sort_unstable();
        Self { keys, list }
    }
}

/// Adds what a call did to a record. Creations are collected, because several calls can stand for one.
fn add<'h>(
    history: &'h History,
    key: &Arc<str>,
    at: u32,
    place: u32,
    creations: &mut Creations<'h>,
    events: &mut Vec<Event<'h>>,
) {
    let op = history.op(at);
    let Some(until_us) = until(op) else {
        events.extend(refusal(op).map(|kind| Event { at, from_us: op.invoke_us, until_us: op.complete_us, kind }));
        return;
    };
    let event = |kind| Event { at, from_us: op.invoke_us, until_us, kind };
    let kind = match &op.effect {
        // As a change was recorded before `Effect::Update` existed.
        Effect::Write { value, existing: false, .. } if op.name.starts_with("update") => {
            Kind::Update { value, expected: None }
        }
        Effect::Write { value, existing: false, .. } => return creations.add(event(Kind::Create(value)), op, false),
        Effect::Writes { records } => return creations.add(event(Kind::Create(&records[place as usize].1)), op, true),
        Effect::Write { value, .. } => Kind::Seen(value),
        Effect::Update { value, expected, .. } => Kind::Update { value, expected: *expected },
        Effect::Delete { .. } => Kind::Delete { repeatable: false },
        Effect::Deletes { .. } => Kind::Delete { repeatable: true },
        // An answer that never came has shown nothing.
        Effect::Read { .. } | Effect::Scan { .. } if op.outcome != Outcome::Ok => return,
        Effect::Read { value, .. } => value.as_ref().map_or(MISSING, Kind::Seen),
        Effect::Scan { hits, .. } => Kind::Seen(&hits[place as usize].1),
        _ => return,
    };
    let mut event = event(kind);
    match kind {
        Kind::Update { value, .. } if event.is_certain() => {
            let first = value.digest.and_then(|digest| first_attempt(history, op, digest, Some(key)));
            event.from_us = event.from_us.min(first.unwrap_or(u64::MAX));
        }
        Kind::Seen(value) if matches!(op.effect, Effect::Write { .. }) => {
            let first = value.digest.and_then(|digest| first_attempt(history, op, digest, None));
            event.from_us = event.from_us.min(first.unwrap_or(u64::MAX));
        }
        _ => {}
    }
    events.push(event);
}

/// Returns the latest time of the effect; `None` if the call certainly had none.
const fn until(op: &Op) -> Option<u64> {
    match op.outcome {
        Outcome::Ok => Some(op.complete_us),
        Outcome::Unknown(_) => Some(u64::MAX),
        Outcome::Failed(_) => None,
    }
}

/// Returns what a refused change shows of the record.
fn refusal<'h>(op: &Op) -> Option<Kind<'h>> {
    let Outcome::Failed(ErrorKind::Tool(code)) = &op.outcome else { return None };
    match (&**code, &op.effect) {
        ("version_conflict", Effect::Update { expected: Some(expected), .. }) => Some(Kind::Conflict(*expected)),
        ("not_found", Effect::Update { .. } | Effect::Delete { .. }) => Some(MISSING),
        _ => None,
    }
}

/// Returns when the same user first sent this content without getting an answer: the effect of a repeated request may be that of the first one.
fn first_attempt(history: &History, op: &Op, digest: u64, key: Option<&Arc<str>>) -> Option<u64> {
    let is_attempt = |other: &&Op| {
        let same_target = match &other.effect {
            Effect::Write { .. } => key.is_none(),
            Effect::Update { key: updated, .. } => key == Some(updated),
            _ => false,
        };
        same_target && matches!(other.outcome, Outcome::Unknown(_)) && is_same_user(other, op)
    };
    let attempts = history.writers(digest).iter().map(|at| history.op(*at)).filter(is_attempt);
    attempts.map(|other| other.invoke_us).min()
}

/// Returns true if one user made both calls.
pub(crate) fn is_same_user(one: &Op, other: &Op) -> bool {
    one.tenant == other.tenant && one.user == other.user && one.workspace == other.workspace
}

/// Returns true if both users read the shared records of one workspace. A scenario writes a workspace that is not the default one behind the name of
/// the user, as `ann@ops`.
pub(crate) fn is_same_workspace(one: &Op, other: &Op) -> bool {
    let suffix = |op: &Op| op.user.find('@');
    let name = |op: &'_ Op| suffix(op).map(|at| at..);
    let same_suffix = match (name(one), name(other)) {
        (Some(at), Some(of_other)) => one.user[at] == other.user[of_other],
        (None, None) => true,
        _ => false,
    };
    one.tenant == other.tenant && one.workspace == other.workspace && same_suffix
}

/// The acknowledged calls that created one record.
#[derive(Default)]
struct Creations<'h> {
    found: Vec<(Event<'h>, &'h Op, bool)>,
}

impl<'h> Creations<'h> {
    fn add(&mut self, event: Event<'h>, op: &'h Op, imported: bool) {
        self.found.push((event, op, imported));
    }

    /// Adds the creation to the events, and returns the call that made it. Acknowledgements of one content to one user are one creation, because a
    /// service repeats its reply for an idempotency key. An import that found the record says nothing of that, so it saw the record.
    fn finish(mut self, history: &'h History, events: &mut Vec<Event<'h>>) -> Option<&'h Op> {
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
            if other.digest == value.digest && is_same_user(op, creator) {
                creation.from_us = creation.from_us.min(event.from_us);
            } else if imported {
                events.push(Event { kind: Kind::Seen(other), ..event });
            } else {
                events.push(event);
            }
        }
        let attempt = value.digest.and_then(|digest| first_attempt(history, creator, digest, None));
        creation.from_us = creation.from_us.min(attempt.unwrap_or(u64::MAX));
        events.push(creation);
        Some(creator)
    }
}

/// Adds the unanswered writes that may have created the record, by the contents that were seen in it. Returns the first.
fn unanswered<'h>(history: &'h History, events: &mut Vec<Event<'h>>) -> Option<&'h Op> {
    let seen = events.iter().filter_map(|event| match event.kind {
        Kind::Seen(value) => value.digest,
        _ => None,
    });
    let mut digests: Vec<u64> = seen.collect();
    digests.sort_unstable();
    digests.dedup();
    let mut creator = None;
    for digest in digests {
        for at in history.writers(digest) {
            let op = history.op(*at);
            if let Effect::Write { key: None, value, .. } = &op.effect
                && op.outcome != Outcome::Ok
            {
                let kind = Kind::Create(value);
                events.push(Event { at: *at, from_us: op.invoke_us, until_us: u64::MAX, kind });
                creator.get_or_insert(op);
            }
        }
    }
    creator
}

/// Resolves to whom the record was missing. Drops the calls of users of other workspaces, for whom it is always missing.
fn resolve_missing(history: &History, creator: &Op, events: &mut Vec<Event<'_>>) {
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
    let is_answer = |event: &Event<'_>| matches!(history.op(event.at).effect, Effect::Write { existing: true, .. });
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
        let Some(digest) = value.digest else { return true };
        let op = history.op(event.at);
        known.insert((digest, value.version, seen, &op.tenant, &op.user))
    });
}
