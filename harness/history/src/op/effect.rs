//! What a call did to the data of a service: the facts by which checks compare calls with each other.

use super::record::{Query, RecordState};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a call did: what it wrote, read, had judged or had injected. Only facts that a check uses are recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing that a check uses.
    #[default]
    None,
    /// Tried to create a record.
    Write {
        /// Id that the service gave it; omitted unless the write was acknowledged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
        /// The state that was sent, with the version that was acknowledged.
        value: RecordState,
        /// True if the service answered that an equal record existed, so that it wrote nothing.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        existing: bool,
    },
    /// Created several records at once, all or none.
    Writes {
        /// Id and state of each. The id is empty if the call was not answered, or without the ids.
        records: Vec<(Arc<str>, RecordState)>,
    },
    /// Tried to change a record that exists. Histories recorded before this variant existed have a `Write` with the id of the record instead.
    Update {
        /// Id of the record.
        key: Arc<str>,
        /// The fields that were sent, with the version that was acknowledged; the record keeps its own value for an omitted field.
        value: RecordState,
        /// Version that the record had to have; omitted if the change was unconditional. A refusal is `Failed(Tool("version_conflict"))`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected: Option<u64>,
    },
    /// Tried to delete `key`.
    Delete {
        /// Id of the record.
        key: Arc<str>,
    },
    /// Tried to delete several records at once.
    Deletes {
        /// Their ids.
        keys: Vec<Arc<str>>,
    },
    /// Read one record by its id.
    Read {
        /// Id of the record.
        key: Arc<str>,
        /// The state in the reply; `None` if the service answered that there is no such record.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<RecordState>,
    },
    /// Read several records by a search, a list or an export: one page.
    Scan {
        /// Id and state of each record, in the order of the reply.
        hits: Vec<(Arc<str>, RecordState)>,
        /// What was requested; omitted in histories recorded before this field existed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<Box<Query>>,
    },
    /// Received a signed verdict of the guardrails, which other services accept as permission.
    Verdict {
        /// Id of the verdict.
        verdict: Arc<str>,
        /// What it allows.
        kind: VerdictKind,
        /// Execution that the verdict is valid for.
        execution: Arc<str>,
        /// Hash of the request that the verdict is valid for.
        request: Arc<str>,
        /// Version of the rules that decided; empty if the verdict does not name it.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        rules: Arc<str>,
        /// User that the verdict is valid for; empty in histories recorded before this field existed.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        user: Arc<str>,
        /// Time from its issue to its expiry, in seconds; omitted in histories recorded before this field existed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lifetime_s: Option<u64>,
    },
    /// Requested the injection of a pattern. The pattern was injected if the call ended `ok`.
    Inject {
        /// Id of the pattern.
        pattern: Arc<str>,
        /// Execution that the pattern was requested for.
        execution: Arc<str>,
        /// Hash of the request that the pattern was requested for.
        request: Arc<str>,
        /// The verdict that the service names as the permission.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Arc<str>>,
    },
    /// Ran a workflow.
    Workflow(Workflow),
    /// The harness made every instance of a service unavailable, or brought one back. This is not a call of a client.
    Outage {
        /// The service.
        service: Arc<str>,
        /// True if no instance is available from here on, false if one is available again.
        down: bool,
    },
}

/// What a verdict allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictKind {
    /// No rule is against the action.
    Allow,
    /// A person must acknowledge the action first.
    Acknowledge,
    /// A person has acknowledged the action. The verdict is valid once.
    Acknowledged,
}

/// How a workflow ended. Only facts that a check uses are recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workflow {
    /// Id of the execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<Arc<str>>,
    /// Idempotency key that the client sent with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Arc<str>>,
    /// Its status.
    pub status: WorkflowEnd,
    /// Why it is degraded or blocked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Arc<str>>,
    /// Steps that fell back or failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<Arc<str>>,
    /// True if its action must not run without a verdict.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub risky: bool,
    /// The verdict of the guardrails; `None` if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Arc<str>>,
    /// Version of the rules behind that verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Arc<str>>,
    /// The pattern that was injected, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Arc<str>>,
    /// The verdict on which the pattern was injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub injected: Option<Arc<str>>,
}

impl Workflow {
    /// Returns a workflow with this status and no other facts.
    pub const fn ended(status: WorkflowEnd) -> Self {
        Self {
            execution: None,
            key: None,
            status,
            reasons: Vec::new(),
            fallbacks: Vec::new(),
            risky: false,
            verdict: None,
            rules: None,
            pattern: None,
            injected: None,
        }
    }
}

/// Status of a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowEnd {
    /// Every service took part.
    Completed,
    /// A service was missing, and a fallback replaced it.
    Degraded,
    /// The guardrails blocked it, or were down.
    Blocked,
    /// A person must acknowledge the action first.
    AcknowledgementRequired,
}

impl Effect {
    /// Returns true if no check uses the call.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Returns each content that the call tried to write: the id of its record (if the service returned one), its digest, and the whole state.
    pub fn contents(&self) -> impl Iterator<Item = (Option<&Arc<str>>, u64, &RecordState)> {
        let one = match self {
            Self::Write { key, value, .. } => Some((key.as_ref(), value)),
            Self::Update { key, value, .. } => Some((Some(key), value)),
            _ => None,
        };
        let many: &[(Arc<str>, RecordState)] = match self {
            Self::Writes { records } => records,
            _ => &[],
        };
        let many = many.iter().map(|(key, value)| (Some(key).filter(|key| !key.is_empty()), value));
        let states = one.into_iter().chain(many);
        // An update that omits the content has no digest, and writes no content.
        states.filter_map(|(key, value)| Some((key, value.digest?, value)))
    }

    /// Returns the records in the reply of a read or a scan.
    pub fn returned(&self) -> impl Iterator<Item = (&Arc<str>, &RecordState)> {
        let one = match self {
            Self::Read { key, value: Some(value) } => Some((key, value)),
            _ => None,
        };
        let many: &[(Arc<str>, RecordState)] = match self {
            Self::Scan { hits, .. } => hits,
            _ => &[],
        };
        one.into_iter().chain(many.iter().map(|(key, value)| (key, value)))
    }

    /// Returns the ids of the records that the call tried to delete.
    pub fn deleted(&self) -> &[Arc<str>] {
        match self {
            Self::Delete { key } => std::slice::from_ref(key),
            Self::Deletes { keys } => keys,
            _ => &[],
        }
    }
}
