//! The labelled set, which is compiled into the binary: memories, and questions with the ids of the memories that have the evidence.

use serde::Deserialize;
use serde::de::DeserializeOwned;

const MEMORIES: &str = include_str!("../../../../fixtures/corpora/memory/memories.jsonl");
const QUESTIONS: &str = include_str!("../../../../fixtures/corpora/memory/questions.jsonl");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LabelledMemory {
    pub(super) id: String,
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LabelledQuestion {
    pub(super) id: String,
    /// Group of the question. Each group is a row of the table that `measure` prints.
    pub(super) group: String,
    pub(super) question: String,
    /// Ids of the memories that answer the question, completely or in part.
    pub(super) evidence: Vec<String>,
}

#[derive(Debug)]
pub(super) struct LabelledSet {
    pub(super) memories: Vec<LabelledMemory>,
    pub(super) questions: Vec<LabelledQuestion>,
}

impl LabelledSet {
    /// # Errors
    /// Fails with the file and the line that cannot be read.
    pub(super) fn read() -> Result<Self, String> {
        Ok(Self { memories: lines("memories.jsonl", MEMORIES)?, questions: lines("questions.jsonl", QUESTIONS)? })
    }

    /// Returns the groups, in the order of the file.
    pub(super) fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for question in &self.questions {
            if !groups.contains(&question.group.as_str()) {
                groups.push(&question.group);
            }
        }
        groups
    }
}

fn lines<T: DeserializeOwned>(name: &str, text: &str) -> Result<Vec<T>, String> {
    let line = |(index, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| format!("failed to read line {} of `{name}`: {error}", index + 1))
    };
    text.lines().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn the_set_is_large_and_has_no_text_twice() {
        let set = LabelledSet::read().unwrap();
        assert!(set.memories.len() >= 600 && set.questions.len() >= 300);
        let ids: BTreeSet<_> = set.memories.iter().map(|memory| &memory.id).collect();
        let texts: BTreeSet<_> = set.memories.iter().map(|memory| &memory.text).collect();
        assert_eq!((ids.len(), texts.len()), (set.memories.len(), set.memories.len()));
        let ids: BTreeSet<_> = set.questions.iter().map(|question| &question.id).collect();
        let texts: BTreeSet<_> = set.questions.iter().map(|question| &question.question).collect();
        assert_eq!((ids.len(), texts.len()), (set.questions.len(), set.questions.len()));
        for group in set.groups() {
            let questions = set.questions.iter().filter(|question| question.group == group).count();
            assert!(questions >= 15, "{group} has {questions} questions");
        }
    }

    #[test]
    fn evidence_exists_and_no_question_is_a_copy_of_it() {
        let set = LabelledSet::read().unwrap();
        let texts: BTreeMap<_, _> =
            set.memories.iter().map(|memory| (&memory.id, memory.text.to_lowercase())).collect();
        for question in &set.questions {
            assert!(!question.evidence.is_empty(), "{}", question.id);
            for id in &question.evidence {
                let text = texts.get(id).unwrap_or_else(|| panic!("{} names `{id}`", question.id));
                assert!(!text.contains(&question.question.to_lowercase()), "{} is a part of {id}", question.id);
            }
        }
    }
}
