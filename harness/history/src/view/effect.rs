//! What a call of a history did.

use super::state::StateRef;
use crate::op::{Effect, Query, VerdictKind, Workflow, WorkflowEnd};
use crate::store::{
    LONG, MORE, NONE, QUERY, RISKY, SET, Store, TAGGED, TARGET, Tag, WORDS, Words, verdict_kind, workflow_end,
};
use std::fmt;

/// What a call of a history did; see [`Effect`].
#[derive(Clone, Copy)]
#[expect(missing_docs, reason = "its variants and fields are those of `Effect`")]
pub enum EffectRef<'h> {
    None,
    Write {
        key: Option<KeyRef<'h>>,
        value: StateRef<'h>,
        existing: bool,
    },
    Writes {
        records: RecordsRef<'h>,
    },
    Update {
        key: KeyRef<'h>,
        value: StateRef<'h>,
        expected: Option<u64>,
    },
    Delete {
        key: KeyRef<'h>,
    },
    Deletes {
        keys: KeysRef<'h>,
    },
    Read {
        key: KeyRef<'h>,
        value: Option<StateRef<'h>>,
    },
    Scan {
        hits: RecordsRef<'h>,
        query: Option<QueryRef<'h>>,
    },
    Verdict {
        verdict: &'h str,
        kind: VerdictKind,
        execution: &'h str,
        request: &'h str,
        rules: &'h str,
        user: &'h str,
        lifetime_s: Option<u64>,
    },
    Inject {
        pattern: &'h str,
        execution: &'h str,
        request: &'h str,
        verdict: Option<&'h str>,
    },
    Workflow(WorkflowRef<'h>),
    Outage {
        service: &'h str,
        down: bool,
    },
}

/// The id of a record of the organisation whose call named it. Two of one history are equal if both the organisation and the id are.
#[derive(Clone, Copy)]
pub struct KeyRef<'h> {
    store: &'h Store,
    number: u32,
}

/// Ids of records.
#[derive(Clone, Copy)]
pub struct KeysRef<'h> {
    store: &'h Store,
    numbers: &'h [u32],
}

/// Ids of records with their states.
#[derive(Clone, Copy)]
pub struct RecordsRef<'h> {
    store: &'h Store,
    /// Two numbers for each record.
    pairs: &'h [u32],
}

/// Texts.
#[derive(Clone, Copy)]
pub struct TextsRef<'h> {
    store: &'h Store,
    numbers: &'h [u32],
}

/// The request of a scan; see [`Query`].
#[derive(Clone, Copy)]
#[expect(missing_docs, reason = "its fields are those of `Query`")]
pub struct QueryRef<'h> {
    pub words: Option<u32>,
    pub tags: Option<u32>,
    pub page: u32,
    pub more: bool,
    pub target: Option<KeyRef<'h>>,
}

/// How a workflow ended; see [`Workflow`].
#[derive(Clone, Copy)]
#[expect(missing_docs, reason = "its fields are those of `Workflow`")]
pub struct WorkflowRef<'h> {
    pub execution: Option<&'h str>,
    pub key: Option<&'h str>,
    pub status: WorkflowEnd,
    pub reasons: TextsRef<'h>,
    pub fallbacks: TextsRef<'h>,
    pub risky: bool,
    pub verdict: Option<&'h str>,
    pub rules: Option<&'h str>,
    pub pattern: Option<&'h str>,
    pub injected: Option<&'h str>,
}

impl<'h> EffectRef<'h> {
    /// Reads the effect at a position of the words.
    pub(crate) fn at(store: &'h Store, position: u32) -> Self {
        let (tag, flags, mut words) = Words::at(store, position);
        let key = |number| KeyRef { store, number };
        let state = |number| StateRef::new(store, number);
        let text = |number| store.texts.get(number);
        match tag {
            Tag::None => Self::None,
            Tag::Write => {
                Self::Write { key: words.optional().map(key), value: state(words.next()), existing: flags & SET != 0 }
            }
            Tag::Writes => Self::Writes { records: RecordsRef { store, pairs: words.list(2) } },
            Tag::Update => Self::Update {
                key: key(words.next()),
                value: state(words.next()),
                expected: (flags & LONG != 0).then(|| words.long()),
            },
            Tag::Delete => Self::Delete { key: key(words.next()) },
            Tag::Deletes => Self::Deletes { keys: KeysRef { store, numbers: words.list(1) } },
            Tag::Read => Self::Read { key: key(words.next()), value: words.optional().map(state) },
            Tag::Scan => {
                let query = (flags & QUERY != 0).then(|| QueryRef::read(store, flags, &mut words));
                Self::Scan { hits: RecordsRef { store, pairs: words.list(2) }, query }
            }
            Tag::Verdict => Self::Verdict {
                kind: verdict_kind(flags),
                verdict: text(words.next()),
                execution: text(words.next()),
                request: text(words.next()),
                rules: text(words.next()),
                user: text(words.next()),
                lifetime_s: (flags & LONG != 0).then(|| words.long()),
            },
            Tag::Inject => Self::Inject {
                pattern: text(words.next()),
                execution: text(words.next()),
                request: text(words.next()),
                verdict: words.optional().map(text),
            },
            Tag::Workflow => Self::Workflow(WorkflowRef::read(store, flags, words)),
            Tag::Outage => Self::Outage { service: text(words.next()), down: flags & SET != 0 },
        }
    }

