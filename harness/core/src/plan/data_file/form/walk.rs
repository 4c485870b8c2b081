//! Compares the tables and lists of a file with its form, and fills in the values of keys that are omitted or have a
//! problem.

use super::super::source_text;
use super::{FormReader, choices, did_you_mean};
use serde_json::Value;
use std::ops::Range;
use toml_edit::{Array, InlineTable, Item, TableLike};

impl<'w> FormReader<'w, '_> {
    /// Checks `item`. Returns its value, with the defaults of omitted keys; `None` if the value has a problem.
    pub(super) fn item(&mut self, item: &Item, form: &'w Value, key: &str) -> Option<toml_edit::Value> {
        let form = self.resolve(form);
        match form["type"].as_str() {
            Some("object") => match item.as_table_like() {
                Some(table) => return Some(self.table(item, table, form, key).into()),
                None => self.wrong(item, key, "is not a table", &format!("`[{key}]`")),
            },
            Some("array") => return self.list(item, form, key).map(Into::into),
            Some("integer") => self.integer(item, form, key),
            Some("number") => self.number(item, form, key),
            Some("boolean") => item.as_bool().is_some() || self.wrong(item, key, "is not a boolean", "`true`, `false`"),
            Some("string") => match item.as_str() {
                Some(text) => self.text(text, item.span(), form, key),
                None => self.wrong(item, key, "is not text", "text in quotes"),
            },
            // One of several types: text or a whole number.
            None if form["type"].is_array() => {
                let fits = item.is_str() || item.is_integer();
                fits || self.wrong(item, key, "is not a value", "text in quotes or a whole number")
            }
            // A closed set whose values have descriptions.
            None if form["oneOf"].is_array() => match item.as_str() {
                Some(text) => self.text(text, item.span(), form, key),
                None => self.wrong(item, key, "is not text", "text in quotes"),
            },
            _ => true,
        }
        .then(|| item.clone().into_value().ok())?
    }

    fn table(&mut self, item: &Item, table: &dyn TableLike, form: &'w Value, key: &str) -> InlineTable {
        let prefix = if key.is_empty() { String::new() } else { format!("{key}.") };
        let (fields, others) = (&form["properties"], &form["additionalProperties"]);
        let others = (others.is_object() || *others == true).then_some(others);
        let names = choices(&form["propertyNames"]);
        let keys = fields.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let known: Vec<&str> = if names.is_empty() { keys.collect() } else { names };
        let mut values = InlineTable::new();
        for (name, item) in table.iter() {
            let key = format!("{prefix}{name}");
            let other = others.filter(|_| form["propertyNames"].is_null() || known.contains(&name));
            if let Some(field) = fields.get(name).or(other) {
                self.item(item, field, &key).into_iter().for_each(|value| drop(values.insert(name, value)));
            } else {
                let span = table.key(name).and_then(toml_edit::Key::span);
                let what = format!("unknown key{}", did_you_mean(name, &known));
                self.note(span, &key, what, &format!("`{}`", known.join("`, `")));
            }
        }
        for (name, field) in self.needed(form).filter(|(name, _)| !table.contains_key(name)) {
            if field["default"].is_null() {
                self.notes.missing(&format!("{prefix}{name}"), field["description"].as_str().unwrap_or("a value"));
            }
        }
        let positive = values.iter().any(|(_, weight)| weight.as_integer().is_some_and(|weight| weight > 0));
        if form["x-positive"] == true && !positive {
            self.note(item.span(), key, "no value is above 0".to_owned(), &format!("`{}`", known.join("`, `")));
        }
        // After the checks, which look only at what the file has.
        self.fill(form, &mut values);
        values
    }

    /// Returns the keys that must have a value: the required keys of a file, and the keys with a default.
    fn needed(&self, form: &'w Value) -> impl Iterator<Item = (&'w str, &'w Value)> + use<'w> {
        let required =
            |name: &str| form["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name));
        let fields = form["properties"].as_object().into_iter().flatten();
        fields
            .filter(move |(name, field)| required(name) || !field["default"].is_null())
            .map(|(name, field)| (name.as_str(), field))
    }

    fn fill(&self, form: &'w Value, values: &mut InlineTable) {
        for (name, field) in self.needed(form) {
            if !values.contains_key(name) {
                values.insert(name, self.substitute(field));
            }
        }
    }

    /// Returns a value for a key that is omitted or has a problem: its default, or any value that the form allows. The
    /// file can then be read into its struct, and the checks that compare several keys can run.
    fn substitute(&self, field: &'w Value) -> toml_edit::Value {
        let form = self.resolve(field);
        if form["type"] == "object" {
            let mut values = InlineTable::new();
            self.fill(form, &mut values);
            return values.into();
        }
        if !field["default"].is_null() {
            // JSON and TOML write texts, numbers, booleans and lists in the same way.
            return field["default"].to_string().parse().expect("a default is a text, a number or a list");
        }
        match form["type"].as_str() {
            Some("integer") => form["minimum"].as_i64().unwrap_or(0).into(),
            // Not the minimum, which the form may exclude (`exclusiveMinimum`).
            Some("number") => form["maximum"].as_f64().unwrap_or(1.0).into(),
            Some("boolean") => false.into(),
            Some("array") => Array::new().into(),
            _ => choices(form).first().copied().or(form["x-at-least"].as_str()).unwrap_or_default().into(),
        }
    }

    fn list(&mut self, item: &Item, form: &'w Value, key: &str) -> Option<Array> {
        let items: Vec<Item> = match (item.as_array(), item.as_array_of_tables()) {
            (Some(list), _) => list.iter().cloned().map(Item::Value).collect(),
            (_, Some(tables)) => tables.iter().cloned().map(Item::Table).collect(),
            _ => {
                self.wrong(item, key, "is not a list", "a list such as `[\"…\"]`");
                return None;
            }
        };
        if form["minItems"].as_u64().is_some_and(|least| (items.len() as u64) < least) {
            self.wrong(item, key, "has too few items", form["description"].as_str().unwrap_or("more items"));
        }
        let mut values = Array::new();
        for item in &items {
            // Before the item is checked, because the word that stands alone is not one of the known names.
            match form["x-alone"].as_str().filter(|alone| item.as_str() == Some(alone)) {
                Some(alone) if items.len() > 1 => {
                    let allowed = format!("a list of names, or `[\"{alone}\"]`");
                    self.note(item.span(), key, format!("`{alone}` cannot be combined with other names"), &allowed);
                }
                Some(alone) => values.push(alone),
                None => self.item(item, &form["items"], key).into_iter().for_each(|value| values.push_formatted(value)),
            }
        }
        Some(values)
    }

    /// Adds a problem and returns false, so that a check can end with it.
    pub(super) fn note(&mut self, span: Option<Range<usize>>, key: &str, what: String, allowed: &str) -> bool {
        self.notes.note(span, key, what, allowed);
        false
    }

    pub(super) fn wrong(&mut self, item: &Item, key: &str, what: &str, allowed: &str) -> bool {
        let what = if item.is_table() { format!("it {what}") } else { format!("`{}` {what}", source_text(item)) };
        self.note(item.span(), key, what, allowed)
    }

    /// Returns the definition that a `$ref` names, or the form itself if it has none.
    fn resolve(&self, form: &'w Value) -> &'w Value {
        let name = form["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
        name.map_or(form, |name| &self.schema["$defs"][name])
    }
}
