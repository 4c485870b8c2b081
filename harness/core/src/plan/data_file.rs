//! Files that people write for the harness (profiles, experiments): TOML, read in one pass, every problem noted with its line, nothing guessed.

pub mod form;

mod problem;
mod text;

pub use problem::{Problem, listed, nearest};
pub use text::{DURATION_TEXT, MAX_RATE, STAGES_TEXT, THRESHOLD_TEXT, comparison, duration, stages, threshold};

use harness_history::Threshold;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml_edit::{Item, Table};

/// Reads one file and notes what is wrong with it.
pub struct Notes<'a> {
    file: &'a str,
    text: &'a str,
    problems: Vec<Problem>,
}

impl<'a> Notes<'a> {
    /// Begins with a text; `file` is only for messages.
    pub const fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, problems: Vec::new() }
    }

    /// Everything that was noted.
    pub fn problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Tells whether nothing was noted.
    pub const fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Notes a problem at a place of the text.
    pub fn note(&mut self, span: Option<Range<usize>>, key: &str, what: String, allowed: &str) {
        let place = match span {
            Some(span) => {
                let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
                format!("{}:{}", self.file, before.iter().filter(|byte| **byte == b'\n').count() + 1)
            }
            None => self.file.to_owned(),
        };
        self.problems.push(Problem { place, key: key.to_owned(), what, allowed: allowed.to_owned() });
    }

    /// Notes a syntax error.
    pub fn syntax(&mut self, error: &toml_edit::TomlError) {
        self.note(error.span(), "(syntax)", error.message().replace('\n', ", "), "TOML 1.1");
    }

    /// Notes every key that is none of the known ones.
    pub fn unknown_keys(&mut self, table: &Table, prefix: &str, known: &[&str]) {
        for (key, _) in table.iter().filter(|(key, _)| !known.contains(key)) {
            let span = table.key(key).and_then(|key| key.span());
            let near = nearest(key, known.iter().copied());
            let what =
                near.map_or_else(|| "unknown key".to_owned(), |near| format!("unknown key; did you mean `{near}`?"));
            self.note(span, &format!("{prefix}{key}"), what, &format!("`{}`", known.join("`, `")));
        }
    }

    /// Notes that a key is missing.
    pub fn missing(&mut self, key: &str, allowed: &str) {
        self.note(None, key, "it is missing".to_owned(), allowed);
    }

    /// A whole number; without a default it must be there.
    pub fn number(&mut self, table: &Table, key: &str, range: RangeInclusive<u32>, default: Option<u32>) -> u32 {
        let allowed = range_text(&range);
        let Some(item) = table.get(key) else {
            if default.is_none() {
                self.missing(key, &allowed);
            }
            return default.unwrap_or(*range.start());
        };
        let value = item.as_integer().and_then(|value| u32::try_from(value).ok()).filter(|value| range.contains(value));
        value.unwrap_or_else(|| {
            self.note(item.span(), key, format!("`{}` is out of range", written(item)), &allowed);
            *range.start()
        })
    }

    /// A text; without a default it must be there.
    pub fn string<'t>(&mut self, table: &'t Table, key: &str, default: Option<&'t str>) -> Option<&'t str> {
        let Some(item) = table.get(key) else {
            if default.is_none() {
                self.missing(key, "text in quotes");
            }
            return default;
        };
        if item.as_str().is_none() {
            self.note(item.span(), key, format!("`{}` is not text", written(item)), "text in quotes");
        }
        item.as_str()
    }

    /// A duration such as `20ms`; without a default it must be there.
    pub fn length(
        &mut self,
        table: &Table,
        key: &str,
        range: RangeInclusive<Duration>,
        default: Option<Duration>,
    ) -> Duration {
        let fallback = default.unwrap_or(*range.start());
        let Some(item) = table.get(key) else {
            if default.is_none() {
                self.missing(key, DURATION_TEXT);
            }
            return fallback;
        };
        let Some(text) = self.string(table, key, Some("")) else { return fallback };
        match duration(text) {
            Ok(value) if range.contains(&value) => value,
            Ok(_) => {
                let allowed = format!("{:?} to {:?}", range.start(), range.end());
                self.note(item.span(), key, format!("`{text}` is out of range"), &allowed);
                fallback
            }
            Err(what) => {
                self.note(item.span(), key, what, DURATION_TEXT);
                fallback
            }
        }
    }

    /// The list of texts at a key; nothing where it is absent.
    pub fn texts(&mut self, table: &Table, key: &str, allowed: &str) -> Vec<String> {
        let Some(item) = table.get(key) else { return Vec::new() };
        let texts = item.as_array().map(|list| list.iter().map(|value| value.as_str().map(str::to_owned)).collect());
        texts.flatten().unwrap_or_else(|| {
            self.note(item.span(), key, "it is not a list of texts".to_owned(), allowed);
            Vec::new()
        })
    }

    /// Thresholds by operation, such as `all = ["p99<500ms"]`; nothing where the table is absent.
    pub fn thresholds(&mut self, table: &Table, key: &str, operations: &[&str]) -> Vec<Threshold> {
        let Some(item) = table.get(key) else { return Vec::new() };
        let Some(groups) = item.as_table() else {
            self.note(item.span(), key, "it is not a table".to_owned(), THRESHOLD_TEXT);
            return Vec::new();
        };
        let known: Vec<&str> = std::iter::once("all").chain(operations.iter().copied()).collect();
        self.unknown_keys(groups, &format!("{key}."), &known);
        let mut found = Vec::new();
        for (operation, item) in groups.iter().filter(|(name, _)| known.contains(name)) {
            let key = format!("{key}.{operation}");
            let Some(bounds) = item.as_array() else {
                self.note(item.span(), &key, "it is not a list".to_owned(), "a list such as `[\"p99<500ms\"]`");
                continue;
            };
            for bound in bounds {
                match bound.as_str().map(|text| threshold(&format!("{operation}:{text}"))) {
                    Some(Ok(threshold)) => found.push(threshold),
                    Some(Err(what)) => self.note(bound.span(), &key, what, THRESHOLD_TEXT),
                    None => self.note(bound.span(), &key, "it is not text".to_owned(), THRESHOLD_TEXT),
                }
            }
        }
        found
    }

    /// Weights by operation: a table with at least one weight above 0.
    pub fn weights(
        &mut self,
        table: &Table,
        key: &str,
        operations: &[&str],
    ) -> std::collections::BTreeMap<String, u32> {
        let mut weights = std::collections::BTreeMap::new();
        let allowed = format!("weights of `{}`", operations.join("`, `"));
        let Some(mix) = table.get(key).and_then(Item::as_table_like) else {
            let span = table.get(key).and_then(Item::span);
            self.note(span, key, format!("there is no table `[{key}]`"), &allowed);
            return weights;
        };
        for (name, item) in mix.iter() {
            let place = format!("{key}.{name}");
            if !operations.contains(&name) {
                let near = nearest(name, operations.iter().copied());
                let what = near
                    .map_or_else(|| "unknown key".to_owned(), |near| format!("unknown key; did you mean `{near}`?"));
                let span = mix.key(name).and_then(|key| key.span());
                self.note(span, &place, what, &format!("`{}`", operations.join("`, `")));
                continue;
            }
            let weight = item.as_integer().and_then(|weight| u32::try_from(weight).ok());
            match weight.filter(|weight| *weight <= 1_000) {
                Some(weight) => drop(weights.insert(name.to_owned(), weight)),
                None => {
                    let what = format!("`{}` is not a weight", written(item));
                    self.note(item.span(), &place, what, "a whole number from 0 to 1000");
                }
            }
        }
        let span = table.get(key).and_then(Item::span);
        if mix.is_empty() {
            self.note(span, key, "it is empty".to_owned(), &allowed);
        } else if !weights.values().any(|weight| *weight > 0) {
            self.note(span, key, "no operation has a weight above 0".to_owned(), &allowed);
        }
        weights
    }
}

/// A range of whole numbers in words.
pub fn range_text(range: &RangeInclusive<u32>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}

/// A value as it stands in the file.
pub fn written(item: &Item) -> String {
    item.to_string().trim().to_owned()
}
