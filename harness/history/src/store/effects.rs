//! What a call did, as a few numbers: the kind, then the numbers of ids, texts and states, and the rest as it is. `view/effect.rs` reads them.

use super::number::NONE;
use super::states::StateRow;
use super::{Packer, Store};
use crate::op::{Effect, Query, RecordState, VerdictKind, Workflow, WorkflowEnd};
use std::sync::Arc;

/// The kind of an effect: the first byte of its first number. The other bytes are its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    None,
    Write,
    Writes,
    Update,
    Delete,
    Deletes,
    Read,
    Scan,
    Verdict,
    Inject,
    Workflow,
    Outage,
}

const TAGS: [Tag; 12] = [
    Tag::None,
    Tag::Write,
    Tag::Writes,
    Tag::Update,
    Tag::Delete,
    Tag::Deletes,
    Tag::Read,
    Tag::Scan,
    Tag::Verdict,
    Tag::Inject,
    Tag::Workflow,
    Tag::Outage,
];

const TAG_BITS: u32 = 8;

/// Flags of a write or an outage.
pub(crate) const SET: u32 = 1;
/// Flags of a query. Without `QUERY` a scan has none.
pub(crate) const QUERY: u32 = 1;
pub(crate) const MORE: u32 = 1 << 1;
pub(crate) const WORDS: u32 = 1 << 2;
pub(crate) const TAGGED: u32 = 1 << 3;
pub(crate) const TARGET: u32 = 1 << 4;
/// Flag of a number of 64 bits that follows: the lifetime of a verdict, or the version that an update expects.
pub(crate) const LONG: u32 = 1 << 2;
/// Flag of a workflow with a risky action.
pub(crate) const RISKY: u32 = 1 << 2;
/// Bits of a flag that are the kind of a verdict, or the status of a workflow.
pub(crate) const KIND: u32 = 3;

/// Reads the numbers of an effect, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Words<'h> {
    rest: &'h [u32],
}

impl<'h> Words<'h> {
    /// Returns the kind and the flags of the effect at a position, and what follows.
    pub(crate) fn at(store: &'h Store, position: u32) -> (Tag, u32, Self) {
        let mut words = Self { rest: &store.words[position as usize..] };
        let first = words.next();
        (TAGS[(first & ((1 << TAG_BITS) - 1)) as usize], first >> TAG_BITS, words)
    }

    pub(crate) fn next(&mut self) -> u32 {
        let (first, rest) = self.rest.split_first().expect("an effect ends where its last number was read");
        self.rest = rest;
        *first
    }

    pub(crate) fn optional(&mut self) -> Option<u32> {
        Some(self.next()).filter(|word| *word != NONE)
    }

    pub(crate) fn long(&mut self) -> u64 {
        u64::from(self.next()) | u64::from(self.next()) << u32::BITS
    }

    /// Returns a list of elements of this number of words each, with its length before it.
    pub(crate) fn list(&mut self, each: usize) -> &'h [u32] {
        let length = self.next() as usize * each;
        let (list, rest) = self.rest.split_at(length);
        self.rest = rest;
        list
    }
}

impl Packer {
    /// Packs an effect of a call by this organisation, and returns its position.
    pub(super) fn effect(&mut self, tenant: u32, effect: &Effect) -> u32 {
        // Calls without a fact share one place.
        if self.store.words.is_empty() {
            self.add(&[first(Tag::None, 0)]);
        }
        if effect.is_none() {
            return 0;
        }
        let position = self.store.words.len() as u32;
        match effect {
            Effect::None => {}
            Effect::Write { key, value, existing } => {
                let key = key.as_ref().map_or(NONE, |key| self.record(tenant, key));
                let state = self.state(value);
                self.add(&[first(Tag::Write, if *existing { SET } else { 0 }), key, state]);
            }
            Effect::Writes { records } => {
                self.add(&[first(Tag::Writes, 0)]);
                self.records(tenant, records);
            }
            Effect::Update { key, value, expected } => {
                let (key, state) = (self.record(tenant, key), self.state(value));
                self.add(&[first(Tag::Update, if expected.is_some() { LONG } else { 0 }), key, state]);
                self.long(*expected);
            }
            Effect::Delete { key } => {
                let key = self.record(tenant, key);
                self.add(&[first(Tag::Delete, 0), key]);
            }
            Effect::Deletes { keys } => {
                self.add(&[first(Tag::Deletes, 0), keys.len() as u32]);
                for key in keys {
                    let key = self.record(tenant, key);
                    self.add(&[key]);
                }
            }
            Effect::Read { key, value } => {
                let key = self.record(tenant, key);
                let state = value.as_ref().map_or(NONE, |value| self.state(value));
                self.add(&[first(Tag::Read, 0), key, state]);
            }
            Effect::Scan { hits, query } => {
                self.query(tenant, query.as_deref());
                self.records(tenant, hits);
            }
            Effect::Verdict { verdict, kind, execution, request, rules, user, lifetime_s } => {
                let texts = [verdict, execution, request, rules, user].map(|text| self.text(text));
                let lifetime = if lifetime_s.is_some() { LONG } else { 0 };
                self.add(&[first(Tag::Verdict, *kind as u32 | lifetime)]);
                self.add(&texts);
                self.long(*lifetime_s);
            }
            Effect::Inject { pattern, execution, request, verdict } => {
                let texts = [pattern, execution, request].map(|text| self.text(text));
                let verdict = self.optional_text(verdict.as_ref());
                self.add(&[first(Tag::Inject, 0)]);
                self.add(&texts);
                self.add(&[verdict]);
            }
            Effect::Workflow(ended) => self.workflow(ended),
            Effect::Outage { service, down } => {
                let service = self.text(service);
                self.add(&[first(Tag::Outage, if *down { SET } else { 0 }), service]);
            }
        }
        position
    }

