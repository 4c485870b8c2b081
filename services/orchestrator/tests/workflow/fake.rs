//! A fake peer that follows a script: it answers correctly, or fails in one of the ways in which peers fail. It records every call. One type plays
//! all three peers; the name of the tool decides which answer is correct.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use mcp_contracts::guardrails::{self, ActionRequest, CheckGuardrails, VerdictKind};
use mcp_contracts::{Claims, ErrorCode, ToolError, memory, patterns};
use mcp_kit::auth::Authenticator;
use mcp_kit::verdict::{Binding, request_hash};
use mcp_kit::{Settings, Verdicts};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    Healthy,
    /// Never answers.
    Hang,
    /// Answers correctly after this time.
    Late(Duration),
    /// An HTTP status, with an optional `Retry-After` in seconds.
    Status(u16, Option<u64>),
    /// A body that is not JSON.
    Garbage,
    /// The first half of a correct answer.
    Truncated,
    /// A correct answer to another call.
    OtherId,
    /// The answer of a service with an older revision.
    OtherVersion,
    /// Does its work, then closes the connection.
    CutAfterWork,
    /// Another structured content.
    Says(Value),
    /// An error of the tool.
    Refuses(ErrorCode),
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Verdict {
    #[default]
    Allow,
    Acknowledge,
    Block,
}

#[derive(Debug, Clone)]
pub(crate) struct RecordedCall {
    pub(crate) tool: String,
    pub(crate) arguments: Value,
    pub(crate) claims: Claims,
    pub(crate) execution_id: String,
}

#[derive(Default)]
struct Script {
    always: Option<Behaviour>,
    next: HashMap<String, VecDeque<Behaviour>>,
    verdict: Verdict,
    memories: Vec<Value>,
    nothing_fits: bool,
    recorded: Vec<RecordedCall>,
    stored: BTreeMap<String, Value>,
    injected: usize,
    waiting: usize,
    finished: usize,
}

/// Counts a request in progress until it is answered or its client leaves.
struct Working(Arc<Inner>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.script.lock().waiting -= 1;
    }
}

struct Inner {
    script: Mutex<Script>,
    verdicts: Verdicts,
    authenticator: Authenticator,
}

pub(crate) struct Fake {
    pub(crate) url: String,
    inner: Arc<Inner>,
    _serving: JoinSet<()>,
}

