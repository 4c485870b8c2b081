//! Reads typed values from a YAML tree. If a value has the wrong type, the reader records a problem and continues, so that all problems of a file
//! are reported together.

use super::yaml::{self, MapEntry, Node, Value};
use super::{Problem, expected_one_of};
use std::collections::BTreeMap;

/// Reads the values of one file and collects its problems. It gets the text from its caller; it opens no file.
pub struct ValueReader<'a> {
    file: &'a str,
    /// Id of the item being read; problems carry it.
    pub item: Option<String>,
    problems: &'a mut Vec<Problem>,
}

/// The fields of a map, by key.
pub struct Fields<'n> {
    line: usize,
    by_key: BTreeMap<&'n str, &'n MapEntry>,
}

impl<'n> Fields<'n> {
    /// Returns the line of a field, or of its map if the field is missing.
    pub fn line(&self, key: &str) -> usize {
        self.by_key.get(key).map_or(self.line, |entry| entry.line)
    }

    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.by_key.get(key).map(|entry| &entry.node)
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

impl<'a> ValueReader<'a> {
    pub fn new(file: &'a str, problems: &'a mut Vec<Problem>) -> Self {
        Self { file, item: None, problems }
    }

    /// Parses the file; `None` if it is not YAML.
    pub fn parse(&mut self, text: &str) -> Option<Node> {
        yaml::parse(text).map_err(|error| self.problem(error.line, error.message)).ok()
    }

    /// Returns the number of problems so far. A caller compares the numbers before and after an item to see if the item has problems.
    pub fn problem_count(&self) -> usize {
        self.problems.len()
    }

    pub fn problem(&mut self, line: usize, message: impl Into<String>) {
        let (file, item) = (self.file.to_owned(), self.item.clone());
        self.problems.push(Problem { file, line, item, message: message.into() });
    }

    /// Reads a map with the fields `names`. Other fields and repeated ones are problems.
    pub fn fields<'n>(&mut self, node: &'n Node, what: &str, names: &[&str]) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            self.problem(node.line, format!("{what} is {}; it must be a map", node.value.kind()));
            return None;
        };
        let mut by_key = BTreeMap::new();
        for entry in entries {
            if !names.contains(&&*entry.key) {
                let hint = expected_one_of(&entry.key, names);
                self.problem(entry.line, format!("{what} has no field `{}`{hint}", entry.key));
            } else if by_key.insert(&*entry.key, entry).is_some() {
                self.problem(entry.line, format!("`{}` appears twice", entry.key));
            }
        }
        Some(Fields { line: node.line, by_key })
    }

    /// Reads a map with any keys. A repeated key is a problem.
    pub fn entries<'n>(&mut self, node: &'n Node, what: &str) -> &'n [MapEntry] {
        let Value::Map(entries) = &node.value else {
            self.problem(node.line, format!("{what} is {}; it must be a map", node.value.kind()));
            return &[];
        };
        for (at, entry) in entries.iter().enumerate() {
            if entries[..at].iter().any(|earlier| earlier.key == entry.key) {
                self.problem(entry.line, format!("`{}` appears twice", entry.key));
            }
        }
        entries
    }

    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::List(items) if items.is_empty() => {
                self.problem(node.line, format!("{what} is empty; add an item or omit it"));
                items
            }
            Value::List(items) => items,
            Value::Empty | Value::Text { .. } | Value::Map(_) => {
                self.problem(node.line, format!("{what} is {}; it must be a list", node.value.kind()));
                &[]
            }
        }
    }

    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        if let Value::Text { text, .. } = &node.value {
            return Some(text);
        }
        self.problem(node.line, format!("{what} is {}; it must be text", node.value.kind()));
        None
    }

    /// Returns a field, or reports that it is missing.
    pub fn required<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Option<&'n Node> {
        let node = fields.get(key);
        if node.is_none() {
            self.problem(fields.line(key), format!("`{key}` is missing"));
        }
        node
    }

    /// Reads a required text of 1 to `most` characters, without the spaces around it.
    pub fn bounded(&mut self, fields: &Fields<'_>, key: &str, most: usize) -> Option<String> {
        let node = self.required(fields, key)?;
        let text = self.text(node, &format!("`{key}`"))?.trim();
        match text.chars().count() {
            length if (1..=most).contains(&length) => Some(text.to_owned()),
            length => {
                self.problem(node.line, format!("`{key}` has {length} characters; 1 to {most} are allowed"));
                None
            }
        }
    }

    /// Reads a list of texts with their lines; a single text stands for a list of one.
    pub fn texts(&mut self, fields: &Fields<'_>, key: &str) -> Vec<(usize, String)> {
        let Some(node) = fields.get(key) else { return Vec::new() };
        if let Value::Text { text, .. } = &node.value {
            return vec![(node.line, text.clone())];
        }
        let what = format!("`{key}`");
        let items = self.list(node, &what);
        items.iter().filter_map(|item| Some((item.line, self.text(item, &what)?.to_owned()))).collect()
    }

    /// Reads one of the values in `all`. The file has the text that `name` returns for the value.
    pub fn word<T: Copy>(&mut self, node: &Node, what: &str, all: &[T], name: fn(T) -> &'static str) -> Option<T> {
        let text = self.text(node, what)?;
        let value = all.iter().copied().find(|value| name(*value) == text);
        if value.is_none() {
            let words: Vec<&str> = all.iter().copied().map(name).collect();
            self.problem(node.line, format!("{what} is `{text}`{}", expected_one_of(text, &words)));
        }
        value
    }

    pub fn words<T: Copy>(&mut self, fields: &Fields<'_>, key: &str, all: &[T], name: fn(T) -> &'static str) -> Vec<T> {
        let Some(node) = fields.get(key) else { return Vec::new() };
        let what = format!("`{key}`");
        if let Value::Text { .. } = &node.value {
            return self.word(node, &what, all, name).into_iter().collect();
        }
        let items = self.list(node, &what);
        items.iter().filter_map(|item| self.word(item, &what, all, name)).collect()
    }

    pub fn flag(&mut self, fields: &Fields<'_>, key: &str) -> Option<bool> {
        let node = fields.get(key)?;
        match &node.value {
            // A quoted `"true"` is text in YAML.
            Value::Text { text, plain: true } if text == "true" => Some(true),
            Value::Text { text, plain: true } if text == "false" => Some(false),
            _ => {
                self.problem(node.line, format!("`{key}` must be `true` or `false`"));
                None
            }
        }
    }

    pub fn number(&mut self, fields: &Fields<'_>, key: &str) -> Option<u64> {
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
