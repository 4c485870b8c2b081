//! Checks a TOML file against the JSON Schema of its form, and reports every problem at once, each with file, line, key
//! and the nearest known name. A form is a struct with `serde` and `schemars`; a new key is one field of that struct.
//!
//! Besides the keywords of numbers and lists, a form may have these keywords, set by `schemars(extend(…))`:
//! - `"default"`: the value of a key that is omitted; an object's `{}` is filled with the defaults of its own keys;
//! - `"propertyNames"`: `{ "enum": […] }`, the keys that a map may have;
//! - `"format"`: the syntax of a text, one of [`FORMATS`], or the kind of a [`NameSet`] of the caller;
//! - `"x-at-least"`, `"x-at-most"`: bounds of a duration, such as `"1s"`;
//! - `"x-empty"`: true if an empty text is allowed in place of a name;
//! - `"x-alone"`: an item that must be the only one of its list;
//! - `"x-positive"`: true if at least one value of a map must be above 0.

mod filled;
mod scalar;
mod schema;
#[cfg(test)]
mod tests;
mod walk;

pub use filled::{Filled, Length, Note, Thresholds, read};
pub use schema::{schema, thresholds, weights};

use super::text::{COMPARISON_TEXT, DURATION_TEXT, STAGES_TEXT, THRESHOLD_TEXT};
use super::text::{comparison, duration, stages, threshold};
use super::{Problem, ProblemList, nearest};
use serde_json::Value;
use toml_edit::Document;

type Check = fn(&str) -> Result<(), String>;

/// The formats of texts with a syntax of their own: name, parser, and the allowed values for messages.
const FORMATS: &[(&str, Check, &str)] = &[
    ("duration", |text| duration(text).map(drop), DURATION_TEXT),
    ("threshold", |text| threshold(text).map(drop), THRESHOLD_TEXT),
    // A threshold below a key that names its operation.
    ("bound", |text| threshold(&format!("all:{text}")).map(drop), THRESHOLD_TEXT),
    ("stages", |text| stages(text).map(drop), STAGES_TEXT),
    ("comparison", |text| comparison(text).map(drop), COMPARISON_TEXT),
];

/// The names that are allowed for the texts of one format.
#[derive(Debug, Clone, Copy)]
pub struct NameSet<'a> {
    /// The format in the schema, and the word in messages.
    pub kind: &'a str,
    pub known: &'a [&'a str],
    /// True if a path that ends with `.toml` is allowed too.
    pub files: bool,
}

/// Checks `text` against `schema`; `file` is for messages only.
///
/// # Errors
/// Every problem of the file.
pub fn check(file: &str, text: &str, schema: &Value, names: &[NameSet<'_>]) -> Result<(), Vec<Problem>> {
    let mut notes = ProblemList::new(file, text);
    match Document::parse(text) {
        Ok(document) => drop(FormReader { schema, names, notes: &mut notes }.item(document.as_item(), schema, "")),
        Err(error) => notes.syntax(&error),
    }
    if notes.is_empty() { Ok(()) } else { Err(notes.problems()) }
}

struct FormReader<'w, 'n> {
    schema: &'w Value,
    names: &'w [NameSet<'w>],
    notes: &'w mut ProblemList<'n>,
}

/// Returns the values of a closed set. `schemars` writes it as `enum`, or as `oneOf` with one `const` each if the
/// variants have descriptions.
fn choices(form: &Value) -> Vec<&str> {
    let listed = form["enum"].as_array().into_iter().flatten();
    let described = form["oneOf"].as_array().into_iter().flatten().map(|choice| &choice["const"]);
    listed.chain(described).filter_map(Value::as_str).collect()
}

fn did_you_mean(name: &str, known: &[&str]) -> String {
    nearest(name, known.iter().copied()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Merges `over` into `base`: tables are merged key by key, every other value is replaced.
pub fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}
