//! What a request asks a service to do, in the terms of the history. An operation knows it, because it made the request; of a request that a
//! scenario wrote by hand it is read from the arguments.

use super::digest::{digest_of_tags, low_half, visibility};
use crate::drive::canary::{InternedNames, state_of};
use harness_history::RecordState;
use harness_history::op::Query;
use mcp_contracts::guardrails::ActionRequest;
use mcp_contracts::{memory, orchestrator, patterns};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The part of an effect that is in the request.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum SentEffect {
    /// Nothing that a check follows.
    #[default]
    Nothing,
    Write(RecordState),
    Writes(Vec<RecordState>),
    Update {
        key: Arc<str>,
        value: RecordState,
        expected: Option<u64>,
    },
    Delete {
        key: Arc<str>,
    },
    Read {
        key: Arc<str>,
    },
    Scan(Query),
    Inject {
        pattern: Arc<str>,
        execution: Arc<str>,
        request: Arc<str>,
    },
    Workflow {
        /// Idempotency key.
        key: Option<Arc<str>>,
    },
    /// A request to a target, whose profile says where it has its record.
    Data {
        arguments: Box<Value>,
        /// True if it is for a record that exists.
        existing: bool,
    },
}

/// The arguments of any memory tool that a check follows.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Arguments {
    id: Option<Arc<str>>,
    content: Option<String>,
    tags: Option<Vec<String>>,
    visibility: Option<memory::Visibility>,
    expected_version: Option<u64>,
    query: Option<String>,
    memories: Option<Vec<Self>>,
}

impl Arguments {
    fn state(&self, names: &InternedNames) -> RecordState {
        let content = self.content.as_ref().map(|content| state_of(content, names)).unwrap_or_default();
        let tags = self.tags.as_deref().map(|tags| digest_of_tags(tags.iter().map(String::as_str)));
        RecordState { visibility: self.visibility.map(visibility), tags, ..content }
    }
}

impl SentEffect {
    /// Reads a request from its arguments, a JSON text. Invalid arguments, which a scenario may send on purpose, ask for nothing.
    pub(crate) fn parse(tool: &str, arguments: &str, names: &InternedNames) -> Self {
        match tool {
            patterns::tool::INJECT => return inject(arguments),
            orchestrator::tool::RUN_WORKFLOW => {
                let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
                return Self::Workflow { key: arguments["idempotencyKey"].as_str().map(Arc::from) };
            }
            _ => {}
        }
        let sent: Arguments = serde_json::from_str(arguments).unwrap_or_default();
        let of_record = |act: &dyn Fn(Arc<str>) -> Self| sent.id.clone().map_or(Self::Nothing, act);
        match tool {
            memory::tool::STORE if sent.content.is_some() => Self::Write(sent.state(names)),
            memory::tool::IMPORT => {
                Self::Writes(sent.memories.iter().flatten().map(|memory| memory.state(names)).collect())
            }
            memory::tool::UPDATE => {
                of_record(&|key| Self::Update { key, value: sent.state(names), expected: sent.expected_version })
            }
            memory::tool::DELETE => of_record(&|key| Self::Delete { key }),
            memory::tool::GET => of_record(&|key| Self::Read { key }),
            memory::tool::SEARCH | memory::tool::LIST | memory::tool::EXPORT => Self::Scan(Query {
                words: sent.query.as_deref().map(low_half),
                tags: sent.tags.as_deref().map(|tags| digest_of_tags(tags.iter().map(String::as_str))),
                ..Query::default()
            }),
            _ => Self::Nothing,
        }
    }
}

fn inject(arguments: &str) -> SentEffect {
    let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
    let text = |name: &str| arguments[name].as_str().unwrap_or_default();
    injection(text("patternId"), text("executionId"), &arguments["request"])
}

/// Returns the request to inject a pattern for the request that the guardrails judged.
pub(crate) fn injection(pattern: &str, execution: &str, request: &Value) -> SentEffect {
    let request = serde_json::from_value::<ActionRequest>(request.clone());
    let hash = request.map(|request| hex::encode(Sha256::digest(request.canonical()))).unwrap_or_default();
    SentEffect::Inject { pattern: pattern.into(), execution: execution.into(), request: hash.into() }
}
