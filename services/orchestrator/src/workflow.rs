//! Runs one workflow: guardrails, memory, patterns, agent, log; `Workflow::lifecycle` has the order. The modules have one step each, with its
//! fallback.

mod execute;
mod final_steps;
mod guardrails;
mod memory;
mod pattern;
mod request;
mod running;
mod steps;

pub(crate) use request::invalid;
pub use request::{WorkflowRequest, execution_id};

use crate::llm::Model;
use crate::outbox::Outbox;
use crate::peer::{Call, RemoteTool};
use crate::peers::Peers;
use crate::store::{BeginResult, Delivery, FinishedRun, NewRun, Store, StoreError};
use futures::future::{Either, join, select};
use guardrails::{GuardrailResult, Permission};
use mcp_contracts::guardrails::{ActionKind, Severity};
use mcp_contracts::orchestrator::{
    Artefact, Execution, ModelUsage, RunWorkflow, StepName, StepOutcome, UsedMemory, UsedPattern, WorkflowStatus,
};
use mcp_contracts::{Claims, ErrorCode, Scope, ToolError, metric};
use mcp_kit::{CallContext, Elicitation, SingleUse, ToolOutcome, Verdicts};
use memory::RecalledMemories;
use pattern::{Injected, Selected};
use request::PriorVerdict;
use running::RunLocks;
use std::fmt::Write;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use steps::StepLog;
use tokio::sync::Semaphore;

/// Key of the question to the client's user; the guardrails use the same.
pub const QUESTION: &str = "acknowledgement";
/// Time that is reserved for writing the execution; at most a quarter of the time until the deadline.
const WRITING: Duration = Duration::from_millis(250);
const MAX_LISTED_RULES: usize = 10;

pub struct Workflow {
    pub peers: Arc<Peers>,
    pub verdicts: Verdicts,
    /// Takes an acknowledged verdict out of use if no pattern was injected with it.
    pub single_use: SingleUse,
    /// Rewords drafts; `None` if no model is configured.
    pub model: Option<Model>,
    pub store: Store,
    pub outbox: Arc<Outbox>,
    pub deadline: Duration,
    pub peer_deadline: Duration,
    running: RunLocks,
    /// Permit to process a long text: the process has one, because a long text takes a thread for hundreds of milliseconds.
    long_texts: Arc<Semaphore>,
}

struct Run<'a> {
    request: &'a WorkflowRequest,
    claims: &'a Claims,
    id: &'a str,
    /// Deadline of the steps; the time after it is for writing the execution.
    deadline: Instant,
}

impl<'a> Run<'a> {
    fn call(&self, tool: RemoteTool, repeatable: bool) -> Call<'a> {
        Call { tool, claims: self.claims, execution_id: self.id, deadline: self.deadline, repeatable }
    }
}

struct Outcome {
    status: WorkflowStatus,
    steps: StepLog,
    judged: GuardrailResult,
    memories: Vec<UsedMemory>,
    pattern: Option<UsedPattern>,
    artefact: Option<Artefact>,
    usage: Option<ModelUsage>,
    /// What a peer did not accept and the outbox delivers later.
    later: Vec<Delivery>,
}

struct StartTime {
    at: Instant,
    time: jiff::Timestamp,
}

impl Workflow {
    pub fn new(
        peers: Arc<Peers>,
        store: Store,
        outbox: Arc<Outbox>,
        model: Option<Model>,
        start: &mcp_kit::Start<crate::OrchestratorSettings>,
    ) -> Self {
        Self {
            peers,
            verdicts: start.verdicts.clone(),
            single_use: start.single_use.clone(),
            model,
            store,
            outbox,
            deadline: start.own.workflow_deadline,
            peer_deadline: start.own.peer_deadline,
            running: RunLocks::default(),
            long_texts: Arc::new(Semaphore::new(1)),
        }
    }

    /// Runs a request. Returns its execution, or a question that the client must put to its user.
    pub async fn run(&self, context: CallContext, request: RunWorkflow) -> Result<ToolOutcome<Execution>, ToolError> {
        let began = StartTime { at: Instant::now(), time: jiff::Timestamp::now() };
        let deadline = context.deadline.min(began.at + self.deadline);
        let request = WorkflowRequest::new(&context, request, &self.verdicts)?;
        let mut new_run = request.new_run(&context);
        // Held until the execution is written, so that a second call of the same execution finds its result.
        let _turns = self.running.enter(&mut new_run, deadline).await?;
        let id = match self.begin(&new_run, deadline).await? {
            Either::Left(id) => id,
            Either::Right(execution) => return Ok(ToolOutcome::Complete(*execution)),
        };
        let writing = WRITING.min(deadline.saturating_duration_since(Instant::now()) / 4);
        let run = Run { request: &request, claims: &context.claims, id: &id, deadline: deadline - writing };
        let outcome = Box::pin(self.lifecycle(&run)).await?;
        let question = question(&context, &request, &outcome);
        let execution = self.write(new_run, &run, outcome, &began, deadline).await;
        metrics::counter!(metric::WORKFLOWS_TOTAL, "agent" => request.agent.name(), "status" => status_name(execution.status))
            .increment(1);
        Ok(question.map_or(ToolOutcome::Complete(execution), ToolOutcome::InputRequired))
    }

