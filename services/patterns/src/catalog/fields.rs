//! Taking the fields of a map one by one: what is missing, unknown, twice there or of another kind is a problem with its line, and the
//! rest is read nevertheless.

use super::problem::{did_you_mean, nearest};
use mcp_kit::yaml::{Entry, Flaw, Node, Value};

/// A text and where it stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// The fields of one map.
pub(crate) struct Fields<'a> {
    line: usize,
    what: String,
    entries: Vec<Entry>,
    flaws: &'a mut Vec<Flaw>,
}

impl<'a> Fields<'a> {
    /// `what` says what the map is, for messages.
    pub(crate) fn of(node: Node, what: impl Into<String>, known: &[&str], flaws: &'a mut Vec<Flaw>) -> Self {
        let (line, what) = (node.line, what.into());
        let mut entries: Vec<Entry> = Vec::new();
        match node.value {
            Value::Map(found) => {
                for entry in found {
                    if !known.contains(&entry.key.as_str()) {
                        let hint = match nearest(&entry.key, known.iter().copied()) {
                            Some(near) => format!("; did you mean `{near}`?"),
                            None => format!("; known are {}", quoted(known)),
                        };
                        flaws.push(Flaw::at(entry.line, format!("unknown key `{}` of {what}{hint}", entry.key)));
                    } else if entries.iter().any(|other| other.key == entry.key) {
                        flaws.push(Flaw::at(entry.line, format!("`{}` of {what} is there twice", entry.key)));
                    } else {
                        entries.push(entry);
                    }
                }
            }
            other => flaws.push(Flaw::at(line, format!("{what} is {}; it must be a map", other.kind()))),
        }
        Self { line, what, entries, flaws }
    }

    /// Takes a field that may be absent.
    pub(crate) fn optional(&mut self, key: &str) -> Option<Node> {
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.swap_remove(at).node)
    }

    /// Takes a field that must be there.
    pub(crate) fn required(&mut self, key: &str) -> Option<Node> {
        let found = self.optional(key);
        if found.is_none() {
            self.flaws.push(Flaw::at(self.line, format!("`{key}` of {} is missing", self.what)));
        }
        found
    }

    /// Takes a text that must be there and is not empty; an empty one where it is not.
    pub(crate) fn text(&mut self, key: &str) -> Text {
        let node = self.required(key);
        node.and_then(|node| self.as_text(key, node)).unwrap_or_default()
    }

    /// Takes a text that may be absent.
    pub(crate) fn optional_text(&mut self, key: &str) -> Option<Text> {
        let node = self.optional(key)?;
        self.as_text(key, node)
    }

    /// Takes one of some words.
    pub(crate) fn one_of<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let word = self.text(key);
        let found = choices.iter().find(|(name, _)| *name == word.text).map(|(_, choice)| *choice);
        if found.is_none() && !word.text.is_empty() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let near = did_you_mean(&word.text, names.iter().copied());
            let what = format!("`{}` is no {key}; it is one of {}{near}", word.text, quoted(&names));
            self.flaws.push(Flaw::at(word.line, what));
        }
        found
    }

    /// Takes a list of words.
    pub(crate) fn words(&mut self, key: &str, required: bool) -> Vec<Text> {
        let items = self.items(key, required);
        items.into_iter().filter_map(|item| self.as_text(key, item)).collect()
    }

    /// Takes a list; one that is required holds something.
    pub(crate) fn items(&mut self, key: &str, required: bool) -> Vec<Node> {
        let node = if required { self.required(key) } else { self.optional(key) };
        let Some(Node { line, value }) = node else { return Vec::new() };
        match value {
            Value::List(items) if !items.is_empty() => return items,
            Value::List(_) | Value::Empty if !required => {}
            Value::List(_) | Value::Empty => {
                self.flaws.push(Flaw::at(line, format!("`{key}` of {} is empty", self.what)))
            }
            Value::Text { .. } | Value::Map(_) => {
                let what = format!("`{key}` of {} is {}; it must be a list", self.what, value.kind());
                self.flaws.push(Flaw::at(line, what));
            }
        }
        Vec::new()
    }

    fn as_text(&mut self, key: &str, node: Node) -> Option<Text> {
        let line = node.line;
        match node.value {
            Value::Text { text, .. } if !text.trim().is_empty() => Some(Text { line, text }),
            Value::Empty | Value::Text { .. } => {
                self.flaws.push(Flaw::at(line, format!("`{key}` of {} is empty", self.what)));
                None
            }
            other @ (Value::List(_) | Value::Map(_)) => {
                self.flaws
                    .push(Flaw::at(line, format!("`{key}` of {} is {}; it must be a text", self.what, other.kind())));
                None
            }
        }
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
