//! One call of the measuring client: who called what when, and what came back.
//! Serialized as one line of `history.jsonl`; the position of a line is the identity of its operation.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One call, from invocation to completion. Times are microseconds of the run's monotonic clock, 0 at its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Op {
    /// The virtual user; its operations never overlap.
    pub process: u32,
    /// Organisation of the caller.
    pub tenant: Arc<str>,
    /// User of the caller inside the organisation.
    pub user: Arc<str>,
    /// Workspace of the caller; omitted if it is the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Arc<str>>,
    /// Name of the operation, such as `store_memory`.
    pub name: Arc<str>,
    /// Part of the run it belongs to.
    pub phase: Phase,
    /// When the arrival schedule wanted it sent; only in the open model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_us: Option<u64>,
    /// When it was sent.
    pub invoke_us: u64,
    /// When the reply was complete, or the call given up.
    pub complete_us: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Marks of contents in the reply outside the records of `effect`, such as in an error text or an unknown field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<Canary>,
    /// What it did or saw, as far as the client can tell.
    #[serde(default, skip_serializing_if = "Effect::is_none")]
    pub effect: Effect,
}

impl Op {
    /// Latency from the planned start in the open model, else from the send; microseconds.
    pub fn latency_us(&self) -> u64 {
        self.complete_us.saturating_sub(self.planned_us.unwrap_or(self.invoke_us))
    }

    /// Service time: from the send to the complete reply; microseconds.
    pub fn service_us(&self) -> u64 {
        self.complete_us.saturating_sub(self.invoke_us)
    }

    /// How late it was sent behind the schedule; microseconds, `None` in the closed model.
    pub fn send_lag_us(&self) -> Option<u64> {
        self.planned_us.map(|planned| self.invoke_us.saturating_sub(planned))
    }
}

/// Part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Preparation, such as seeding data.
    Setup,
    /// Load before measuring starts; judged for correctness, not for speed.
    Warmup,
    /// Judged for everything.
    Measured,
    /// The final quiet read of every acknowledged write.
    Final,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Acknowledged.
    Ok,
    /// Certainly without effect: refused before it was sent, or answered with an error.
    Failed(ErrorKind),
    /// Sent and not answered: it may or may not have had its effect.
    Unknown(ErrorKind),
}

impl Outcome {
    /// The kind of error, if it was one.
    pub fn error(&self) -> Option<&ErrorKind> {
        match self {
            Self::Ok => None,
            Self::Failed(kind) | Self::Unknown(kind) => Some(kind),
        }
    }
}

/// What kind of error ended a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// No connection; nothing was sent.
    Connect,
    /// Sent, and no complete reply before the deadline.
    Timeout,
    /// Sent, and the connection ended before the reply was complete.
    Reset,
    /// An HTTP status other than 2xx and 429.
    Http(u16),
    /// Refused by quota (429, or the code `quota_exceeded`).
    Quota,
    /// A JSON-RPC error, with its code.
    JsonRpc(i64),
    /// A tool result with `isError`, with its stable code.
    Tool(Arc<str>),
    /// The service asks its caller something first (`input_required`); nothing was done.
    InputRequired,
    /// A reply that is not what the protocol allows, with the reason.
    Malformed(Arc<str>),
}

impl ErrorKind {
    /// The group it is counted under in reports.
    pub const fn group(&self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Http(_) => "http",
            Self::Quota => "quota",
            Self::JsonRpc(_) => "json_rpc",
            Self::Tool(_) => "is_error",
            Self::InputRequired => "input_required",
            Self::Malformed(_) => "malformed",
        }
    }

    /// The group with what is known beyond it, such as `http 503`.
    pub fn told(&self) -> String {
        match self {
            Self::Http(status) => format!("http {status}"),
            Self::JsonRpc(code) => format!("json_rpc {code}"),
            Self::Tool(code) => format!("is_error {code}"),
            Self::Connect | Self::Timeout | Self::Reset | Self::Quota | Self::InputRequired | Self::Malformed(_) => {
                self.group().to_owned()
            }
        }
    }
}

/// What a call did or saw.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing that a check follows.
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
        /// Id and state of each.
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
        /// Id and state of each record in the reply, in its order.
        hits: Vec<(Arc<str>, RecordState)>,
        /// What was requested; omitted in histories recorded before this field existed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<Box<Query>>,
    },
    /// Got a verdict of the guardrails that other services accept.
    Verdict {
        /// Its identity.
        verdict: Arc<str>,
        /// What it stands for.
        kind: VerdictKind,
        /// Execution that it is for.
        execution: Arc<str>,
        /// Hash of the request that it is for.
        request: Arc<str>,
        /// Version of the rules that decided; empty where it is not known.
        #[serde(default, skip_serializing_if = "is_unknown")]
        rules: Arc<str>,
    },
    /// Asked for a pattern to be injected; it was where the call is ok.
    Inject {
        /// Id of the pattern.
        pattern: Arc<str>,
        /// Execution that it is for.
        execution: Arc<str>,
        /// Hash of the request that it is for.
        request: Arc<str>,
        /// The verdict that the service says it went by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Arc<str>>,
    },
    /// Ran a workflow.
    Workflow(Workflow),
    /// The harness itself took every instance of a service away, or brought one back.
    Outage {
        /// The service.
        service: Arc<str>,
        /// True from here on nobody answers for it.
        down: bool,
    },
}

