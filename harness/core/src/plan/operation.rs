//! An operation as data: which tool it calls, with which arguments, what the reply must have, and which record the call writes or reads.

mod pointer;
mod template;

pub use pointer::Pointer;
pub use template::{PLACEHOLDERS, Placeholder, Template};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

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

/// Returns one line for each placeholder that no call of these operations can fill with a record, if `users` are spread over `tokens`.
pub(crate) fn unfillable(
    operations: &[OperationData],
    mix: &BTreeMap<String, u32>,
    users: u32,
    tokens: u32,
) -> Vec<String> {
    let creates = operations.iter().any(OperationData::creates);
    let mut problems = Vec::new();
    for operation in operations.iter().filter(|operation| mix.get(&operation.name).is_some_and(|weight| *weight > 0)) {
        for (name, placeholder, _) in PLACEHOLDERS.iter().filter(|(_, placeholder, _)| placeholder.is_known_key()) {
            let why = match placeholder {
                _ if !creates => {
                    "no operation creates records; add `writes` with a new key to an `[[operation]]` of a file, because `--call` has none"
                }
                Placeholder::ForeignKey if tokens < 2 => "there is one token; add another one",
                Placeholder::SharedKey if users < tokens.saturating_mul(2) => {
                    "a token has one user only; use at least two users for each token"
                }
                _ => continue,
            };
            if operation.uses(*placeholder) {
                let OperationData { name: operation, place, .. } = operation;
                problems.push(format!("{place}: `{operation}` needs `{{{{{name}}}}}`, but {why}"));
            }
        }
    }
    problems
}

/// A place that a reply must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What says that there is no such record: texts of errors of tools, statuses such as `http_404`, and codes such as `json_rpc_-32603`. Such an
    /// error is a valid reply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// What a good reply has if there is no such record: each is a place that exists, or a place with this value. [`READ_KEY`] in a text stands
    /// for the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_record: Vec<Expected>,
}

/// Stands for the key of the record in a text of `no_record`.
const READ_KEY: &str = "{{known_key}}";

impl ReadPlace {
    /// Returns true if a good reply says that there is no record with this key.
    pub fn has_no_record(&self, key: &str, arguments: &Value, reply: &Value) -> bool {
        self.no_record.iter().any(|Expected { at, value }| match (at.find(arguments, reply), value) {
            (found, None) => found.is_some(),
            (Some(Value::String(found)), Some(Value::String(text))) => *found == text.replace(READ_KEY, key),
            (found, Some(value)) => found == Some(value),
        })
    }
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
            let fixed =
                |placeholder: &Placeholder| matches!(placeholder, Placeholder::User | Placeholder::Organisation);
            if !self.arguments.placeholders().iter().all(fixed) {
                let what = "the arguments of a list may have `{{user}}` and `{{organisation}}` and no other placeholder, because each \
                    list must have all records of the caller";
                problems.push(("lists", what.to_owned()));
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
            if reads.missing.iter().any(|text| text.trim().is_empty()) {
                let what = "a text of `missing` is empty, so every error would count as a missing record";
                problems.push(("reads", what.to_owned()));
            }
            problems.extend(no_record_problems(reads).map(|what| ("reads", what)));
            if !reads.value.is_in_reply() {
                problems.push(("reads", format!("`{}` is what was sent; a read value is below `/reply`", reads.value)));
            }
        }
        problems
    }
}