    /// Returns the id of the new run, or the execution of an earlier call with the same key.
    async fn begin(&self, new_run: &NewRun, deadline: Instant) -> Result<Either<String, Box<Execution>>, ToolError> {
        let begun = tokio::time::timeout_at(deadline.into(), self.store.begin(new_run.clone())).await;
        // A store that does not answer in time is reported like an overloaded one, so that the client retries.
        match begun.map_err(|_| StoreError::Overloaded).and_then(|begun| begun)? {
            BeginResult::Fresh(id) => Ok(Either::Left(id)),
            BeginResult::Repeated(execution) => Ok(Either::Right(execution)),
            BeginResult::Conflict => Err(ToolError::new(
                ErrorCode::IdempotencyConflict,
                "`idempotencyKey` belongs to another of your requests",
            )
            .with_hint("use a new key for a new request")),
            BeginResult::Finished => {
                let text = format!("execution `{}` has ended; its verdict was used", new_run.id);
                Err(ToolError::new(ErrorCode::VerdictUsed, text).with_hint("run the request again without a verdict"))
            }
        }
    }

    /// Runs every step in order. Memory and patterns are read while guardrails check the action, because reading needs no verdict. All other
    /// steps wait for the verdict.
    async fn lifecycle(&self, run: &Run<'_>) -> Result<Outcome, ToolError> {
        let (judged, read) = self.judge_and_read(run).await?;
        let mut outcome = Outcome::begin(judged);
        let (recalled, selected) = match (early_end(&outcome.judged.permission, run.request.action.action), read) {
            (None, Some(read)) => read,
            (stopped, _) => return Ok(outcome.stop(stopped.unwrap_or(WorkflowStatus::Blocked))),
        };
        outcome.memories = recalled.used();
        outcome.steps.add(recalled.step.clone());
        outcome.steps.add(selected.step);
        let injected = match &outcome.judged.permission {
            Permission::Granted(grant) => self.inject(run, grant, selected.best.as_ref()).await?,
            Permission::NoVerdict
            | Permission::MustAcknowledge(_)
            | Permission::Refused
            | Permission::Unchecked { .. } => Injected::skipped("no verdict"),
        };
        outcome.pattern = injected.pattern;
        outcome.steps.add(injected.step);
        let made = self.execute(run, &recalled, outcome.pattern.as_ref()).await?;
        let pattern = outcome.pattern.as_ref();
        let (logged, remembered) =
            join(self.log_usage(run, pattern), self.remember(run, &made, recalled.missing.as_ref())).await;
        outcome.steps.add(made.step);
        outcome.artefact = Some(made.artefact);
        outcome.usage = made.usage;
        for kept in [logged, remembered] {
            outcome.steps.add(kept.step);
            outcome.later.extend(kept.later);
        }
        outcome.status =
            if outcome.steps.reasons().is_empty() { WorkflowStatus::Completed } else { WorkflowStatus::Degraded };
        Ok(outcome)
    }

    /// Calls the three peers concurrently. If the verdict stops the run, the replies of memory and patterns are no longer awaited.
    async fn judge_and_read(
        &self,
        run: &Run<'_>,
    ) -> Result<(GuardrailResult, Option<(RecalledMemories, Selected)>), ToolError> {
        let judging = pin!(self.judge(run));
        let reading = pin!(join(self.recall(run), self.select(run)));
        let (judged, reading) = match select(judging, reading).await {
            Either::Left((judged, reading)) => (judged?, Either::Left(reading)),
            Either::Right((read, judging)) => (judging.await?, Either::Right(read)),
        };
        if early_end(&judged.permission, run.request.action.action).is_some() {
            return Ok((judged, None));
        }
        let read = match reading {
            Either::Left(reading) => reading.await,
            Either::Right(read) => read,
        };
        Ok((judged, Some(read)))
    }

    /// Writes the run and its deferred deliveries in one transaction. If that fails, the deferred steps are reported as failed.
    async fn write(
        &self,
        new_run: NewRun,
        run: &Run<'_>,
        mut outcome: Outcome,
        began: &StartTime,
        deadline: Instant,
    ) -> Execution {
        let later = std::mem::take(&mut outcome.later);
        let deferred = later.len();
        let mut execution = outcome.execution(run, began);
        // The stored execution has no verdict token, because users with the scope `admin` read the executions of others.
        let verdict_token = execution.verdict_token.take();
        // Only a settled run is final. Another call with the same key runs again if guardrails did not answer or a user must acknowledge.
        let settled = match execution.status {
            WorkflowStatus::Completed | WorkflowStatus::Degraded => true,
            WorkflowStatus::Blocked => !execution.retryable,
            WorkflowStatus::AcknowledgementRequired => false,
        };
        let execution = Arc::new(execution);
        let finished = FinishedRun { new_run, execution: Arc::clone(&execution), settled, later };
        let written = tokio::time::timeout_at(deadline.into(), self.store.end(finished)).await;
        // The store has dropped its part, so nothing is copied.
        let mut execution = Execution { verdict_token, ..Arc::unwrap_or_clone(execution) };
        match written.map_err(|_| StoreError::Overloaded).and_then(|written| written) {
            Ok(displaced) => self.outbox.added(deferred, &displaced),
            // After a timeout the write may still happen, and the outbox delivers although the reply reports a failure. The reverse would
            // lose a promised delivery.
            Err(error) => {
                tracing::error!(executionId = run.id, orgId = run.claims.org_id, %error, "an execution could not be written");
                let steps = execution.steps.iter_mut().filter(|step| step.outcome == StepOutcome::Deferred);
                steps.for_each(|step| {
                    (step.outcome, step.source) = (StepOutcome::Failed, "none".to_owned());
                });
            }
        }
        execution
    }
}

