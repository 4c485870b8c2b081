//! Blocks of places: the memories that contain one term of one scope, in order of their numbers.

use super::bytes::{Numbers, write, write_signed};

/// Maximum number of places in a block.
// A place has about 6 bytes. SQLite keeps a row of up to 1,000 bytes in its leaf page; a longer one costs a page of its own.
const MAX_PLACES: u64 = 128;
const MAX_BYTES: usize = 800;

/// A block with what bounds the score of its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Number of the first memory.
    pub first: i64,
    pub places: u64,
    pub max_frequency: u64,
    pub min_length: u64,
    pub bytes: Vec<u8>,
}

/// A memory that contains a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting<'a> {
    /// Number of the memory.
    pub memory: i64,
    pub frequency: u64,
    /// Number of words of the memory.
    pub length: u64,
    /// Day on which the memory was created, since the epoch.
    pub day: i64,
    /// [`crate::terms::Entry::forms`].
    pub forms: &'a [u8],
}

/// Reads the places of a block in order.
#[derive(Debug, Clone)]
pub struct Postings<'a> {
    reader: Numbers<'a>,
    memory: i64,
    day: i64,
}

/// Reads the places of the block that begins with the memory `first`.
pub fn places(first: i64, bytes: &[u8]) -> Postings<'_> {
    Postings { reader: Numbers::new(bytes), memory: first, day: 0 }
}

impl<'a> Iterator for Postings<'a> {
    type Item = Posting<'a>;

    #[inline]
    fn next(&mut self) -> Option<Posting<'a>> {
        self.memory += self.reader.number()?.cast_signed();
        let head = self.reader.number()?;
        let length = self.reader.number()?;
        self.day += self.reader.signed()?;
        let forms = if head & 1 == 0 { 1 } else { usize::try_from(self.reader.number()?).ok()? };
        let forms = self.reader.take(forms)?;
        Some(Posting { memory: self.memory, frequency: head >> 1, length, day: self.day, forms })
    }
}

/// Writes places into as few blocks as possible.
#[derive(Debug, Default)]
struct Writer {
    blocks: Vec<Block>,
    /// Memory and day of the last place.
    memory: i64,
    day: i64,
}

impl Writer {
    /// Continues a block, whose last place has this memory and this day.
    fn resume(block: Block, memory: i64, day: i64) -> Self {
        Self { blocks: vec![block], memory, day }
    }

    fn push(&mut self, place: Posting<'_>) {
        let is_full = |block: &Block| block.places >= MAX_PLACES || block.bytes.len() >= MAX_BYTES;
        if self.blocks.last().is_none_or(is_full) {
            let (first, bytes) = (place.memory, Vec::new());
            self.blocks.push(Block { first, places: 0, max_frequency: 0, min_length: u64::MAX, bytes });
            (self.memory, self.day) = (place.memory, 0);
        }
        let Some(block) = self.blocks.last_mut() else { return };
        let is_single = place.forms.len() == 1;
        write(&mut block.bytes, (place.memory - self.memory).cast_unsigned());
        write(&mut block.bytes, (place.frequency << 1) | u64::from(!is_single));
        write(&mut block.bytes, place.length);
        write_signed(&mut block.bytes, place.day - self.day);
        if !is_single {
            write(&mut block.bytes, place.forms.len() as u64);
        }
        block.bytes.extend(place.forms);
        block.places += 1;
        block.max_frequency = block.max_frequency.max(place.frequency);
        block.min_length = block.min_length.min(place.length);
        (self.memory, self.day) = (place.memory, place.day);
    }
}

/// Returns the blocks of places, which are in order.
pub fn blocks(places: &[Posting<'_>]) -> Vec<Block> {
    let mut writer = Writer::default();
    places.iter().for_each(|place| writer.push(*place));
    writer.blocks
}

/// Adds places, which are in order, to a block. A memory that is there already gets the new place.
pub fn added(block: Block, new: &[Posting<'_>]) -> Vec<Block> {
    // New memories have the highest numbers, so most places go behind those of the block.
    let last = places(block.first, &block.bytes).last().map(|last| (last.memory, last.day));
    if let (Some((memory, day)), Some(first)) = (last, new.first())
        && memory < first.memory
    {
        let mut writer = Writer::resume(block, memory, day);
        new.iter().for_each(|place| writer.push(*place));
        return writer.blocks;
    }
    let mut writer = Writer::default();
    let mut new = new.iter().peekable();
    for place in places(block.first, &block.bytes) {
        while let Some(earlier) = new.next_if(|new| new.memory < place.memory) {
            writer.push(*earlier);
        }
        if new.peek().is_none_or(|new| new.memory != place.memory) {
            writer.push(place);
        }
    }
    new.for_each(|place| writer.push(*place));
    writer.blocks
}

/// Removes the place of a memory. Returns no block if it was the only one.
pub fn removed(block: &Block, memory: i64) -> Vec<Block> {
    let mut writer = Writer::default();
    places(block.first, &block.bytes).filter(|place| place.memory != memory).for_each(|place| writer.push(place));
    writer.blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Frequency, length, day and forms by memory.
    type Model = BTreeMap<i64, (u64, u64, i64, Vec<u8>)>;

    fn any_places(from: i64) -> impl Strategy<Value = Model> {
        let place = (1..300u64, 1..20_000u64, -10..30_000i64, prop::collection::vec(any::<u8>(), 0..4));
        prop::collection::btree_map(from..from + 1_000_000, place, 1..300)
    }

    fn borrowed(model: &Model) -> Vec<Posting<'_>> {
        model
            .iter()
            .map(|(memory, (frequency, length, day, forms))| Posting {
                memory: *memory,
                frequency: *frequency,
                length: *length,
                day: *day,
                forms,
            })
            .collect()
    }

    fn read(blocks: &[Block]) -> Model {
        let places = blocks.iter().flat_map(|block| places(block.first, &block.bytes));
        places.map(|place| (place.memory, (place.frequency, place.length, place.day, place.forms.to_vec()))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn places_are_read_as_they_were_written(model in any_places(1)) {
            let blocks = blocks(&borrowed(&model));
            prop_assert_eq!(read(&blocks), model.clone());
            prop_assert_eq!(blocks.iter().map(|block| block.places).sum::<u64>(), model.len() as u64);
            prop_assert!(blocks.iter().all(|block| block.bytes.len() < 1_000));
        }

        #[test]
        fn places_are_added_and_removed(old in any_places(1), new in prop_oneof![any_places(1), any_places(2_000_000)]) {
            let old: Model = old.into_iter().take(100).collect();
            let block = blocks(&borrowed(&old)).remove(0);
            let mut expected = read(std::slice::from_ref(&block));
            expected.extend(new.clone());
            let blocks = added(block, &borrowed(&new));
            prop_assert_eq!(read(&blocks), expected.clone());
            prop_assert!(blocks.windows(2).all(|pair| pair[0].first < pair[1].first));
            let memory = blocks[0].first;
            let rest: Model = read(&blocks[..1]).into_iter().filter(|(number, _)| *number != memory).collect();
            prop_assert_eq!(read(&removed(&blocks[0], memory)), rest);
        }
    }
}
