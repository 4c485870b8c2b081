//! Reads values out of a YAML tree and notes everything that does not fit; whoever reads goes on after a problem, so that a file's
//! problems are reported together.

use super::problem::{Problem, nearest};
use mcp_kit::yaml::{Entry, Node, Value};
use std::collections::BTreeMap;

/// Reads one file.
pub(super) struct Reader<'a> {
    pub(super) file: &'a str,
    /// The rule that is being read.
    pub(super) rule: Option<String>,
    pub(super) problems: &'a mut Vec<Problem>,
}

/// The fields of a map, by key.
pub(super) struct Fields<'n> {
    line: usize,
    by_key: BTreeMap<&'n str, &'n Entry>,
}

impl<'n> Fields<'n> {
    /// The line of a field, or of its map where it is absent.
    pub(super) fn line(&self, key: &str) -> usize {
        self.by_key.get(key).map_or(self.line, |entry| entry.line)
    }

    /// The value of a field.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.by_key.get(key).map(|entry| &entry.node)
    }

    /// Tells whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

impl Reader<'_> {
    pub(super) fn problem(&mut self, line: usize, message: impl Into<String>) {
        let (file, rule) = (self.file.to_owned(), self.rule.clone());
        self.problems.push(Problem { file, line, rule, message: message.into() });
    }

    /// The fields of a map; unknown and repeated ones are problems.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            self.problem(node.line, format!("{what} is {}; it must be a map", node.value.kind()));
            return None;
        };
        let mut by_key = BTreeMap::new();
        for entry in entries {
            if !known.contains(&&*entry.key) {
                self.problem(entry.line, format!("{what} has no field `{}`{}", entry.key, nearest(&entry.key, known)));
            } else if by_key.insert(&*entry.key, entry).is_some() {
                self.problem(entry.line, format!("`{}` is there twice", entry.key));
            }
        }
        Some(Fields { line: node.line, by_key })
    }

    /// The entries of a map whose keys are free; repeated ones are problems.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Entry] {
        let Value::Map(entries) = &node.value else {
            self.problem(node.line, format!("{what} is {}; it must be a map", node.value.kind()));
            return &[];
        };
        for (at, entry) in entries.iter().enumerate() {
            if entries[..at].iter().any(|earlier| earlier.key == entry.key) {
                self.problem(entry.line, format!("`{}` is there twice", entry.key));
            }
        }
        entries
    }

    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::List(items) if items.is_empty() => {
                self.problem(node.line, format!("{what} is empty; leave it out or fill it"));
                items
            }
            Value::List(items) => items,
            Value::Empty | Value::Text { .. } | Value::Map(_) => {
                self.problem(node.line, format!("{what} is {}; it must be a list", node.value.kind()));
                &[]
            }
        }
    }

    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        if let Value::Text { text, .. } = &node.value {
            return Some(text);
        }
        self.problem(node.line, format!("{what} is {}; it must be a text", node.value.kind()));
        None
    }

    /// A text of 1 to `most` characters.
    pub(super) fn bounded(&mut self, fields: &Fields<'_>, key: &str, most: usize) -> Option<String> {
        let Some(node) = fields.get(key) else {
            self.problem(fields.line(key), format!("`{key}` is missing"));
            return None;
        };
        let text = self.text(node, &format!("`{key}`"))?.trim();
        match text.chars().count() {
            length if (1..=most).contains(&length) => Some(text.to_owned()),
            length => {
                self.problem(node.line, format!("`{key}` has {length} characters; 1 to {most} are allowed"));
                None
            }
        }
    }

    pub(super) fn texts(&mut self, fields: &Fields<'_>, key: &str) -> Vec<(usize, String)> {
        let Some(node) = fields.get(key) else { return Vec::new() };
        // A single text may stand for a list of one.
        if let Value::Text { text, .. } = &node.value {
            return vec![(node.line, text.clone())];
        }
        let what = format!("`{key}`");
        let items = self.list(node, &what);
        items.iter().filter_map(|item| Some((item.line, self.text(item, &what)?.to_owned()))).collect()
    }

    /// One of some words; `named` gives the word of a value.
    pub(super) fn word<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        all: &[T],
        named: fn(T) -> &'static str,
    ) -> Option<T> {
        let text = self.text(node, what)?;
        let found = all.iter().copied().find(|value| named(*value) == text);
        if found.is_none() {
            let words: Vec<&str> = all.iter().copied().map(named).collect();
            self.problem(node.line, format!("{what} is `{text}`{}", nearest(text, &words)));
        }
        found
    }

    pub(super) fn words<T: Copy>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        all: &[T],
        named: fn(T) -> &'static str,
    ) -> Vec<T> {
        let Some(node) = fields.get(key) else { return Vec::new() };
        let what = format!("`{key}`");
        if let Value::Text { .. } = &node.value {
            return self.word(node, &what, all, named).into_iter().collect();
        }
        let items = self.list(node, &what);
        items.iter().filter_map(|item| self.word(item, &what, all, named)).collect()
    }

    pub(super) fn flag(&mut self, fields: &Fields<'_>, key: &str) -> Option<bool> {
        let node = fields.get(key)?;
        match &node.value {
            Value::Text { text, plain: true } if text == "true" => Some(true),
            Value::Text { text, plain: true } if text == "false" => Some(false),
            _ => {
                self.problem(node.line, format!("`{key}` must be `true` or `false`"));
                None
            }
        }
    }

    pub(super) fn number(&mut self, fields: &Fields<'_>, key: &str) -> Option<u64> {
        let node = fields.get(key)?;
        let number = match &node.value {
            Value::Text { text, plain: true } => text.parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.problem(node.line, format!("`{key}` must be a whole number"));
        }
        number
    }
}
