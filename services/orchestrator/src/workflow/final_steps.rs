//! The last two steps: log the use of the pattern, and store the outcome in memory. If a peer does not accept a call, the call goes to the outbox
//! with the same idempotency key, so that it takes effect once even if the first attempt succeeded and its reply was lost.

use super::execute::AgentOutput;
use super::steps::{StepResult, StepTimer, reason};
use super::{Run, Workflow};
use crate::agent::MemoryDraft;
use crate::peer::PeerError;
use crate::peers::{LOG_USAGE, REMEMBER};
use crate::store::{Delivery, DeliveryKind};
use mcp_contracts::ErrorCode;
use mcp_contracts::memory::{ImportMemories, ImportedMemories, StoreMemory};
use mcp_contracts::orchestrator::{Reason, StepName, StepOutcome, UsedPattern};
use mcp_contracts::patterns::{LogPatternUsage, LoggedUsage, UsageOutcome};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Maximum length of an execution id that is used as an idempotency key. A longer one is hashed, because memory limits the length of keys.
const MAX_PLAIN_KEY_BYTES: usize = 96;

pub(super) struct FinalStep {
    pub(super) step: StepResult,
    pub(super) later: Option<Delivery>,
}

impl FinalStep {
    fn done(step: StepResult) -> Self {
        Self { step, later: None }
    }
}

impl Workflow {
    pub(super) async fn log_usage(&self, run: &Run<'_>, pattern: Option<&UsedPattern>) -> FinalStep {
        let Some(pattern) = pattern else {
            return FinalStep::done(StepTimer::skipped(StepName::LogUsage, "no pattern"));
        };
        let timer = StepTimer::begin(StepName::LogUsage);
        let arguments = LogPatternUsage {
            pattern_id: pattern.id.clone(),
            outcome: UsageOutcome::Accepted,
            execution_id: run.id.to_owned(),
            note: None,
        };
        let called = self.peers.patterns.call::<_, LoggedUsage>(&run.call(LOG_USAGE, true), &arguments).await;
        match called.result {
            Ok(_) => FinalStep::done(timer.end(StepOutcome::Ok, "patterns", called.attempts)),
            Err(error) => defer(
                run,
                timer,
                DeliveryKind::LogUsage,
                &arguments,
                called.attempts,
                &error,
                Reason::PatternsUnavailable,
            ),
        }
    }

    /// Stores the outcome in memory. If memory did not answer in the memory step, it is not called again: the entry goes to the outbox at once.
    pub(super) async fn remember(&self, run: &Run<'_>, made: &AgentOutput, missing: Option<&PeerError>) -> FinalStep {
        if made.remember.is_empty() {
            return FinalStep::done(StepTimer::skipped(StepName::Remember, "nothing to remember"));
        }
        let timer = StepTimer::begin(StepName::Remember);
        let arguments = memories(run, &made.remember);
        let down = Reason::MemoryUnavailable;
        if let Some(error) = missing.filter(|error| !error.is_permanent()) {
            return defer(run, timer, DeliveryKind::Remember, &arguments, 0, error, down);
        }
        let called = self.peers.memory.call::<_, ImportedMemories>(&run.call(REMEMBER, true), &arguments).await;
        match called.result {
            Ok(_) => FinalStep::done(timer.end(StepOutcome::Ok, "memory", called.attempts)),
            // An earlier run of this execution stored its outcome and was interrupted before it ended.
            Err(PeerError::Tool(error)) if error.code == ErrorCode::IdempotencyConflict => {
                FinalStep::done(timer.end(StepOutcome::Ok, "memory", called.attempts).with_detail("remembered before"))
            }
            Err(error) => defer(run, timer, DeliveryKind::Remember, &arguments, called.attempts, &error, down),
        }
    }
}

/// Puts a call into the outbox, unless it can never succeed.
fn defer(
    run: &Run<'_>,
    timer: StepTimer,
    kind: DeliveryKind,
    arguments: &impl Serialize,
    attempts: u32,
    error: &PeerError,
    down: Reason,
) -> FinalStep {
    let why = reason(error, down);
    let payload = serde_json::to_string(arguments).ok().filter(|_| !error.is_permanent());
    match payload {
        Some(payload) => {
            let step = timer.end(StepOutcome::Deferred, "outbox", attempts).with_detail(error.name()).degraded(why);
            let (claims, execution_id) = (run.claims.clone(), run.id.to_owned());
            FinalStep { step, later: Some(Delivery { kind, claims, execution_id, payload }) }
        }
        None => {
            FinalStep::done(timer.end(StepOutcome::Failed, "none", attempts).with_detail(error.name()).degraded(why))
        }
    }
}

fn memories(run: &Run<'_>, remember: &[MemoryDraft]) -> ImportMemories {
    let key = if run.id.len() <= MAX_PLAIN_KEY_BYTES { run.id.to_owned() } else { hex::encode(Sha256::digest(run.id)) };
    let of = |(place, memory): (usize, &MemoryDraft)| StoreMemory {
        content: memory.content.clone(),
        tags: memory.tags.clone(),
        kind: Some(memory.kind.to_owned()),
        metadata: Map::from_iter([
            ("executionId".to_owned(), Value::from(run.id)),
            ("agent".to_owned(), Value::from(run.request.agent.name())),
        ]),
        visibility: memory.visibility,
        intent: memory.intent.clone(),
        idempotency_key: Some(format!("{key}:{place}")),
    };
    ImportMemories { memories: remember.iter().enumerate().map(of).collect() }
}