    fn workflow(&mut self, ended: &Workflow) {
        let Workflow { execution, key, status, reasons, fallbacks, risky, verdict, rules, pattern, injected } = ended;
        let texts = [execution, key, verdict, rules, pattern, injected].map(|text| self.optional_text(text.as_ref()));
        self.add(&[first(Tag::Workflow, *status as u32 | if *risky { RISKY } else { 0 })]);
        self.add(&texts);
        for list in [reasons, fallbacks] {
            self.add(&[list.len() as u32]);
            for text in list {
                let text = self.text(text);
                self.add(&[text]);
            }
        }
    }

    fn query(&mut self, tenant: u32, query: Option<&Query>) {
        let Some(query) = query else { return self.add(&[first(Tag::Scan, 0)]) };
        let bit = |has: bool, bit: u32| if has { bit } else { 0 };
        let flags = QUERY
            | bit(query.more, MORE)
            | bit(query.words.is_some(), WORDS)
            | bit(query.tags.is_some(), TAGGED)
            | bit(query.target.is_some(), TARGET);
        self.add(&[first(Tag::Scan, flags), query.page]);
        let target = query.target.as_ref().map(|target| self.record(tenant, target));
        for word in [query.words, query.tags, target].into_iter().flatten() {
            self.add(&[word]);
        }
    }

    fn records(&mut self, tenant: u32, records: &[(Arc<str>, RecordState)]) {
        self.add(&[records.len() as u32]);
        for (key, value) in records {
            let pair = [self.record(tenant, key), self.state(value)];
            self.add(&pair);
        }
    }

    fn state(&mut self, state: &RecordState) -> u32 {
        let author = state.canary.as_ref().map(|canary| {
            let user = self.user(&canary.tenant, &canary.user, canary.workspace.as_deref());
            super::number(&mut self.authors, &mut self.store.authors, &user)
        });
        self.states.number(&mut self.store.states, &StateRow::new(state, author))
    }

    fn optional_text(&mut self, text: Option<&Arc<str>>) -> u32 {
        text.map_or(NONE, |text| self.text(text))
    }

    fn long(&mut self, number: Option<u64>) {
        if let Some(number) = number {
            self.add(&[number as u32, (number >> u32::BITS) as u32]);
        }
    }

    fn add(&mut self, words: &[u32]) {
        self.store.words.extend_from_slice(words);
    }
}

const fn first(tag: Tag, flags: u32) -> u32 {
    tag as u32 | flags << TAG_BITS
}

/// The kind of a verdict whose flags these are.
pub(crate) const fn verdict_kind(flags: u32) -> VerdictKind {
    match flags & KIND {
        0 => VerdictKind::Allow,
        1 => VerdictKind::Acknowledge,
        _ => VerdictKind::Acknowledged,
    }
}

/// The status of a workflow whose flags these are.
pub(crate) const fn workflow_end(flags: u32) -> WorkflowEnd {
    match flags & KIND {
        0 => WorkflowEnd::Completed,
        1 => WorkflowEnd::Degraded,
        2 => WorkflowEnd::Blocked,
        _ => WorkflowEnd::AcknowledgementRequired,
    }
}