impl Fake {
    pub(crate) async fn start(settings: &Settings) -> Self {
        let inner = Arc::new(Inner {
            script: Mutex::default(),
            verdicts: Verdicts::new(settings),
            authenticator: Authenticator::new(settings.accepted_secrets()),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().route("/mcp", post(answer)).route("/readyz", get(ready)).with_state(Arc::clone(&inner));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inner, _serving: serving }
    }

    /// An address without a listener.
    pub(crate) async fn dead_url() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    /// From now on, for every tool.
    pub(crate) fn always(&self, behaviour: Behaviour) {
        self.inner.script.lock().always = Some(behaviour);
    }

    /// For the next call of a tool only.
    pub(crate) fn next(&self, tool: &str, behaviour: Behaviour) {
        self.inner.script.lock().next.entry(tool.to_owned()).or_default().push_back(behaviour);
    }

    pub(crate) fn judges(&self, verdict: Verdict) {
        self.inner.script.lock().verdict = verdict;
    }

    pub(crate) fn knows(&self, memories: Vec<Value>) {
        self.inner.script.lock().memories = memories;
    }

    pub(crate) fn finds_nothing(&self) {
        self.inner.script.lock().nothing_fits = true;
    }

    pub(crate) fn recorded(&self) -> Vec<RecordedCall> {
        self.inner.script.lock().recorded.clone()
    }

    pub(crate) fn calls(&self, tool: &str) -> usize {
        self.inner.script.lock().recorded.iter().filter(|call| call.tool == tool).count()
    }

    /// The stored memories by idempotency key.
    pub(crate) fn stored(&self) -> BTreeMap<String, Value> {
        self.inner.script.lock().stored.clone()
    }

    /// Number of requests in progress.
    pub(crate) fn waiting(&self) -> usize {
        self.inner.script.lock().waiting
    }

    /// Number of requests with an answer, whether or not the client received it.
    pub(crate) fn finished(&self) -> usize {
        self.inner.script.lock().finished
    }

    /// Number of injected patterns.
    pub(crate) fn injected(&self) -> usize {
        self.inner.script.lock().injected
    }
}

impl Inner {
    fn behaviour(&self, tool: &str) -> Behaviour {
        let mut script = self.script.lock();
        let next = script.next.get_mut(tool).and_then(VecDeque::pop_front);
        next.or_else(|| script.always.clone()).unwrap_or(Behaviour::Healthy)
    }
}

async fn ready(State(inner): State<Arc<Inner>>) -> StatusCode {
    let always = inner.script.lock().always.clone();
    match always {
        None | Some(Behaviour::Healthy) => StatusCode::OK,
        Some(Behaviour::Hang) => std::future::pending().await,
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn answer(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: String) -> Response {
    let request: Value = serde_json::from_str(&body).unwrap();
    let tool = request["params"]["name"].as_str().unwrap().to_owned();
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(text("mcp-name").as_deref(), Some(&*tool));
    let claims = inner.authenticator.check(headers.get("authorization").map(|value| value.as_bytes())).unwrap();
    let arguments = request["params"]["arguments"].clone();
    inner.script.lock().recorded.push(RecordedCall {
        tool: tool.clone(),
        arguments: arguments.clone(),
        claims: (*claims).clone(),
        execution_id: text("x-execution-id").unwrap(),
    });
    inner.script.lock().waiting += 1;
    let _working = Working(Arc::clone(&inner));
    let response = respond(&inner, request["id"].clone(), &tool, &arguments, &claims).await;
    inner.script.lock().finished += 1;
    response
}

async fn respond(inner: &Inner, id: Value, tool: &str, arguments: &Value, claims: &Claims) -> Response {
    let well = || work(inner, tool, arguments, claims);
    let reply = |id: Value, worked: Result<Value, ToolError>| {
        let result = match worked {
            Ok(content) => {
                json!({"resultType": "complete", "content": [], "structuredContent": content, "isError": false})
            }
            Err(error) => {
                let text = serde_json::to_string(&error).unwrap();
                json!({"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": true})
            }
        };
        json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string()
    };
    match inner.behaviour(tool) {
        Behaviour::Healthy => reply(id, well()).into_response(),
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Late(after) => {
            tokio::time::sleep(after).await;
            reply(id, well()).into_response()
        }
        Behaviour::Status(status, retry_after) => {
            let mut response = StatusCode::from_u16(status).unwrap().into_response();
            if let Some(seconds) = retry_after {
                response.headers_mut().insert("retry-after", seconds.into());
            }
            response
        }
        Behaviour::Garbage => "<html>it works</html>".into_response(),
        Behaviour::Truncated => {
            let text = reply(id, well());
            text[..text.len() / 2].to_owned().into_response()
        }
        Behaviour::OtherId => reply(json!(999_999_999), well()).into_response(),
        Behaviour::OtherVersion => {
            json!({"jsonrpc": "2.0", "id": id, "result": {"content": [], "structuredContent": well().ok()}})
                .to_string()
                .into_response()
        }
        Behaviour::CutAfterWork => {
            let _ = well();
            let broken = futures::stream::iter([Ok("{\"jsonrpc\":"), Err(std::io::Error::other("cut"))]);
            Body::from_stream(broken).into_response()
        }
        Behaviour::Says(content) => reply(id, Ok(content)).into_response(),
        Behaviour::Refuses(code) => reply(id, Err(ToolError::new(code, "as scripted"))).into_response(),
    }
}

fn work(inner: &Inner, tool: &str, arguments: &Value, claims: &Claims) -> Result<Value, ToolError> {
    let mut script = inner.script.lock();
    Ok(match tool {
        guardrails::tool::CHECK => check(inner, script.verdict, arguments, claims),
        guardrails::tool::ACKNOWLEDGE => {
            let opened = inner.verdicts.open(arguments["verdictToken"].as_str().unwrap(), &claims.org_id)?;
            let binding = Binding {
                org_id: opened.org_id,
                sub: opened.sub,
                execution_id: opened.execution_id.clone(),
                request_hash: opened.request_hash,
                rules_version: opened.rules_version,
                rules: opened.rules,
            };
            let token = inner.verdicts.issue(VerdictKind::Acknowledged, binding).unwrap().token;
            json!({"verdict": "allow", "rules": [], "requiresAcknowledgement": false, "acknowledged": true, "verdictToken": token,
                "executionId": opened.execution_id, "rulesVersion": "v1", "rulesChecked": 1})
        }
        memory::tool::SEARCH => {
            let scored = |memory: &Value| {
                let mut hit = memory.clone();
                hit["score"] = json!(1.0);
                hit
            };
            json!({"hits": script.memories.iter().map(scored).collect::<Vec<_>>()})
        }
        memory::tool::LIST => json!({"memories": script.memories}),
        memory::tool::IMPORT => {
            let mut ids = Vec::new();
            for memory in arguments["memories"].as_array().unwrap() {
                let key = memory["idempotencyKey"].as_str().unwrap().to_owned();
                script.stored.entry(key.clone()).or_insert_with(|| memory.clone());
                ids.push(key);
            }
            json!({"created": ids.len(), "duplicates": 0, "ids": ids})
        }
        patterns::tool::SELECT if script.nothing_fits => {
            json!({"patterns": [], "onHigherPlan": 0, "catalogVersion": "c1"})
        }
        patterns::tool::SELECT => {
            let parts = json!({"intentMatch": 1.0, "roleBoost": 0.0, "successHistory": 0.0, "noveltyPenalty": 0.0});
            json!({"patterns": [{"id": "p-1", "title": "First aid", "category": "incidents", "summary": "s", "level": "beginner",
                "variables": ["incident"], "score": 1.0, "scoreParts": parts}], "onHigherPlan": 0, "catalogVersion": "c1"})
        }
        patterns::tool::INJECT => {
            let request: ActionRequest = serde_json::from_value(arguments["request"].clone()).unwrap();
            let execution = arguments["executionId"].as_str().unwrap();
            let token = arguments["verdictToken"].as_str();
            let verdict = inner.verdicts.check(token, &claims.org_id, execution, &request_hash(&request))?;
            script.injected += 1;
            json!({"patternId": arguments["patternId"], "title": "First aid", "text": "Breathe, then look.", "verdictId": verdict.jti,
                "executionId": execution, "catalogVersion": "c1"})
        }
        patterns::tool::LOG_USAGE => json!({"recorded": true, "uses": 1, "acceptanceRate": 1.0}),
        other => panic!("no test calls `{other}`"),
    })
}

fn check(inner: &Inner, verdict: Verdict, arguments: &Value, claims: &Claims) -> Value {
    let request: CheckGuardrails = serde_json::from_value(arguments.clone()).unwrap();
    let execution = request.execution_id.clone().unwrap();
    let rule = json!({"id": "SEC-1", "title": "No", "category": "security", "severity": "high", "message": "m", "remediation": "r"});
    let signed = |kind| inner.verdicts.issue(kind, binding(claims, &execution, &request.request())).unwrap().token;
    let (word, token, rules) = match verdict {
        Verdict::Allow => ("allow", Some(signed(VerdictKind::Allow)), json!([])),
        Verdict::Acknowledge => ("acknowledge", Some(signed(VerdictKind::Acknowledge)), json!([rule])),
        Verdict::Block => ("block", None, json!([rule])),
    };
    json!({"verdict": word, "rules": rules, "requiresAcknowledgement": word == "acknowledge", "verdictToken": token,
        "executionId": execution, "rulesVersion": "v1", "rulesChecked": 1})
}

pub(crate) fn binding(claims: &Claims, execution: &str, request: &ActionRequest) -> Binding {
    Binding {
        org_id: claims.org_id.clone(),
        sub: claims.sub.clone(),
        execution_id: execution.to_owned(),
        request_hash: request_hash(request),
        rules_version: "v1".into(),
        rules: vec!["SEC-1".into()],
    }
}