impl Outcome {
    fn begin(judged: GuardrailResult) -> Self {
        let mut steps = StepLog::default();
        steps.add(judged.step.clone());
        let status = WorkflowStatus::Blocked;
        let (memories, later) = (Vec::new(), Vec::new());
        Self { status, steps, judged, memories, pattern: None, artefact: None, usage: None, later }
    }

    fn stop(mut self, status: WorkflowStatus) -> Self {
        use StepName::{Execute, InjectPattern, LogUsage, Memory, Remember, SelectPattern};
        self.steps.skip(&[Memory, SelectPattern, InjectPattern, Execute, LogUsage, Remember], "not permitted");
        self.status = status;
        self
    }

    fn execution(self, run: &Run<'_>, began: &StartTime) -> Execution {
        let (steps, reasons) = self.steps.into_parts();
        let may_pass_later = match self.judged.permission {
            Permission::NoVerdict => true,
            Permission::Unchecked { retryable } => retryable,
            Permission::Granted(_) | Permission::MustAcknowledge(_) | Permission::Refused => false,
        };
        let verdict_token = match (self.status, self.judged.permission) {
            (WorkflowStatus::AcknowledgementRequired, Permission::MustAcknowledge(token)) => Some(token),
            _ => None,
        };
        Execution {
            execution_id: run.id.to_owned(),
            agent: run.request.agent,
            action: run.request.action.action,
            intent: run.request.action.intent.clone(),
            status: self.status,
            retryable: self.status == WorkflowStatus::Blocked && may_pass_later,
            reasons,
            verdict: self.judged.decision,
            rules: self.judged.rules,
            rules_version: self.judged.rules_version,
            verdict_token,
            steps,
            memories: self.memories,
            pattern: self.pattern,
            artefact: self.artefact,
            usage: self.usage,
            started_at: began.time.to_string(),
            duration_ms: began.at.elapsed().as_secs_f64() * 1_000.0,
        }
    }
}

/// Returns the status of a run that ends before its agent runs; `None` if it proceeds. While guardrails are down, only actions of low and medium
/// risk proceed.
fn early_end(permission: &Permission, action: ActionKind) -> Option<WorkflowStatus> {
    match permission {
        Permission::Granted(_) => None,
        Permission::Refused | Permission::Unchecked { .. } => Some(WorkflowStatus::Blocked),
        Permission::MustAcknowledge(_) => Some(WorkflowStatus::AcknowledgementRequired),
        Permission::NoVerdict => match action.risk() {
            Severity::Low | Severity::Medium => None,
            Severity::High | Severity::Critical => Some(WorkflowStatus::Blocked),
        },
    }
}

/// Returns the question to the client's user. Returns `None` if there is nothing to acknowledge, the client cannot ask, the token must not
/// acknowledge, or the call brings an answer or a verdict already.
fn question(context: &CallContext, request: &WorkflowRequest, outcome: &Outcome) -> Option<Elicitation> {
    let (Permission::MustAcknowledge(token), PriorVerdict::None) = (&outcome.judged.permission, &request.verdict)
    else {
        return None;
    };
    if !context.elicitation.supports_elicitation || !context.claims.allows(Scope::GuardrailsAcknowledge) {
        return None;
    }
    let mut message = "The workflow breaks rules that a person must acknowledge before it continues:".to_owned();
    for rule in outcome.judged.rules.iter().take(MAX_LISTED_RULES) {
        let severity = rule.severity.name();
        let _ = write!(message, "\n- {} ({severity}) {}: {} {}", rule.id, rule.title, rule.message, rule.remediation);
    }
    let schema = serde_json::json!({
        "type": "object",
        "properties": {
            "acknowledge": { "type": "boolean", "title": "Continue anyway" },
            "reason": {
                "type": "string", "title": "Why", "minLength": 10, "maxLength": 2000,
                "description": "It is logged with the rules.",
            },
        },
        "required": ["acknowledge"],
    });
    Some(Elicitation { key: QUESTION, message, schema, state: token.clone() })
}

fn status_name(status: WorkflowStatus) -> &'static str {
    match status {
        WorkflowStatus::Completed => "completed",
        WorkflowStatus::Degraded => "degraded",
        WorkflowStatus::Blocked => "blocked",
        WorkflowStatus::AcknowledgementRequired => "acknowledgement_required",
    }
}
