//! Walks: the pages that one user got of one list or search, from the first page on.

use crate::history::History;
use crate::view::{EffectRef, KeyRef, OpRef, QueryRef, StateRef};
use std::collections::HashMap;

/// One walk, or a part of it from its first page on.
#[derive(Debug)]
pub(crate) struct Walk {
    /// Positions of its pages.
    pub(crate) pages: Vec<u32>,
    /// True if its last page was the last of all.
    pub(crate) is_whole: bool,
}

impl Walk {
    pub(crate) fn first<'h>(&self, history: &'h History) -> OpRef<'h> {
        history.op(self.pages[0])
    }

    pub(crate) fn last<'h>(&self, history: &'h History) -> OpRef<'h> {
        history.op(self.pages[self.pages.len() - 1])
    }

    pub(crate) fn query<'h>(&self, history: &'h History) -> Option<QueryRef<'h>> {
        query(self.first(history))
    }

    /// The records of all pages in order, each with the position of its page.
    pub(crate) fn hits<'h>(&self, history: &'h History) -> impl Iterator<Item = (u32, KeyRef<'h>, StateRef<'h>)> {
        let pages = self.pages.iter().copied();
        pages.flat_map(move |at| history.op(at).effect().returned().map(move |(key, value)| (at, key, value)))
    }
}

fn query(op: OpRef<'_>) -> Option<QueryRef<'_>> {
    match op.effect() {
        EffectRef::Scan { query, .. } => query,
        _ => None,
    }
}

/// Returns the walks of a history whose requests were recorded. A scan for one record is no walk, nor is a page without those before it.
pub(crate) fn walks(history: &History) -> Vec<Walk> {
    let mut walks: Vec<Walk> = Vec::new();
    // For each user: the walk that its last scan belongs to.
    let mut open: HashMap<u32, usize> = HashMap::new();
    for (at, op) in history.answered() {
        let Some(page) = query(op).filter(|query| query.target.is_none()) else { continue };
        if page.page == 0 {
            open.insert(op.process(), walks.len());
            walks.push(Walk { pages: vec![at], is_whole: !page.more });
            continue;
        }
        let Some(walk) = open.get(&op.process()).map(|number| &mut walks[*number]) else { continue };
        let last = walk.query(history).map(|query| (query.words, query.tags));
        if last == Some((page.words, page.tags)) && walk.pages.len() as u32 == page.page && !walk.is_whole {
            walk.pages.push(at);
            walk.is_whole = !page.more;
        }
    }
    walks
}
