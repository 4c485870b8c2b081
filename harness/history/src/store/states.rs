//! States of records by number: each different state is kept once. Most reads return a state that a write has sent.

use super::number::NONE;
use crate::op::{RecordState, Visibility};
use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};

/// One state. A field that the state does not have is 0, or [`NONE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StateRow {
    digest: u64,
    version: u64,
    /// Number of its content, counted by the writer.
    pub(crate) mark: u64,
    tags: u32,
    /// Number of the writer of its content; [`NONE`] without a mark.
    pub(crate) author: u32,
    /// Number of its digest; [`NONE`] without one. Set when all states are known.
    pub(crate) content: u32,
    has: u8,
}

// The bits of `StateRow::has`. One byte, because a state then takes 40 bytes and not 48.
const DIGEST: u8 = 1;
const VERSION: u8 = 1 << 1;
const TAGS: u8 = 1 << 2;
const PRIVATE: u8 = 1 << 3;
const WORKSPACE: u8 = 1 << 4;
/// The mark says that a whole workspace may read the content.
const SHARED: u8 = 1 << 5;

impl StateRow {
    /// Packs a state; `author` is the number of the writer of its content, if the content has a mark.
    pub(super) fn new(state: &RecordState, author: Option<u32>) -> Self {
        let RecordState { digest, canary, version, visibility, tags } = state;
        let bit = |has: bool, bit: u8| if has { bit } else { 0 };
        Self {
            digest: digest.unwrap_or_default(),
            version: version.unwrap_or_default(),
            mark: canary.as_ref().map_or(0, |canary| canary.number),
            tags: tags.unwrap_or_default(),
            author: author.unwrap_or(NONE),
            content: NONE,
            has: bit(digest.is_some(), DIGEST)
                | bit(version.is_some(), VERSION)
                | bit(tags.is_some(), TAGS)
                | bit(*visibility == Some(Visibility::Private), PRIVATE)
                | bit(*visibility == Some(Visibility::Workspace), WORKSPACE)
                | bit(canary.as_ref().is_some_and(|canary| canary.shared), SHARED),
        }
    }

    pub(crate) fn digest(&self) -> Option<u64> {
        self.has(DIGEST).then_some(self.digest)
    }

    pub(crate) fn version(&self) -> Option<u64> {
        self.has(VERSION).then_some(self.version)
    }

    pub(crate) fn tags(&self) -> Option<u32> {
        self.has(TAGS).then_some(self.tags)
    }

    pub(crate) const fn visibility(&self) -> Option<Visibility> {
        match (self.has(PRIVATE), self.has(WORKSPACE)) {
            (true, _) => Some(Visibility::Private),
            (false, true) => Some(Visibility::Workspace),
            (false, false) => None,
        }
    }

    pub(crate) const fn is_shared(&self) -> bool {
        self.has(SHARED)
    }

    const fn has(&self, bit: u8) -> bool {
        self.has & bit != 0
    }
}

/// Finds the number of a state. It is needed only while states are added.
#[derive(Debug, Default)]
pub(super) struct States {
    numbers: HashTable<u32>,
    hasher: RandomState,
}

impl States {
    /// Returns the number of a state, which is added if it is new.
    pub(super) fn number(&mut self, rows: &mut Vec<StateRow>, row: &StateRow) -> u32 {
        let hash = self.hasher.hash_one(row);
        if let Some(number) = self.numbers.find(hash, |number| rows[*number as usize] == *row) {
            return *number;
        }
        let number = rows.len() as u32;
        rows.push(*row);
        self.numbers.insert_unique(hash, number, |number| self.hasher.hash_one(rows[*number as usize]));
        number
    }
}

/// Gives each different digest a number.
pub(super) fn number_contents(rows: &mut [StateRow]) {
    let numbers = 0..rows.len() as u32;
    let mut order: Vec<u32> = numbers.filter(|number| rows[*number as usize].has(DIGEST)).collect();
    order.sort_unstable_by_key(|number| rows[*number as usize].digest);
    let (mut content, mut last) = (NONE, None);
    for number in order {
        let row = &mut rows[number as usize];
        if last != Some(row.digest) {
            content = content.wrapping_add(1);
            last = Some(row.digest);
        }
        row.content = content;
    }
}