    /// Returns true if no check uses the call.
    pub const fn is_none(self) -> bool {
        matches!(self, Self::None)
    }

    /// Returns each content that the call tried to write: the id of its record (if the service returned one), its digest, and the whole state.
    pub fn contents(self) -> impl Iterator<Item = (Option<KeyRef<'h>>, u64, StateRef<'h>)> {
        let one = match self {
            Self::Write { key, value, .. } => Some((key, value)),
            Self::Update { key, value, .. } => Some((Some(key), value)),
            _ => None,
        };
        let many = match self {
            Self::Writes { records } => Some(records),
            _ => None,
        };
        let many = many.into_iter().flat_map(RecordsRef::iter);
        let many = many.map(|(key, value)| (Some(key).filter(|key| !key.name().is_empty()), value));
        // An update that omits the content has no digest, and writes no content.
        one.into_iter().chain(many).filter_map(|(key, value)| Some((key, value.digest()?, value)))
    }

    /// Returns true if the call tried to write this content.
    pub fn wrote(self, content: u64) -> bool {
        self.contents().any(|(_, digest, _)| digest == content)
    }

    /// Returns the records in the reply of a read or a scan.
    pub fn returned(self) -> impl Iterator<Item = (KeyRef<'h>, StateRef<'h>)> {
        let one = match self {
            Self::Read { key, value: Some(value) } => Some((key, value)),
            _ => None,
        };
        let many = match self {
            Self::Scan { hits, .. } => Some(hits),
            _ => None,
        };
        one.into_iter().chain(many.into_iter().flat_map(RecordsRef::iter))
    }

    /// Returns the ids of the records that the call tried to delete.
    pub fn deleted(self) -> impl Iterator<Item = KeyRef<'h>> {
        let one = match self {
            Self::Delete { key } => Some(key),
            _ => None,
        };
        let many = match self {
            Self::Deletes { keys } => Some(keys),
            _ => None,
        };
        one.into_iter().chain(many.into_iter().flat_map(KeysRef::iter))
    }

    /// Returns the effect as it was recorded.
    pub fn to_effect(self) -> Effect {
        let record = |(key, value): (KeyRef<'_>, StateRef<'_>)| (key.name().into(), value.to_state());
        match self {
            Self::None => Effect::None,
            Self::Write { key, value, existing } => {
                Effect::Write { key: key.map(|key| key.name().into()), value: value.to_state(), existing }
            }
            Self::Writes { records } => Effect::Writes { records: records.iter().map(record).collect() },
            Self::Update { key, value, expected } => {
                Effect::Update { key: key.name().into(), value: value.to_state(), expected }
            }
            Self::Delete { key } => Effect::Delete { key: key.name().into() },
            Self::Deletes { keys } => Effect::Deletes { keys: keys.iter().map(|key| key.name().into()).collect() },
            Self::Read { key, value } => Effect::Read { key: key.name().into(), value: value.map(StateRef::to_state) },
            Self::Scan { hits, query } => Effect::Scan {
                hits: hits.iter().map(record).collect(),
                query: query.map(|query| Box::new(query.to_query())),
            },
            Self::Verdict { verdict, kind, execution, request, rules, user, lifetime_s } => Effect::Verdict {
                verdict: verdict.into(),
                kind,
                execution: execution.into(),
                request: request.into(),
                rules: rules.into(),
                user: user.into(),
                lifetime_s,
            },
            Self::Inject { pattern, execution, request, verdict } => Effect::Inject {
                pattern: pattern.into(),
                execution: execution.into(),
                request: request.into(),
                verdict: verdict.map(Into::into),
            },
            Self::Workflow(ended) => Effect::Workflow(ended.to_workflow()),
            Self::Outage { service, down } => Effect::Outage { service: service.into(), down },
        }
    }
}

