//! The step of the agent: a draft from facts, context and pattern, reworded by a model if one is configured and there is time. If the model fails,
//! the template's artefact is used.

use super::WorkflowRequest;
use super::memory::RecalledMemories;
use super::steps::{StepResult, StepTimer};
use super::{Run, Workflow};
use crate::agent::{self, AgentDraft, AgentInput, MemoryDraft};
use mcp_contracts::memory::Memory;
use mcp_contracts::orchestrator::{Artefact, ModelUsage, StepName, StepOutcome, UsedPattern};
use mcp_contracts::{ErrorCode, ToolError};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct AgentOutput {
    pub(super) artefact: Artefact,
    pub(super) usage: Option<ModelUsage>,
    pub(super) remember: Vec<MemoryDraft>,
    pub(super) step: StepResult,
}

/// Longest text that an agent reads on a thread that serves calls. It takes a few milliseconds; 256 KiB take a hundred times as long.
const SHORT_BYTES: usize = 4 << 10;

/// What an agent needs.
#[derive(Clone, Copy)]
struct Work<'a> {
    request: &'a WorkflowRequest,
    memories: &'a [Memory],
    static_context: bool,
    pattern: Option<&'a str>,
    execution_id: &'a str,
}

/// What an agent needs, owned, so that a thread of its own can read it.
struct OwnedWork {
    request: WorkflowRequest,
    memories: Vec<Memory>,
    static_context: bool,
    pattern: Option<String>,
    execution_id: String,
}

impl Work<'_> {
    fn draft(self) -> AgentDraft {
        let action = &self.request.action;
        let input = AgentInput {
            intent: &action.intent,
            text: action.text.as_deref().unwrap_or_default(),
            files: &action.files,
            role: &self.request.role,
            memories: self.memories,
            static_context: self.static_context,
            pattern: self.pattern,
            today: jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date(),
            execution_id: self.execution_id,
        };
        agent::run(self.request.agent, &input)
    }

    fn to_owned_work(self) -> OwnedWork {
        OwnedWork {
            request: self.request.clone(),
            memories: self.memories.to_vec(),
            static_context: self.static_context,
            pattern: self.pattern.map(str::to_owned),
            execution_id: self.execution_id.to_owned(),
        }
    }
}

impl OwnedWork {
    fn draft(&self) -> AgentDraft {
        let Self { request, memories, static_context, pattern, execution_id } = self;
        let (static_context, pattern) = (*static_context, pattern.as_deref());
        Work { request, memories, static_context, pattern, execution_id }.draft()
    }
}

impl Workflow {
    /// Runs an agent on a thread that serves no calls. One long text is read at a time, so that other calls keep the processor, and one of an
    /// organisation waits for its turn, so that the organisations take turns.
    async fn draft_apart(&self, run: &Run<'_>, work: OwnedWork) -> Result<AgentDraft, ToolError> {
        let turns = async {
            let own = self.running.long_text(&run.claims.org_id).lock_owned().await;
            (own, Arc::clone(&self.long_texts).acquire_owned().await)
        };
        let turns = tokio::time::timeout_at(run.deadline.into(), turns).await.map_err(|_| {
            ToolError::new(ErrorCode::DeadlineExceeded, "other long texts of the organisation are still read")
                .with_hint("retry, or shorten `text`")
        })?;
        let drafting = tokio::task::spawn_blocking(move || {
            // Held until the work ends, although the call may be cancelled before.
            let _turns = turns;
            work.draft()
        });
        // A panic ends this call, as it would on the call's own thread.
        Ok(drafting.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())))
    }

    pub(super) async fn execute(
        &self,
        run: &Run<'_>,
        recalled: &RecalledMemories,
        pattern: Option<&UsedPattern>,
    ) -> Result<AgentOutput, ToolError> {
        let timer = StepTimer::begin(StepName::Execute);
        let work = Work {
            request: run.request,
            memories: &recalled.memories,
            static_context: recalled.missing.is_some(),
            pattern: pattern.map(|pattern| pattern.text.as_str()),
            execution_id: run.id,
        };
        let text = run.request.action.text.as_deref().unwrap_or_default();
        let is_short = text.len() <= SHORT_BYTES;
        let drafted = if is_short { work.draft() } else { self.draft_apart(run, work.to_owned_work()).await? };
        let remember = drafted.remember;
        let Some(model) = &self.model else {
            let step = timer.end(StepOutcome::Ok, "template", 0);
            return Ok(AgentOutput { artefact: drafted.artefact, usage: None, remember, step });
        };
        // The last steps (log, remember) need the time of one call to a peer.
        let until = run.deadline.checked_sub(self.peer_deadline).unwrap_or(run.deadline);
        Ok(match model.complete(&drafted.draft, &run.claims.org_id, run.claims.plan, until).await {
            Ok((artefact, usage)) => {
                let step = timer.end(StepOutcome::Ok, "model", 1);
                AgentOutput { artefact, usage: Some(usage), remember, step }
            }
            Err(error) => {
                let step = timer.end(StepOutcome::Fallback, "template", 1).with_detail(error.to_string());
                let step = step.degraded(error.reason());
                AgentOutput { artefact: drafted.artefact, usage: None, remember, step }
            }
        })
    }
}