/// Tells whether a version is not known.
fn is_unknown(version: &Arc<str>) -> bool {
    version.is_empty()
}

/// What a verdict stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictKind {
    /// No rule stands against it.
    Allow,
    /// Somebody must acknowledge it first.
    Acknowledge,
    /// Somebody has; good once.
    Acknowledged,
}

/// How a workflow ended, as far as a check follows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workflow {
    /// Id of the execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<Arc<str>>,
    /// The key under which its user may ask for it again; absent where it was asked for without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Arc<str>>,
    /// Its status.
    pub status: WorkflowEnd,
    /// Its reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Arc<str>>,
    /// Steps that a fallback stood in for, or that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<Arc<str>>,
    /// Whether what it is about may not go on without a verdict.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub risky: bool,
    /// What the guardrails said; absent where they said nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Arc<str>>,
    /// Version of the rules that they went by; absent where they said nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Arc<str>>,
    /// The pattern that was injected; absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Arc<str>>,
    /// The verdict on which a pattern was injected; absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub injected: Option<Arc<str>>,
}

impl Workflow {
    /// One that ended so, of which nothing else is known.
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
    /// Everything took part.
    Completed,
    /// Something was missing and a fallback stood in.
    Degraded,
    /// It was not let go on.
    Blocked,
    /// Somebody must acknowledge something first.
    AcknowledgementRequired,
}

impl Effect {
    /// Tells whether there is nothing to follow.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Returns every content that the call tried to write: the id of its record, if it is known, its digest, and the state it belongs to.
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
        let states = one.into_iter().chain(many.iter().map(|(key, value)| (Some(key), value)));
        states.filter_map(|(key, value)| Some((key, value.digest?, value)))
    }

    /// Returns true if the call tried to write this content.
    pub fn wrote(&self, content: u64) -> bool {
        self.contents().any(|(_, digest, _)| digest == content)
    }
}

/// State of a record, as it was sent or as it came back. A field is `None` if it was not sent, not returned, or not recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecordState {
    /// XXH3 (64 bit) of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<u64>,
    /// Who wrote the content, according to the mark inside it; `None` also if there is no mark, because the harness did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Counts the changes of the record, from 1. In a write: the version that the reply acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Who may read the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Digest of the tags that the caller gave the record (the service's own are not part of it), in any order. 32 bits, because a record costs
    /// 10 bytes less than with 64 in the file, and one wrong set in 4 billion goes unnoticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<u32>,
}

impl RecordState {
    /// Returns a state of which the content alone is known.
    pub fn of_content(digest: u64, canary: Option<Canary>) -> Self {
        Self { digest: Some(digest), canary, ..Self::default() }
    }
}

/// Who may read a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Visibility {
    /// Its user alone, in its workspace.
    #[serde(rename = "p")]
    Private,
    /// Every user of its organisation in the same workspace.
    #[serde(rename = "w")]
    Workspace,
}

/// What a scan requested. A list of everything has neither words nor tags. The pages of one walk are the scans of one process that follow
/// each other with the same words and tags, from page 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Digest of the words that were searched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<u32>,
    /// Digest of the tags that were filtered by, computed as [`RecordState::tags`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<u32>,
    /// Number of the page, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub page: u32,
    /// True if the reply has a cursor for another page.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// Id of the record that the words, tags or cursor belong to alone. If the caller may see that record, it must be the only hit;
    /// otherwise the scan is an attempt at a record of another user, workspace or organisation, and there must be no hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Arc<str>>,
}

const fn is_zero(page: &u32) -> bool {
    *page == 0
}

/// The mark that the harness writes into every content, as `canary:<tenant>/<user>/<p|w>/<number>`: who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Canary {
    /// Organisation that wrote it.
    pub tenant: Arc<str>,
    /// User that wrote it.
    pub user: Arc<str>,
    /// Workspace of that user; omitted if it is the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Arc<str>>,
    /// Whether the whole workspace may read it (`w`), or its user alone (`p`).
    pub shared: bool,
    /// Counts the writes of that user.
    pub number: u64,
}
