//! Checks a TOML file against its JSON Schema and reports every problem at once, each with file, line, key and the most similar known name.
//! The schema comes from a struct with `serde` and `schemars`; a new key is one field of that struct.
//!
//! Beside JSON Schema, these keywords are checked (`schemars(extend(…))` adds them):
//! - `"format"`: a text in one of the [`FORMATS`], or one of the [`NameSet`]s of the caller;
//! - `"x-at-least"`, `"x-at-most"`: bounds of a duration, such as `"1s"`;
//! - `"x-alone"`: an item that must be the only one of its list.

use super::text::{DURATION_TEXT, THRESHOLD_TEXT, duration, threshold};
use super::{Problem, ProblemList, did_you_mean, source_text};
use serde_json::Value;
use toml_edit::{Document, Item, TableLike};

type Check = fn(&str) -> Result<(), String>;

/// Formats with a syntax of their own: name, parser, and description of the allowed texts.
const FORMATS: &[(&str, Check, &str)] = &[
    ("duration", |text| duration(text).map(drop), DURATION_TEXT),
    ("threshold", |text| threshold(text).map(drop), THRESHOLD_TEXT),
];

/// The names that are allowed in a text of one format.
#[derive(Debug, Clone, Copy)]
pub struct NameSet<'a> {
    /// The `format` in the schema, and the word in messages.
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
        Ok(document) => Walk { schema, names, notes: &mut notes }.item(document.as_item(), schema, ""),
        Err(error) => notes.syntax(&error),
    }
    if notes.is_empty() { Ok(()) } else { Err(notes.problems()) }
}

struct Walk<'w, 'n> {
    schema: &'w Value,
    names: &'w [NameSet<'w>],
    notes: &'w mut ProblemList<'n>,
}

impl<'w> Walk<'w, '_> {
    fn item(&mut self, item: &Item, form: &'w Value, key: &str) {
        let form = self.resolve(form);
        match form["type"].as_str() {
            Some("object") => match item.as_table_like() {
                Some(table) => self.table(table, form, key),
                None => self.wrong(item, key, "is not a table", &format!("`[{key}]`")),
            },
            Some("array") => match item.as_array() {
                Some(list) => self.list(list, form, key),
                None => self.wrong(item, key, "is not a list", "a list such as `[\"…\"]`"),
            },
            Some("integer") => self.integer(item, form, key),
            Some("boolean") if item.as_bool().is_none() => self.wrong(item, key, "is not a boolean", "`true`, `false`"),
            Some("boolean") => {}
            _ => match item.as_str() {
                Some(text) => self.text(text, item.span(), form, key),
                None => self.wrong(item, key, "is not text", "text in quotes"),
            },
        }
    }

    fn table(&mut self, table: &dyn TableLike, form: &'w Value, key: &str) {
        let prefix = if key.is_empty() { String::new() } else { format!("{key}.") };
        let Some(fields) = form["properties"].as_object() else { return };
        let known: Vec<&str> = fields.keys().map(String::as_str).collect();
        for (name, item) in table.iter() {
            let key = format!("{prefix}{name}");
            match fields.get(name) {
                Some(field) => self.item(item, field, &key),
                None => {
                    let span = table.key(name).and_then(toml_edit::Key::span);
                    let what = format!("unknown key{}", did_you_mean(name, &known));
                    self.notes.note(span, &key, what, &format!("`{}`", known.join("`, `")));
                }
            }
        }
        let required = form["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for name in required.filter(|name| !table.contains_key(name)) {
            self.notes.missing(&format!("{prefix}{name}"), fields[name]["description"].as_str().unwrap_or("a value"));
        }
    }

    fn list(&mut self, list: &toml_edit::Array, form: &'w Value, key: &str) {
        let alone = form["x-alone"].as_str();
        for value in list {
            if alone.is_some() && value.as_str() == alone {
                if list.len() > 1 {
                    let text = alone.unwrap_or_default();
                    let allowed = format!("a list of names, or `[\"{text}\"]`");
                    self.notes.note(
                        value.span(),
                        key,
                        format!("`{text}` cannot be combined with other names"),
                        &allowed,
                    );
                }
                continue;
            }
            match value.as_str() {
                Some(text) if form["items"]["type"] == "string" => self.text(text, value.span(), &form["items"], key),
                _ => self.item(&Item::Value(value.clone()), &form["items"], key),
            }
        }
    }

    fn integer(&mut self, item: &Item, form: &Value, key: &str) {
        let (least, most) = (form["minimum"].as_i64().unwrap_or(0), form["maximum"].as_i64().unwrap_or(i64::MAX));
        if !item.as_integer().is_some_and(|value| (least..=most).contains(&value)) {
            self.wrong(item, key, "is out of range", &format!("a whole number from {least} to {most}"));
        }
    }

    fn text(&mut self, text: &str, span: Option<std::ops::Range<usize>>, form: &Value, key: &str) {
        let choices: Vec<&str> = choices(form);
        if !choices.is_empty() && !choices.contains(&text) {
            let what = format!("`{text}` is none of the allowed values{}", did_you_mean(text, &choices));
            self.notes.note(span, key, what, &format!("`{}`", choices.join("`, `")));
            return;
        }
        let Some(format) = form["format"].as_str() else { return };
        if let Some(names) = self.names.iter().find(|names| names.kind == format) {
            self.name(text, span, names, key, form["x-empty"] == true);
        } else if let Some((_, read, allowed)) = FORMATS.iter().find(|(name, ..)| *name == format) {
            match read(text) {
                Ok(()) => self.bounds(text, span, form, key),
                Err(what) => self.notes.note(span, key, what, allowed),
            }
        }
    }

    fn name(&mut self, text: &str, span: Option<std::ops::Range<usize>>, names: &NameSet<'_>, key: &str, empty: bool) {
        let NameSet { kind, known, files } = names;
        if known.contains(&text) || (*files && text.ends_with(".toml")) || (empty && text.is_empty()) {
            return;
        }
        let file = if *files { ", or a file that ends with `.toml`" } else { "" };
        let what = format!("there is no {kind} `{text}`{}", did_you_mean(text, known));
        self.notes.note(span, key, what, &format!("`{}`{file}", known.join("`, `")));
    }

    fn bounds(&mut self, text: &str, span: Option<std::ops::Range<usize>>, form: &Value, key: &str) {
        let (Some(least), Some(most)) = (form["x-at-least"].as_str(), form["x-at-most"].as_str()) else { return };
        let read = |text| duration(text).unwrap_or_default();
        if !(read(least)..=read(most)).contains(&read(text)) {
            self.notes.note(span, key, format!("`{text}` is out of range"), &format!("`{least}` to `{most}`"));
        }
    }

    fn wrong(&mut self, item: &Item, key: &str, what: &str, allowed: &str) {
        let what = if item.is_table() { format!("it {what}") } else { format!("`{}` {what}", source_text(item)) };
        self.notes.note(item.span(), key, what, allowed);
    }

    /// The definition that a `$ref` names.
    fn resolve(&self, form: &'w Value) -> &'w Value {
        let name = form["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
        name.map_or(form, |name| &self.schema["$defs"][name])
    }
}

/// The allowed values of an enum. `schemars` writes `enum`, or `oneOf` with one `const` each if the variants have descriptions.
fn choices(form: &Value) -> Vec<&str> {
    let plain = form["enum"].as_array().into_iter().flatten();
    let described = form["oneOf"].as_array().into_iter().flatten().map(|choice| &choice["const"]);
    plain.chain(described).filter_map(Value::as_str).collect()
}

/// Merges `over` into `base`: tables key by key; any other value is replaced.
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
