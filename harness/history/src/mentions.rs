//! Which calls mention which record, in a request or a reply.

use crate::store::{Groups, Store};
use crate::view::{EffectRef, KeyRef, OpRef};

/// Where the calls of a history mention records.
#[derive(Debug)]
pub(crate) struct Mentions {
    /// The numbers of the records of all organisations, in the order of their first mention.
    pub(crate) order: Vec<u32>,
    /// For each record: the calls that mention it, once for each mention.
    pub(crate) calls: Groups,
}

impl Mentions {
    /// Finds every mention.
    pub(crate) fn of(store: &Store) -> Self {
        let effects = || (0..store.len()).map(|at| (at, OpRef::new(store, at).effect()));
        let mut order = Vec::new();
        let mut is_known = vec![false; store.records.len() as usize];
        for (_, effect) in effects() {
            for_each_mention(effect, |key| {
                if !std::mem::replace(&mut is_known[key.number() as usize], true) {
                    order.push(key.number());
                }
            });
        }
        let calls = Groups::of(store.records.len(), |add| {
            for (at, effect) in effects() {
                for_each_mention(effect, |key| add(key.number(), at));
            }
        });
        Self { order, calls }
    }
}

/// Calls `mention` for each id in the request or the reply of a call.
fn for_each_mention<'h>(effect: EffectRef<'h>, mut mention: impl FnMut(KeyRef<'h>)) {
    match effect {
        EffectRef::Write { key: Some(key), .. }
        | EffectRef::Update { key, .. }
        | EffectRef::Delete { key }
        | EffectRef::Read { key, .. } => mention(key),
        EffectRef::Writes { records } | EffectRef::Scan { hits: records, .. } => {
            records.iter().for_each(|(key, _)| mention(key));
        }
        EffectRef::Deletes { keys } => keys.iter().for_each(mention),
        _ => {}
    }
}
