//! An operation as data: which tool it calls, with which arguments, what the reply must have, and which record the call writes or reads.

mod pointer;
mod template;

pub use pointer::Pointer;
pub use template::{PLACEHOLDERS, Placeholder, Template};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An operation of a load on a target. Its weight is in the mix of the workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationData {
    /// Name in mixes, histories and reports.
    pub name: String,
    /// Where it was written, for messages: `profile.toml:12`, or `--call 2`.
    pub place: String,
    pub tool: String,
    pub arguments: Template,
    /// What the reply must have. A reply without it is malformed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Expected>,
    /// The record that a call writes; `None` if it writes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<WritePlace>,
    /// The record that a call reads; `None` if it reads none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<ReadPlace>,
    /// The records that a call lists; `None` if it lists none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists: Option<ListPlace>,
    /// Errors after which a call certainly had no effect: groups such as `quota`, statuses such as `http_503`, codes of tools. After any other
    /// error it may have had its effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certain_failures: Vec<String>,
}

/// A place that a reply must have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    pub at: Pointer,
    /// The value there; `None` if any value will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// Where a call has the record that it writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WritePlace {
    pub key: Pointer,
    pub value: Pointer,
}

/// Where a call has the record that it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadPlace {
    pub key: Pointer,
    pub value: Pointer,
    /// Texts of errors that say that there is no such record. Such an error is a valid reply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// Where a call has the records that it lists: all records that the caller may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPlace {
    /// The list, in the reply.
    pub items: Pointer,
    /// JSON pointer from an item to its key.
    pub key: String,
    /// JSON pointer from an item to its value; `None` if the list has only keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl OperationData {
    /// Returns true if a call can create a record: it sends a new key, or the server chooses the key.
    pub fn creates(&self) -> bool {
        self.writes.as_ref().is_some_and(|writes| writes.key.is_in_reply() || self.sends_new_key(&writes.key))
    }

    fn sends_new_key(&self, key: &Pointer) -> bool {
        self.arguments.placeholders_at(key).iter().any(|placeholder| placeholder.is_new_key())
    }

    /// Returns true if a call can read any record: the key in its arguments is one placeholder for a key.
    pub fn reads_any(&self) -> bool {
        self.reads.as_ref().is_some_and(|reads| self.sends_known_key(&reads.key))
    }

    fn sends_known_key(&self, key: &Pointer) -> bool {
        self.arguments.only_placeholder_at(key).is_some_and(Placeholder::is_known_key)
    }

    /// Returns true if a call uses this placeholder.
    pub fn uses(&self, placeholder: Placeholder) -> bool {
        self.arguments.placeholders().contains(&placeholder)
    }

    /// Returns the problems of its records: the key of the file, and what is wrong.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let places = [
            ("writes", self.writes.as_ref().map(|writes| [&writes.key, &writes.value])),
            ("reads", self.reads.as_ref().map(|reads| [&reads.key, &reads.value])),
        ];
        for (key, places) in places {
            let without = |place: &&Pointer| !place.is_in_reply() && !self.arguments.has(place);
            let lacking = places.into_iter().flatten().filter(without);
            problems.extend(lacking.map(|place| (key, format!("the arguments have no value at `{place}`"))));
        }
        if !problems.is_empty() {
            return problems;
        }
        let kinds = [self.writes.is_some(), self.reads.is_some(), self.lists.is_some()];
        if kinds.into_iter().filter(|kind| *kind).count() > 1 {
            let key = if self.lists.is_some() { "lists" } else { "reads" };
            problems.push((key, "an operation writes, reads or lists records; make it several operations".to_owned()));
        }
        if let Some(lists) = &self.lists {
            if !lists.items.is_in_reply() {
                problems.push(("lists", format!("`{}` is what was sent; a list is below `/reply`", lists.items)));
            }
            let is_pointer = |text: &&String| text.is_empty() || text.starts_with('/');
            let wrong = std::iter::once(&lists.key).chain(&lists.value).find(|text| !is_pointer(text));
            problems.extend(
                wrong.map(|text| ("lists", format!("`{text}` is not a JSON pointer from an item, such as `/name`"))),
            );
        }
        if let Some(writes) = &self.writes
            && !writes.key.is_in_reply()
            && !self.sends_new_key(&writes.key)
            && !self.sends_known_key(&writes.key)
        {
            let what = format!(
                "the value at `{}` is not a key of a record: use `{{{{key}}}}` or `{{{{uuid}}}}` there for a new record, \
                 or `{{{{known_key}}}}` alone to change one",
                writes.key
            );
            problems.push(("writes", what));
        }
        if let Some(reads) = &self.reads {
            if !self.sends_known_key(&reads.key) {
                let what = format!(
                    "the value at `{}` must be `{{{{known_key}}}}`, `{{{{shared_key}}}}` or `{{{{foreign_key}}}}` alone, so that \
                     every record can be read back at the end",
                    reads.key
                );
                problems.push(("reads", what));
            }
            if !reads.value.is_in_reply() {
                problems.push(("reads", format!("`{}` is what was sent; a read value is below `/reply`", reads.value)));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::{OperationData, Placeholder};
    use serde_json::{Value, json};

    fn operation(records: &Value) -> OperationData {
        let arguments =
            json!({ "new": "{{key}}", "path": "notes/{{uuid}}.md", "old": "{{known_key}}", "word": "{{word}}" });
        let mut data = json!({ "name": "n", "place": "p", "tool": "t", "arguments": arguments });
        data.as_object_mut().unwrap().extend(records.as_object().unwrap().clone());
        serde_json::from_value(data).unwrap()
    }

    fn problems(records: &Value) -> String {
        operation(records).problems().into_iter().map(|(key, what)| format!("{key}: {what}\n")).collect()
    }

    #[test]
    fn a_write_needs_a_key_that_is_new_or_known() {
        for key in ["/arguments/new", "/arguments/path", "/reply/id"] {
            let writes = json!({ "writes": { "key": key, "value": "/arguments/word" } });
            assert_eq!((problems(&writes).as_str(), operation(&writes).creates()), ("", true), "{key}");
        }
        let changes = json!({ "writes": { "key": "/arguments/old", "value": "/arguments/word" } });
        assert_eq!((problems(&changes).as_str(), operation(&changes).creates()), ("", false));
        let word = problems(&json!({ "writes": { "key": "/arguments/word", "value": "/arguments/word" } }));
        assert!(word.contains("is not a key of a record"), "{word}");
        let nowhere = problems(&json!({ "writes": { "key": "/arguments/id", "value": "/arguments/texts/0" } }));
        assert!(nowhere.contains("`/arguments/id`") && nowhere.contains("`/arguments/texts/0`"), "{nowhere}");
    }

    #[test]
    fn a_read_needs_one_key_and_a_value_of_the_reply() {
        let reads = json!({ "reads": { "key": "/arguments/old", "value": "/reply/text" } });
        assert!(problems(&reads).is_empty() && operation(&reads).reads_any());
        let new = problems(&json!({ "reads": { "key": "/arguments/new", "value": "/arguments/word" } }));
        assert!(new.contains("must be `{{known_key}}`") && new.contains("below `/reply`"), "{new}");
        let both = problems(&json!({
            "reads": { "key": "/arguments/old", "value": "/reply/text" },
            "writes": { "key": "/arguments/new", "value": "/arguments/word" },
        }));
        assert!(both.contains("writes, reads or lists"), "{both}");
    }

    #[test]
    fn a_list_is_in_the_reply_and_its_items_have_keys() {
        let lists =
            |items: &str, key: &str| problems(&json!({ "lists": { "items": items, "key": key, "value": "/text" } }));
        assert_eq!((lists("/reply/items", "/id").as_str(), lists("/reply", "").as_str()), ("", ""));
        let wrong = lists("/arguments/old", "id");
        assert!(wrong.contains("below `/reply`") && wrong.contains("`id` is not a JSON pointer"), "{wrong}");
    }

    #[test]
    fn the_placeholders_that_a_call_uses_are_known() {
        let data = operation(&json!({}));
        assert!(data.uses(Placeholder::KnownKey) && !data.uses(Placeholder::ForeignKey));
    }
}
