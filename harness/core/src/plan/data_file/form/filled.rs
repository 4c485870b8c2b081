//! Reads a file into the struct of its form, even if the file has problems, so that the checks that compare several
//! keys can report their problems at the same time.

use super::super::text::{duration, threshold};
use super::{FormReader, NameSet, Problem, ProblemList, schema};
use harness_history::Threshold;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::ops::Range;
use std::time::Duration;
use toml_edit::Document;

/// A duration such as `20ms`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, with = "String", extend("format" = "duration"))]
pub struct Length(pub Duration);

impl TryFrom<String> for Length {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        duration(&text).map(Self)
    }
}

/// Thresholds by operation, in the order of the file.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "IndexMap<String, Vec<String>>")]
pub struct Thresholds(pub Vec<Threshold>);

impl TryFrom<IndexMap<String, Vec<String>>> for Thresholds {
    type Error = String;

    fn try_from(bounds: IndexMap<String, Vec<String>>) -> Result<Self, String> {
        let bounds = bounds.iter().flat_map(|(name, bounds)| bounds.iter().map(move |bound| format!("{name}:{bound}")));
        bounds.map(|text| threshold(&text)).collect::<Result<_, _>>().map(Self)
    }
}

/// A problem at a key of the file; see [`Filled::note`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub path: String,
    pub what: String,
    pub allowed: String,
}

/// A file, as far as it can be read. A key with a problem has its default, or another value that the form allows.
pub struct Filled<'a, T> {
    pub value: T,
    document: Document<&'a str>,
    notes: ProblemList<'a>,
}

/// Reads `text` as a `T`; `file` is for messages only.
///
/// # Errors
/// The problems of a text that is not TOML. Those of the form are kept until [`Filled::into_parts`].
pub fn read<'a, T: DeserializeOwned + JsonSchema>(
    file: &'a str,
    text: &'a str,
    names: &[NameSet<'_>],
) -> Result<Filled<'a, T>, Vec<Problem>> {
    let mut notes = ProblemList::new(file, text);
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            notes.syntax(&error);
            return Err(notes.problems());
        }
    };
    let schema = schema::<T>();
    let value = FormReader { schema: &schema, names, notes: &mut notes }.item(document.as_item(), &schema, "");
    match T::deserialize(serde::de::IntoDeserializer::into_deserializer(value.expect("a document is a table"))) {
        Ok(value) => Ok(Filled { value, document, notes }),
        Err(error) => {
            // The form allows only what its type can hold, so this is a mistake in the form and not in the file.
            notes.note(None, "(form)", error.to_string(), "what the type of the form can hold");
            Err(notes.problems())
        }
    }
}

impl<T> Filled<'_, T> {
    /// Returns the file and the line of a key; see [`Filled::note`].
    pub fn place(&self, path: &str) -> String {
        self.notes.place(self.span_of(path))
    }

    /// Returns where the innermost key of a path is that is in the file.
    fn span_of(&self, path: &str) -> Option<Range<usize>> {
        let (mut item, mut span) = (self.document.as_item(), None);
        for step in path.split('.') {
            let inner = step.parse::<usize>().map_or_else(|_| item.get(step), |at| item.get(at));
            let Some(inner) = inner else { break };
            (item, span) = (inner, inner.span());
        }
        span
    }

    /// Adds a problem at a key such as `mix.store_memory` or `fault.2.every`. Its line is that of the innermost key
    /// that is in the file, because the key itself may be missing.
    pub fn note(&mut self, path: &str, what: impl Into<String>, allowed: &str) {
        let span = self.span_of(path);
        let key: Vec<&str> = path.split('.').filter(|step| step.parse::<usize>().is_err()).collect();
        self.notes.note(span, &key.join("."), what.into(), allowed);
    }

    /// Adds problems that were found while the values were only read.
    pub fn note_all(&mut self, notes: impl IntoIterator<Item = Note>) {
        notes.into_iter().for_each(|Note { path, what, allowed }| self.note(&path, what, &allowed));
    }

    /// Returns true if the file has the top-level key.
    pub fn has(&self, key: &str) -> bool {
        self.document.contains_key(key)
    }

    pub fn into_parts(self) -> (T, Vec<Problem>) {
        (self.value, self.notes.problems())
    }
}
