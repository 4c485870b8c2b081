//! The step of the agent: a draft from facts, context and pattern, reworded by a model if one is configured and there is time. If the model fails,
//! the template's artefact is used.

use super::memory::RecalledMemories;
use super::steps::{StepResult, StepTimer};
use super::{Run, Workflow};
use crate::agent::{self, AgentInput, NewMemory};
use mcp_contracts::orchestrator::{Artefact, ModelUsage, StepName, StepOutcome, UsedPattern};

#[derive(Debug)]
pub(super) struct AgentOutput {
    pub(super) artefact: Artefact,
    pub(super) usage: Option<ModelUsage>,
    pub(super) remember: Vec<NewMemory>,
    pub(super) step: StepResult,
}

impl Workflow {
    pub(super) async fn execute(
        &self,
        run: &Run<'_>,
        recalled: &RecalledMemories,
        pattern: Option<&UsedPattern>,
    ) -> AgentOutput {
        let timer = StepTimer::begin(StepName::Execute);
        let action = &run.request.action;
        let drafted = agent::run(
            run.request.agent,
            &AgentInput {
                intent: &action.intent,
                text: action.text.as_deref().unwrap_or_default(),
                files: &action.files,
                role: &run.request.role,
                memories: &recalled.memories,
                static_context: recalled.missing.is_some(),
                pattern: pattern.map(|pattern| pattern.text.as_str()),
                today: jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date(),
                execution_id: run.id,
            },
        );
        let remember = drafted.remember;
        let Some(model) = &self.model else {
            let step = timer.end(StepOutcome::Ok, "template", 0);
            return AgentOutput { artefact: drafted.artefact, usage: None, remember, step };
        };
        // The last steps (log, remember) need the time of one call to a peer.
        let until = run.deadline.checked_sub(self.peer_deadline).unwrap_or(run.deadline);
        match model.complete(&drafted.draft, &run.claims.org_id, run.claims.plan, until).await {
            Ok((artefact, usage)) => {
                let step = timer.end(StepOutcome::Ok, "model", 1);
                AgentOutput { artefact, usage: Some(usage), remember, step }
            }
            Err(error) => {
                let step = timer.end(StepOutcome::Fallback, "template", 1).because(error.to_string());
                let step = step.degraded(error.reason());
                AgentOutput { artefact: drafted.artefact, usage: None, remember, step }
            }
        }
    }
}
