//! The last two steps: the use of a pattern is logged, the outcome remembered. What a peer does not take now is handed to the outbox, under
//! the same identity, so that it is done once whether or not the first try was heard.

use super::execute::Made;
use super::trail::{Taken, Taking, reason};
use super::{Run, Workflow};
use crate::agent::NewMemory;
use crate::peer::PeerError;
use crate::peers::{LOG_USAGE, REMEMBER};
use crate::store::{Entry, Kind};
use mcp_contracts::ErrorCode;
use mcp_contracts::memory::{ImportMemories, ImportedMemories, StoreMemory};
use mcp_contracts::orchestrator::{Reason, StepName, StepOutcome, UsedPattern};
use mcp_contracts::patterns::{LogPatternUsage, LoggedUsage, UsageOutcome};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Longest execution id that is an idempotency key as it is.
const MAX_PLAIN_KEY_BYTES: usize = 96;

/// A step that may have left something for the outbox.
pub(super) struct Kept {
    pub(super) taken: Taken,
    pub(super) later: Option<Entry>,
}

impl Kept {
    fn done(taken: Taken) -> Self {
        Self { taken, later: None }
    }
}

impl Workflow {
    /// Tells patterns that its pattern was used.
    pub(super) async fn log_usage(&self, run: &Run<'_>, pattern: Option<&UsedPattern>) -> Kept {
        let Some(pattern) = pattern else { return Kept::done(Taking::skipped(StepName::LogUsage, "no pattern")) };
        let taking = Taking::begin(StepName::LogUsage);
        let arguments = LogPatternUsage {
            pattern_id: pattern.id.clone(),
            outcome: UsageOutcome::Accepted,
            execution_id: run.id.to_owned(),
            note: None,
        };
        let called = self.peers.patterns.call::<_, LoggedUsage>(&run.call(LOG_USAGE, true), &arguments).await;
        match called.result {
            Ok(_) => Kept::done(taking.end(StepOutcome::Ok, "patterns", called.attempts)),
            Err(error) => {
                put_off(run, taking, Kind::LogUsage, &arguments, called.attempts, &error, Reason::PatternsUnavailable)
            }
        }
    }

    /// Remembers the outcome; a memory that did not answer before is not waited for again.
    pub(super) async fn remember(&self, run: &Run<'_>, made: &Made, missing: Option<&PeerError>) -> Kept {
        if made.remember.is_empty() {
            return Kept::done(Taking::skipped(StepName::Remember, "nothing to remember"));
        }
        let taking = Taking::begin(StepName::Remember);
        let arguments = memories(run, &made.remember);
        let down = Reason::MemoryUnavailable;
        if let Some(error) = missing.filter(|error| !error.permanent()) {
            return put_off(run, taking, Kind::Remember, &arguments, 0, error, down);
        }
        let called = self.peers.memory.call::<_, ImportedMemories>(&run.call(REMEMBER, true), &arguments).await;
        match called.result {
            Ok(_) => Kept::done(taking.end(StepOutcome::Ok, "memory", called.attempts)),
            // An earlier run of this execution was cut after memory had taken its outcome.
            Err(PeerError::Tool(error)) if error.code == ErrorCode::IdempotencyConflict => {
                Kept::done(taking.end(StepOutcome::Ok, "memory", called.attempts).because("remembered before"))
            }
            Err(error) => put_off(run, taking, Kind::Remember, &arguments, called.attempts, &error, down),
        }
    }
}

fn put_off(
    run: &Run<'_>,
    taking: Taking,
    kind: Kind,
    arguments: &impl Serialize,
    attempts: u32,
    error: &PeerError,
    down: Reason,
) -> Kept {
    let why = reason(error, down);
    let payload = serde_json::to_string(arguments).ok().filter(|_| !error.permanent());
    match payload {
        Some(payload) => {
            let taken = taking.end(StepOutcome::Deferred, "outbox", attempts).because(error.name()).degraded(why);
            let (claims, execution_id) = (run.claims.clone(), run.id.to_owned());
            Kept { taken, later: Some(Entry { kind, claims, execution_id, payload }) }
        }
        None => Kept::done(taking.end(StepOutcome::Failed, "none", attempts).because(error.name()).degraded(why)),
    }
}

fn memories(run: &Run<'_>, remember: &[NewMemory]) -> ImportMemories {
    let key = if run.id.len() <= MAX_PLAIN_KEY_BYTES { run.id.to_owned() } else { hex::encode(Sha256::digest(run.id)) };
    let of = |(place, memory): (usize, &NewMemory)| StoreMemory {
        content: memory.content.clone(),
        tags: memory.tags.clone(),
        kind: Some(memory.kind.to_owned()),
        metadata: Map::from_iter([
            ("executionId".to_owned(), Value::from(run.id)),
            ("agent".to_owned(), Value::from(run.order.agent.name())),
        ]),
        visibility: memory.visibility,
        intent: memory.intent.clone(),
        idempotency_key: Some(format!("{key}:{place}")),
    };
    ImportMemories { memories: remember.iter().enumerate().map(of).collect() }
}
