//! An actor: a user of a scenario. It has its own token, and one connection to each part that it calls.

use super::{Reply, ScenarioRequest, Stage};
use crate::drive::canary::{InternedNames, append, state_of, strays};
use crate::drive::client::{Client, ClientOptions, Endpoint, MessageReply};
use crate::drive::effect;
use crate::drive::token::Grant;
use harness_history::{Canary, Effect, ErrorKind, Op, Outcome, Phase};
use mcp_contracts::claims::DEFAULT_WORKSPACE;
use mcp_contracts::memory::{TagMatch, tool};
use mcp_contracts::{Plan, Role, Scope, Service};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Default deadline of one call.
// Longer than the deadline of a workflow (at most 9 s in a scenario), so that the service decides when a workflow ends.
const CALL_DEADLINE: Duration = Duration::from_secs(15);

/// A user of an organisation. Its calls never overlap.
pub struct Actor<'s> {
    stage: &'s Stage<'s>,
    grant: Grant,
    token: Option<String>,
    process: u32,
    phase: Phase,
    deadline: Duration,
    clients: BTreeMap<String, Client>,
    contents: u64,
}

impl<'s> Actor<'s> {
    pub(super) fn new(stage: &'s Stage<'s>, grant: Grant) -> Self {
        let process = stage.register_user(&grant);
        let token = Some(stage.mint(&grant));
        let phase = Phase::Measured;
        Self { stage, grant, token, process, phase, deadline: CALL_DEADLINE, clients: BTreeMap::new(), contents: 0 }
    }

    /// Returns the actor on another plan.
    #[must_use]
    pub fn on_plan(self, plan: Plan) -> Self {
        self.changed(|grant| grant.plan = plan)
    }

    /// Returns the actor with only these scopes.
    #[must_use]
    pub fn with_scopes(self, scopes: &[Scope]) -> Self {
        self.changed(|grant| grant.scopes = scopes.to_vec())
    }

    /// Returns the actor in another workspace.
    #[must_use]
    pub fn in_workspace(self, workspace: &str) -> Self {
        self.changed(|grant| workspace.clone_into(&mut grant.workspace))
    }

    /// Returns the actor in another role.
    #[must_use]
    pub fn as_role(self, role: &str) -> Self {
        self.changed(|grant| grant.role = Role(role.to_owned()))
    }

    /// Returns the actor with this text in place of its token; `None` sends no token.
    #[must_use]
    pub fn with_token(mut self, token: Option<&str>) -> Self {
        self.token = token.map(str::to_owned);
        self.clients.clear();
        self
    }

    /// Replaces the token by a new one of the same user, signed with the current key of the stage.
    pub fn renew_token(&mut self) {
        self.token = Some(self.stage.mint(&self.grant));
        // The open connections send the earlier token.
        self.clients.clear();
    }

    /// Returns the token that the actor sends.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Returns the bytes of a request with the actor's token, for a [`RawConnection`](super::RawConnection).
    pub fn request_bytes(&self, part: &str, request: &ScenarioRequest) -> Vec<u8> {
        let mut client = Client::new(self.stage.endpoint(part), ClientOptions::default());
        if let Some(token) = &self.token {
            client.set_token(token);
        }
        client.request_bytes(&request.message)
    }

