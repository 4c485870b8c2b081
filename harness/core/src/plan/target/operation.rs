//! An operation as data: which tool it calls, with which arguments, what the reply must have, and which record the call writes or reads.

use super::pointer::Pointer;
use super::template::{Placeholder, Template};
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
        if self.writes.is_some() && self.reads.is_some() {
            problems.push(("reads", "an operation either writes or reads a record; make it two operations".to_owned()));
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
