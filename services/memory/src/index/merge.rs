//! Adds places to all blocks of a term at a time, for a store that reads and writes many blocks with one statement.

use super::block::{self, Block, Posting};

/// What changes in the blocks of a term.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The first memories of blocks that are gone.
    pub removed: Vec<i64>,
    /// Blocks that are new, or replace the one with the same first memory.
    pub written: Vec<Block>,
}

impl Change {
    /// Replaces the block that began with the memory `replaced`.
    fn replace(&mut self, replaced: i64, blocks: Vec<Block>) {
        if blocks.iter().all(|block| block.first != replaced) {
            self.removed.push(replaced);
        }
        self.written.extend(blocks);
    }
}

/// Adds places to the blocks of a term. Both are in order. The blocks before the one that holds the first place may be omitted.
pub fn add(blocks: Vec<Block>, places: &[Posting<'_>]) -> Change {
    let (mut change, mut rest) = (Change::default(), places);
    let mut blocks = blocks.into_iter().peekable();
    while let Some(block) = blocks.next() {
        // What is older than every block goes to the first one.
        let end = blocks.peek().map_or(rest.len(), |next| rest.partition_point(|place| place.memory < next.first));
        let (these, later) = rest.split_at(end);
        rest = later;
        if !these.is_empty() {
            let replaced = block.first;
            change.replace(replaced, block::added(block, these));
        }
    }
    if !rest.is_empty() {
        change.written.extend(block::blocks(rest));
    }
    change
}

/// Removes the place of a memory from the block that holds it.
pub fn remove(block: &Block, memory: i64) -> Change {
    let mut change = Change::default();
    change.replace(block.first, block::removed(block, memory));
    change
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn places(memories: &[i64], length: u64) -> Vec<Posting<'static>> {
        let place = |memory: &i64| Posting { memory: *memory, frequency: 1, length, day: 1, forms: &[7] };
        memories.iter().map(place).collect()
    }

    fn apply(table: &mut BTreeMap<i64, Block>, change: Change) {
        for first in change.removed {
            assert!(table.remove(&first).is_some(), "{first} is not there");
        }
        table.extend(change.written.into_iter().map(|block| (block.first, block)));
    }

    fn read(table: &BTreeMap<i64, Block>) -> Vec<(i64, u64)> {
        let places = table.values().flat_map(|block| block::places(block.first, &block.bytes));
        places.map(|place| (place.memory, place.length)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn a_table_of_blocks_has_what_was_added_and_not_removed(
            steps in prop::collection::vec((prop::collection::btree_set(1..3_000i64, 1..400), any::<prop::sample::Index>()), 1..6)
        ) {
            let (mut table, mut model) = (BTreeMap::new(), BTreeMap::new());
            for (round, (memories, removed)) in steps.into_iter().enumerate() {
                let (memories, length): (Vec<i64>, u64) = (memories.into_iter().collect(), round as u64 + 1);
                // As a store does, without the blocks before the one of the first place.
                let from = table.range(..=memories[0]).next_back().map_or(0, |(first, _): (&i64, &Block)| *first);
                let blocks = table.range(from..).map(|(_, block)| block.clone()).collect();
                apply(&mut table, add(blocks, &places(&memories, length)));
                model.extend(memories.iter().map(|memory| (*memory, length)));
                prop_assert_eq!(read(&table), model.clone().into_iter().collect::<Vec<_>>());
                let memory = memories[removed.index(memories.len())];
                let block = table.range(..=memory).next_back().unwrap().1.clone();
                apply(&mut table, remove(&block, memory));
                model.remove(&memory);
                prop_assert_eq!(read(&table), model.clone().into_iter().collect::<Vec<_>>());
            }
        }
    }
}
