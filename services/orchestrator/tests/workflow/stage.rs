//! The orchestrator in the test's process, with three scripted peers.

use crate::fake::Fake;
use mcp_contracts::guardrails::ActionKind;
use mcp_contracts::orchestrator::{AgentName, Execution, Reason, RunWorkflow, Step, StepName, tool};
use mcp_contracts::{Claims, Plan, Role, Scope, Service, ToolError, env};
use mcp_kit::quota::Quota;
use mcp_kit::settings::from_values;
use mcp_kit::{CallContext, ElicitationContext, Readiness, ServerFeatures, Settings, SingleUse, Start, ToolOutcome};
use mcp_orchestrator::OrchestratorSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// For peers that answer, on a busy machine.
pub(crate) const PATIENT: &str = "3000";
/// For peers that do not answer.
pub(crate) const HASTY: &str = "1000";
/// Timeout of `until`.
pub(crate) const MUST_HAPPEN: Duration = Duration::from_secs(20);

pub(crate) struct Stage {
    pub(crate) guardrails: Fake,
    pub(crate) memory: Fake,
    pub(crate) patterns: Fake,
    pub(crate) orchestrator: Orchestrator,
    _folder: tempfile::TempDir,
}

pub(crate) struct Orchestrator {
    pub(crate) features: ServerFeatures,
    pub(crate) readiness: Readiness,
    pub(crate) settings: Arc<Settings>,
    own: OrchestratorSettings,
    pub(crate) single_use: SingleUse,
    pub(crate) quota: Quota,
    shutdown: Box<dyn FnOnce() -> futures::future::BoxFuture<'static, ()> + Send>,
}

impl Stage {
    pub(crate) async fn new(peer_deadline_ms: &str) -> Self {
        Self::with(peer_deadline_ms, &[]).await
    }

    pub(crate) async fn with(peer_deadline_ms: &str, more: &[(&str, &str)]) -> Self {
        let plain = settings(Path::new("/nowhere"), &[]);
        let (guardrails, memory, patterns) =
            (Fake::start(&plain).await, Fake::start(&plain).await, Fake::start(&plain).await);
        let folder = tempfile::tempdir().unwrap();
        let mut values = vec![
            (env::MCP_GUARDRAILS_URL, guardrails.url.as_str()),
            (env::MCP_MEMORY_URL, &memory.url),
            (env::MCP_PATTERNS_URL, &patterns.url),
            (env::PEER_DEADLINE_MS, peer_deadline_ms),
            (env::WORKFLOW_DEADLINE_MS, "9000"),
        ];
        values.extend_from_slice(more);
        let orchestrator = Orchestrator::start(all_settings(folder.path(), &values)).await;
        Self { guardrails, memory, patterns, orchestrator, _folder: folder }
    }

    pub(crate) async fn run(&self, request: &RunWorkflow) -> Execution {
        self.orchestrator.run(&ann(), request).await.unwrap()
    }

    pub(crate) async fn restart(mut self) -> Self {
        let settings = ((*self.orchestrator.settings).clone(), self.orchestrator.own.clone());
        self.orchestrator.stop().await;
        self.orchestrator = Orchestrator::start(settings).await;
        self
    }
}

impl Orchestrator {
    pub(crate) async fn start((settings, own): (Settings, OrchestratorSettings)) -> Self {
        let settings = Arc::new(settings);
        let readiness = Readiness::default();
        let start = Start::new(Arc::clone(&settings), own.clone(), readiness.clone());
        let (single_use, quota) = (start.single_use.clone(), start.quota.clone());
        let (features, shutdown) = mcp_orchestrator::start(start).await.unwrap().into_parts();
        Self { features, readiness, settings, own, single_use, quota, shutdown }
    }

    pub(crate) async fn stop(self) {
        (self.shutdown)().await;
    }

    pub(crate) async fn call<A: Serialize, R: DeserializeOwned>(
        &self,
        name: &str,
        context: CallContext,
        arguments: &A,
    ) -> Result<ToolOutcome<R>, ToolError> {
        let arguments = serde_json::value::to_raw_value(arguments).unwrap();
        match self.features.tools.get(name).unwrap().call(context, arguments).await? {
            ToolOutcome::InputRequired(question) => Ok(ToolOutcome::InputRequired(question)),
            ToolOutcome::Complete(json) => Ok(ToolOutcome::Complete(serde_json::from_str(json.get()).unwrap())),
        }
    }

    pub(crate) async fn run(&self, claims: &Claims, request: &RunWorkflow) -> Result<Execution, ToolError> {
        complete(self.call(tool::RUN_WORKFLOW, context(claims), request).await)
    }
}

/// The reply of a call without a question.
pub(crate) fn complete<R>(answer: Result<ToolOutcome<R>, ToolError>) -> Result<R, ToolError> {
    match answer? {
        ToolOutcome::Complete(reply) => Ok(reply),
        ToolOutcome::InputRequired(question) => panic!("this client cannot ask `{}`", question.message),
    }
}

pub(crate) fn settings(folder: &Path, more: &[(&str, &str)]) -> Settings {
    all_settings(folder, more).0
}

fn all_settings(folder: &Path, more: &[(&str, &str)]) -> (Settings, OrchestratorSettings) {
    let mut values = BTreeMap::from([
        (env::JWT_SECRET.to_owned(), "a-key-of-the-tests-a-key-of-the-tests".to_owned()),
        (env::DATABASE_URL.to_owned(), format!("sqlite://{}/orchestrator.db", folder.display())),
    ]);
    values.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    from_values(Service::Orchestrator, &values).unwrap()
}

pub(crate) fn ann() -> Claims {
    Claims {
        sub: "ann".into(),
        org_id: "acme".into(),
        workspace_slug: "billing".into(),
        plan: Plan::Team,
        role: Role("sre".into()),
        scopes: vec![Scope::AgentsRun],
        exp: u64::MAX,
        iat: 0,
        jti: String::new(),
        aud: "mcp".into(),
    }
}

pub(crate) fn context(claims: &Claims) -> CallContext {
    CallContext {
        claims: Arc::new(claims.clone()),
        execution_id: uuid::Uuid::new_v4().to_string().into(),
        deadline: Instant::now() + Duration::from_secs(30),
        elicitation: ElicitationContext::default(),
    }
}

pub(crate) fn request(action: ActionKind) -> RunWorkflow {
    RunWorkflow {
        agent: AgentName::Rca,
        action,
        intent: "Find out why checkout failed".into(),
        text: "10:02 deploy of checkout 4.1\n10:05 errors at 40 %\n10:21 rolled back, errors at 0 %".into(),
        files: Vec::new(),
        role: None,
        verdict_token: None,
        execution_id: None,
        idempotency_key: None,
    }
}

pub(crate) fn step(execution: &Execution, name: StepName) -> &Step {
    execution.steps.iter().find(|step| step.step == name).unwrap()
}

pub(crate) fn has(execution: &Execution, reason: Reason) -> bool {
    execution.reasons.contains(&reason)
}

/// Waits until `condition` holds; panics after a timeout.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(MUST_HAPPEN, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}
