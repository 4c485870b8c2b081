//! Texts by number: each different text is kept once, one behind the other.

use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};

/// The texts.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    all: String,
    /// For each text: where it ends.
    ends: Vec<u32>,
}

impl Texts {
    pub(crate) fn get(&self, number: u32) -> &str {
        let number = number as usize;
        let from = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.all[from as usize..self.ends[number] as usize]
    }

    pub(crate) const fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.all.len() as u64 + 4 * self.ends.len() as u64
    }

    /// Adds a text without looking for an equal one, and returns its number.
    pub(super) fn push(&mut self, text: &str) -> u32 {
        let number = self.len();
        self.all.push_str(text);
        self.ends.push(self.all.len() as u32);
        number
    }
}

/// Finds the number of a text. It is needed only while texts are added.
#[derive(Debug, Default)]
pub(super) struct TextTable {
    numbers: HashTable<u32>,
    hasher: RandomState,
}

impl TextTable {
    /// Returns the number of a text, which is added if it is new.
    pub(super) fn number(&mut self, texts: &mut Texts, text: &str) -> u32 {
        let hash = self.hasher.hash_one(text);
        if let Some(number) = self.numbers.find(hash, |number| texts.get(*number) == text) {
            return *number;
        }
        let number = texts.push(text);
        self.numbers.insert_unique(hash, number, |number| self.hasher.hash_one(texts.get(*number)));
        number
    }
}

#[cfg(test)]
mod tests {
    use super::{TextTable, Texts};

    #[test]
    fn an_equal_text_has_an_equal_number_and_is_kept_once() {
        let (mut table, mut texts) = (TextTable::default(), Texts::default());
        let words: Vec<String> = (0..1_000).map(|number| "é".repeat(number % 7) + &number.to_string()).collect();
        let first: Vec<u32> = words.iter().map(|word| table.number(&mut texts, word)).collect();
        let bytes = texts.bytes();
        let again: Vec<u32> = words.iter().map(|word| table.number(&mut texts, word)).collect();
        assert_eq!((first, texts.bytes()), (again.clone(), bytes));
        for (word, number) in words.iter().zip(again) {
            assert_eq!(texts.get(number), word);
        }
    }

    #[test]
    fn an_empty_text_is_a_text() {
        let (mut table, mut texts) = (TextTable::default(), Texts::default());
        assert_eq!(["", "a", ""].map(|text| table.number(&mut texts, text)), [0, 1, 0]);
        assert_eq!((texts.get(0), texts.get(1)), ("", "a"));
    }
}