/// Returns what is wrong with the signs of a missing record.
fn no_record_problems(reads: &ReadPlace) -> impl Iterator<Item = String> {
    reads.no_record.iter().filter_map(|Expected { at, value }| {
        if !at.is_in_reply() {
            return Some(format!("`{at}` of `no_record` is what was sent; what says that there is no record is below `/reply`"));
        }
        let text = value.as_ref().and_then(Value::as_str).unwrap_or_default().replace(READ_KEY, "");
        text.contains("{{").then(|| {
            format!("`{text}` of `no_record` has a placeholder; only `{READ_KEY}` is allowed there, and stands for the key that was read")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{OperationData, Placeholder, unfillable};
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

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
        for (missing, is_good) in [("not found", true), ("http_404", true), ("", false), (" ", false)] {
            let reads = json!({ "key": "/arguments/old", "value": "/reply/text", "missing": [missing] });
            let found = problems(&json!({ "reads": reads }));
            assert_eq!(!found.contains("a text of `missing` is empty"), is_good, "{missing:?}: {found}");
        }
        let both = problems(&json!({
            "reads": { "key": "/arguments/old", "value": "/reply/text" },
            "writes": { "key": "/arguments/new", "value": "/arguments/word" },
        }));
        assert!(both.contains("writes, reads or lists"), "{both}");
    }

    #[test]
    fn a_reply_can_say_that_there_is_no_record() {
        let reads = |no_record: Value| {
            let reads = json!({ "key": "/arguments/old", "value": "/reply/text", "no_record": no_record });
            operation(&json!({ "reads": reads }))
        };
        let text = |text: &str| json!([{ "at": "/reply/text", "value": text }]);
        for (no_record, reply, has_no_record) in [
            (text(""), json!({ "text": "" }), true),
            (text(""), json!({ "text": " " }), false),
            (text(""), json!({}), false),
            (text("no note named {{known_key}}"), json!({ "text": "no note named k1" }), true),
            (text("no note named {{known_key}}"), json!({ "text": "no note named k2" }), false),
            (json!([{ "at": "/reply/text", "value": [] }]), json!({ "text": [] }), true),
            (json!([{ "at": "/reply/found", "value": false }]), json!({ "found": false, "text": "x" }), true),
            (json!([{ "at": "/reply/found", "value": false }]), json!({ "found": true, "text": "x" }), false),
            (json!([{ "at": "/reply/error" }]), json!({ "error": "gone" }), true),
            (json!([{ "at": "/reply/error" }]), json!({ "error": null, "text": "x" }), false),
            (json!([]), json!({ "text": "" }), false),
        ] {
            let data = reads(no_record.clone());
            assert_eq!(data.problems(), Vec::new(), "{no_record}");
            let place = data.reads.unwrap();
            assert_eq!(place.has_no_record("k1", &Value::Null, &reply), has_no_record, "{no_record} and {reply}");
        }
        let of = |no_record: Value| reads(no_record).problems().into_iter().map(|(_, what)| what).collect::<String>();
        assert!(of(json!([{ "at": "/arguments/old" }])).contains("is what was sent"));
        assert!(of(text("none of {{word}}")).contains("only `{{known_key}}` is allowed"));
    }

    #[test]
    fn a_list_is_in_the_reply_and_its_items_have_keys() {
        let lists = |items: &str, key: &str| {
            let lists = json!({ "items": items, "key": key, "value": "/text" });
            problems(&json!({ "arguments": { "of": "{{organisation}}/{{user}}" }, "lists": lists }))
        };
        assert_eq!((lists("/reply/items", "/id").as_str(), lists("/reply", "").as_str()), ("", ""));
        let searched = problems(&json!({ "lists": { "items": "/reply", "key": "/id" } }));
        assert!(searched.contains("and no other placeholder"), "{searched}");
        let wrong = lists("/arguments/old", "id");
        assert!(wrong.contains("below `/reply`") && wrong.contains("`id` is not a JSON pointer"), "{wrong}");
    }

    #[test]
    fn a_key_that_no_record_can_have_is_a_problem() {
        let get = |key: &str| -> OperationData {
            let arguments = json!({ "key": format!("{{{{{key}}}}}") });
            serde_json::from_value(json!({ "name": "get", "place": "a.toml:7", "tool": "t", "arguments": arguments }))
                .unwrap()
        };
        let put = OperationData {
            name: "put".to_owned(),
            ..operation(
                &json!({ "arguments": { "new": "{{key}}" }, "writes": { "key": "/arguments/new", "value": "/arguments/new" } }),
            )
        };
        let problems = |operations: &[OperationData], users, tokens| {
            let mix = BTreeMap::from([("put".to_owned(), 0), ("get".to_owned(), 1)]);
            unfillable(operations, &mix, users, tokens).concat()
        };
        for key in ["known_key", "shared_key", "foreign_key"] {
            let alone = problems(&[get(key)], 4, 2);
            assert!(
                alone.starts_with("a.toml:7: `get` needs `{{") && alone.contains("no operation creates records"),
                "{alone}"
            );
            assert_eq!(problems(&[get(key), put.clone()], 4, 2), "", "{key}");
        }
        assert!(problems(&[get("foreign_key"), put.clone()], 4, 1).contains("there is one token"));
        assert!(problems(&[get("shared_key"), put.clone()], 3, 2).contains("one user only"));
        assert_eq!(problems(&[get("known_key"), put], 1, 1), "");
    }

    #[test]
    fn the_placeholders_that_a_call_uses_are_known() {
        let data = operation(&json!({}));
        assert!(data.uses(Placeholder::KnownKey) && !data.uses(Placeholder::ForeignKey));
    }
}
