//! What a search ranks, whatever store it was read from.

use super::{SearchQuery, SearchWalk};
use crate::index::block::Block;
use crate::index::top::{Question, Scorer, UnblockedCandidate};
use crate::ranking::{self, Weight};
use std::collections::HashSet;

/// What the index has of a scope of the tenant.
pub(super) struct ScopeIndex {
    pub(super) newest_day: i64,
    /// Blocks by concept.
    pub(super) lists: Vec<Vec<Block>>,
    /// Memories that are not in blocks and have a concept.
    pub(super) recent: Vec<UnblockedCandidate>,
}

/// Memories whose text or readers were changed after the first page of a walk, and that the tenant could see before.
#[derive(Default)]
pub(super) struct Earlier {
    pub(super) changed: HashSet<i64>,
    /// As they were at the first page.
    pub(super) memories: Vec<UnblockedCandidate>,
}

impl Earlier {
    /// Takes the earlier texts, each with the number of the change that replaced it.
    pub(super) fn of(mut rows: Vec<(i64, UnblockedCandidate)>) -> Self {
        // In the order of the changes, so that the first row of a memory is the text that was current at the first page.
        rows.sort_unstable_by_key(|(id, _)| *id);
        let mut earlier = Self::default();
        for (_, single) in rows {
            if earlier.changed.insert(single.memory) {
                earlier.memories.push(single);
            }
        }
        earlier
    }
}

/// Returns the number of memories that contain each concept.
pub(super) fn containing(scopes: &[ScopeIndex], concepts: usize) -> Vec<u64> {
    let mut containing = vec![0; concepts];
    for scope in scopes {
        for (containing, blocks) in containing.iter_mut().zip(&scope.lists) {
            *containing += blocks.iter().map(|block| block.places).sum::<u64>();
        }
        for single in &scope.recent {
            single.matches.iter().for_each(|(concept, ..)| containing[*concept] += 1);
        }
    }
    containing
}

pub(super) fn question(query: &SearchQuery, walk: &SearchWalk, excluded: HashSet<i64>) -> Question {
    let scorer = |(concept, containing): (&crate::terms::Concept, &u64)| Scorer {
        weight: Weight::new(walk.corpus, *containing, concept.weight),
        forms: concept.forms.clone(),
    };
    Question {
        scorers: query.terms.concepts.iter().zip(&walk.containing).map(scorer).collect(),
        today: ranking::day(query.as_of),
        limit: query.limit,
        after: query.after.as_ref().map(|after| after.rank),
        newest: walk.newest,
        excluded,
    }
}