impl<'h> KeyRef<'h> {
    /// The id.
    pub fn name(self) -> &'h str {
        self.store.records.id(self.number)
    }

    /// Returns true if the ids are equal, also if the records belong to two organisations.
    pub(crate) fn has_id_of(self, other: Self) -> bool {
        self == other || self.id_number() == other.id_number()
    }

    /// The number of the id, which the records of all organisations with this id have in common.
    pub(crate) fn id_number(self) -> u32 {
        self.store.records.first(self.number)
    }

    /// The records of other organisations that have this id.
    pub(crate) fn elsewhere(self) -> impl Iterator<Item = Self> {
        self.store.records.elsewhere(self.number).map(move |number| Self { number, ..self })
    }

    /// The number of the record in its history, from 0 without a gap.
    pub(crate) const fn number(self) -> u32 {
        self.number
    }

    pub(crate) const fn of(store: &'h Store, number: u32) -> Self {
        Self { store, number }
    }
}

impl PartialEq for KeyRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for KeyRef<'_> {}

impl fmt::Display for KeyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<'h> KeysRef<'h> {
    /// The ids, in their order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = KeyRef<'h>> {
        self.numbers.iter().map(move |number| KeyRef { store: self.store, number: *number })
    }
}

impl<'h> RecordsRef<'h> {
    /// The records, in their order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = (KeyRef<'h>, StateRef<'h>)> {
        self.pairs.chunks_exact(2).map(move |pair| self.record(pair))
    }

    /// The state of the record with this id. If the reply has it several times, `turn` is the position among these, from 0.
    pub(crate) fn state_of(self, key: KeyRef<'_>, turn: usize) -> Option<StateRef<'h>> {
        let mut pairs = self.pairs.chunks_exact(2).filter(|pair| pair[0] == key.number);
        pairs.nth(turn).map(|pair| self.record(pair).1)
    }

    fn record(self, pair: &[u32]) -> (KeyRef<'h>, StateRef<'h>) {
        (KeyRef { store: self.store, number: pair[0] }, StateRef::new(self.store, pair[1]))
    }
}

impl<'h> TextsRef<'h> {
    /// The texts, in their order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'h str> {
        self.numbers.iter().map(move |number| self.store.texts.get(*number))
    }

    /// Returns true if there is none.
    pub const fn is_empty(self) -> bool {
        self.numbers.is_empty()
    }

    /// Returns true if one of them is this one.
    pub fn contains(self, text: &str) -> bool {
        self.iter().any(|one| one == text)
    }

    /// Returns them as a list for people.
    pub fn joined(self) -> String {
        self.iter().collect::<Vec<&str>>().join(", ")
    }
}

impl<'h> QueryRef<'h> {
    fn read(store: &'h Store, flags: u32, words: &mut Words<'h>) -> Self {
        let page = words.next();
        let mut next = |flag: u32| (flags & flag != 0).then(|| words.next());
        Self {
            words: next(WORDS),
            tags: next(TAGGED),
            page,
            more: flags & MORE != 0,
            target: next(TARGET).map(|number| KeyRef { store, number }),
        }
    }

    fn to_query(self) -> Query {
        let Self { words, tags, page, more, target } = self;
        Query { words, tags, page, more, target: target.map(|target| target.name().into()) }
    }
}

impl<'h> WorkflowRef<'h> {
    fn read(store: &'h Store, flags: u32, mut words: Words<'h>) -> Self {
        let text = |number: u32| (number != NONE).then(|| store.texts.get(number));
        let [execution, key, verdict, rules, pattern, injected] = std::array::from_fn(|_| text(words.next()));
        let [reasons, fallbacks] = std::array::from_fn(|_| TextsRef { store, numbers: words.list(1) });
        let (status, risky) = (workflow_end(flags), flags & RISKY != 0);
        Self { execution, key, status, reasons, fallbacks, risky, verdict, rules, pattern, injected }
    }

    fn to_workflow(self) -> Workflow {
        Workflow {
            execution: self.execution.map(Into::into),
            key: self.key.map(Into::into),
            reasons: self.reasons.iter().map(Into::into).collect(),
            fallbacks: self.fallbacks.iter().map(Into::into).collect(),
            risky: self.risky,
            verdict: self.verdict.map(Into::into),
            rules: self.rules.map(Into::into),
            pattern: self.pattern.map(Into::into),
            injected: self.injected.map(Into::into),
            ..Workflow::ended(self.status)
        }
    }
}