    /// Returns the actor with another deadline for each call.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(super) fn in_phase(mut self, phase: Phase) -> Self {
        self.phase = phase;
        self
    }

    fn changed(mut self, change: impl FnOnce(&mut Grant)) -> Self {
        change(&mut self.grant);
        // Each grant is a separate process in the history, because the final read needs the grant of each write.
        self.process = self.stage.register_user(&self.grant);
        self.token = Some(self.stage.mint(&self.grant));
        // The open connections send the earlier token.
        self.clients.clear();
        self
    }

    /// Name of the organisation, as in the token.
    pub fn organisation(&self) -> &str {
        &self.grant.organisation
    }

    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Returns the content of a private memory: the text, followed by the canary that names its writer.
    pub fn private_content(&mut self, text: &str) -> String {
        self.content(text, false)
    }

    /// Returns the content of a memory that its whole workspace may read.
    pub fn shared_content(&mut self, text: &str) -> String {
        self.content(text, true)
    }

    fn content(&mut self, text: &str, shared: bool) -> String {
        self.contents += 1;
        let (tenant, user) = (self.grant.organisation.as_str().into(), self.grant.user.as_str().into());
        // Unique in the run, unless one actor writes a million contents.
        let number = u64::from(self.process) * 1_000_000 + self.contents;
        let mut content = text.to_owned();
        append(&mut content, &Canary { tenant, user, workspace: self.workspace(), shared, number });
        content
    }

    /// Calls a tool of the service that has it.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Reply<'s> {
        self.send(ScenarioRequest::tool(tool, arguments)).await
    }

    /// Sends a request once; it is never repeated.
    pub async fn send(&mut self, request: ScenarioRequest) -> Reply<'s> {
        let response = match self.stage.target(&request).await {
            Some(part) => self.client(&part).await.ask(&request.message).await,
            None => no_connection(self.stage.recorder().now_us()),
        };
        let op = self.op(&request, &response);
        let tags = tags_of(&request);
        self.stage.recorder().note_written(&self.grant, tags, &op.outcome, &op.effect);
        let at = self.stage.recorder().record(&op);
        Reply::new(self.stage, at, request.name(), response)
    }

    /// Asks, as a browser does, whether a page of `origin` may send a request.
    ///
    /// # Errors
    /// Returns why a browser would not send it.
    pub async fn preflight(&mut self, request: &ScenarioRequest, origin: &str) -> Result<(), String> {
        match self.stage.target(request).await {
            Some(part) => self.client(&part).await.preflight(&request.message, origin).await,
            None => Err("no instance can be called".to_owned()),
        }
    }

    /// Gets a page outside MCP with the actor's token. Returns the status and the JSON.
    pub async fn page(&mut self, service: Service, path: &str) -> (Option<u16>, Value) {
        let Some(part) = self.stage.instance(service) else { return (None, Value::Null) };
        self.stage.page(&part, path, self.token.as_deref()).await
    }

    async fn client(&mut self, part: &str) -> &mut Client {
        let (token, stage, deadline) = (&self.token, self.stage, self.deadline);
        self.clients.entry(part.to_owned()).or_insert_with(|| {
            let epoch_us = stage.recorder().epoch_us();
            let options = ClientOptions { deadline, epoch_us, ..ClientOptions::default() };
            let mut client = Client::new(stage.endpoint(part), options);
            if let Some(token) = token {
                client.set_token(token);
            }
            client
        })
    }

    /// Returns the actor's workspace in the history: `None` is the default one.
    fn workspace(&self) -> Option<Arc<str>> {
        (self.grant.workspace != DEFAULT_WORKSPACE).then(|| self.grant.workspace.as_str().into())
    }

    /// Records that the actor had this memory before the run, so that the checks expect the memory in reads.
    pub fn record_existing_memory(&mut self, id: &str, content: &str) {
        let now = self.stage.recorder().now_us();
        let op = Op {
            process: self.process,
            tenant: self.grant.organisation.as_str().into(),
            user: self.grant.user.as_str().into(),
            workspace: self.workspace(),
            name: "had before".into(),
            phase: Phase::Setup,
            planned_us: None,
            invoke_us: now,
            complete_us: now,
            outcome: Outcome::Ok,
            strays: Vec::new(),
            effect: Effect::Write {
                key: Some(id.into()),
                value: state_of(content, &InternedNames::default()),
                existing: false,
            },
        };
        self.stage.recorder().note_written(&self.grant, Vec::new(), &op.outcome, &op.effect);
        self.stage.recorder().record(&op);
    }

    fn op(&self, request: &ScenarioRequest, response: &MessageReply) -> Op {
        let reply = &response.result["structuredContent"];
        let (outcome, effect) = match request.tool_name() {
            Some(tool::DELETE_BY_TAG) => (response.outcome.clone(), self.deletes(request, reply, &response.outcome)),
            Some(tool) => {
                let (arguments, reply) =
                    (request.arguments().to_string(), (!reply.is_null()).then(|| reply.to_string()));
                effect::of(tool, &arguments, &response.outcome, reply.as_deref(), &InternedNames::default())
            }
            None => (response.outcome.clone(), Effect::None),
        };
        let mut op = Op {
            process: self.process,
            tenant: self.grant.organisation.as_str().into(),
            user: self.grant.user.as_str().into(),
            workspace: self.workspace(),
            name: request.name().into(),
            phase: self.phase,
            planned_us: None,
            invoke_us: response.invoke_us,
            complete_us: response.complete_us,
            outcome,
            strays: Vec::new(),
            effect,
        };
        // The mark of another user's content is a leak wherever it is: in unknown fields, error texts and headers too.
        let reply = json!([response.result, response.error, response.headers]).to_string();
        op.strays = strays(reply.as_bytes(), &op, &InternedNames::default());
        op
    }

    /// Returns the effect of a deletion by tag, which deletes the actor's own records with these tags.
    fn deletes(&self, request: &ScenarioRequest, reply: &Value, outcome: &Outcome) -> Effect {
        // The reply counts too, because a scenario may send `dryRun` as a text.
        let is_dry = request.arguments()["dryRun"] == true || reply["dryRun"] == true;
        if is_dry || matches!(outcome, Outcome::Failed(_)) {
            return Effect::None;
        }
        let all = serde_json::from_value::<TagMatch>(request.arguments()["tagMatch"].clone()).unwrap_or_default()
            == TagMatch::All;
        // Derived from the recorded writes, because the reply of the service has a count but no ids.
        let keys = self.stage.recorder().written_with_tags(&self.grant, &tags_of(request), all);
        Effect::Deletes { keys }
    }
}

/// Returns the tags that a call writes or selects by. For an import, these are the tags of its first memory.
fn tags_of(request: &ScenarioRequest) -> Vec<String> {
    let arguments = request.arguments();
    let tags = if arguments["memories"].is_array() { &arguments["memories"][0]["tags"] } else { &arguments["tags"] };
    tags.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Returns the reply that is recorded if no instance can be called.
fn no_connection(now_us: u64) -> MessageReply {
    MessageReply {
        invoke_us: now_us,
        complete_us: now_us,
        outcome: Outcome::Failed(ErrorKind::Connect),
        status: None,
        headers: Vec::new(),
        result: Value::Null,
        error: Value::Null,
    }
}

/// Returns the endpoint of each part. Omits a part if its URL is not an endpoint.
pub(super) fn endpoints(urls: &BTreeMap<String, String>) -> BTreeMap<String, Arc<Endpoint>> {
    let parsed = urls.iter().filter_map(|(part, url)| Some((part.clone(), Arc::new(url.parse().ok()?))));
    parsed.collect()
}
