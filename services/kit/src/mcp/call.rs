//! One tool call: finds the tool, runs it under its deadline, catches its panic, and tells telemetry once.

use super::envelope::Envelope;
use super::failure::Failure;
use crate::dialogue::{Answer, Answered, Dialogue};
use crate::telemetry::{CallRecord, CallSpan, Telemetry};
use crate::tool::{CallContext, Tool, ToolResult, ToolSet};
use futures::FutureExt;
use http::{HeaderMap, StatusCode};
use mcp_contracts::limits::is_execution_id;
use mcp_contracts::{Claims, ErrorCode, Service, ToolError, headers, metric, rpc};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A call that can be run.
pub(super) struct Call<'a> {
    pub(super) tool: &'a Tool,
    arguments: Box<RawValue>,
    dialogue: Dialogue,
}

/// Outcome of a call whose client left before it was answered.
const CANCELLED: &str = "cancelled";

/// Tells telemetry of the call when it ends, however it ends: when its client leaves, the call is dropped where it is.
struct Record<'a> {
    telemetry: &'a Telemetry,
    tool: &'static str,
    claims: &'a Claims,
    execution_id: &'a str,
    span: &'a CallSpan,
    start: Instant,
    outcome: &'static str,
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        self.telemetry.record(&CallRecord {
            tool: self.tool,
            claims: self.claims,
            execution_id: self.execution_id,
            trace_id: self.span.trace_id(),
            outcome: self.outcome,
            duration: self.start.elapsed(),
        });
    }
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) execution_id: Arc<str>,
    pub(super) result: ToolResult,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(default, rename = "requestState")]
    request_state: Option<String>,
    #[serde(default, rename = "inputResponses")]
    input_responses: Option<serde_json::Map<String, serde_json::Value>>,
}

impl<'a> Call<'a> {
    /// Reads the parameters of `tools/call`; an unknown tool is an error of the request.
    pub(super) fn parse(envelope: &Envelope<'_>, tools: &'a ToolSet, can_ask: bool) -> Result<Self, Failure> {
        let bad = |status, message: String| Failure::new(status, rpc::INVALID_PARAMS, message);
        let params = envelope.params.map_or("{}", RawValue::get);
        let params: Params<'_> = serde_json::from_str(params).map_err(|error| {
            bad(StatusCode::BAD_REQUEST, format!("the parameters of `tools/call` do not fit: {error}"))
        })?;
        let tool = tools.get(&params.name).ok_or_else(|| {
            let name: String = params.name.chars().take(128).collect();
            bad(StatusCode::OK, format!("unknown tool `{name}`; `tools/list` names those that are here"))
        })?;
        let arguments = match params.arguments {
            Some(arguments) if arguments.get().starts_with('{') => arguments.to_owned(),
            None => empty_object(),
            Some(arguments) if arguments.get() == "null" => empty_object(),
            Some(_) => return Err(bad(StatusCode::BAD_REQUEST, "`arguments` must be an object".to_owned())),
        };
        let (state, responses) = (params.request_state, params.input_responses);
        let repeated = state.is_some() || responses.is_some();
        let answered =
            repeated.then(|| Answered { state: state.unwrap_or_default(), responses: responses.unwrap_or_default() });
        Ok(Self { tool, arguments, dialogue: Dialogue { can_ask, answered } })
    }

    /// Runs it to its end, its panic or its deadline.
    pub(super) async fn run(
        self,
        headers: &HeaderMap,
        claims: Arc<Claims>,
        service: Service,
        deadline: Duration,
        telemetry: &Telemetry,
    ) -> Outcome {
        let name = self.tool.name;
        let context = context(headers, claims, deadline, self.dialogue);
        let execution_id = Arc::clone(&context.execution_id);
        let work = self.tool.call(context.clone(), self.arguments);
        let told = |answer: &Answer<Box<RawValue>>| match answer {
            Answer::Complete(_) => "ok",
            Answer::Ask(_) => "input_required",
        };
        let result = watch(&Work { name, service, deadline, headers, context: &context, telemetry }, work, told).await;
        Outcome { execution_id, result }
    }
}

/// What is done under a deadline, and for whom.
pub(super) struct Work<'a> {
    pub(super) name: &'static str,
    pub(super) service: Service,
    pub(super) deadline: Duration,
    pub(super) headers: &'a HeaderMap,
    pub(super) context: &'a CallContext,
    pub(super) telemetry: &'a Telemetry,
}

/// What a call needs to know of its caller.
pub(super) fn context(headers: &HeaderMap, claims: Arc<Claims>, deadline: Duration, dialogue: Dialogue) -> CallContext {
    CallContext { claims, execution_id: execution_id(headers), deadline: Instant::now() + deadline, dialogue }
}

/// Runs `work` to its end, its panic or its deadline, and tells telemetry of it once.
pub(super) async fn watch<T>(
    call: &Work<'_>,
    work: impl Future<Output = Result<T, ToolError>> + Send,
    told: impl FnOnce(&T) -> &'static str,
) -> Result<T, ToolError> {
    let Work { name, service, deadline, headers, context, telemetry } = *call;
    let execution_id = &*context.execution_id;
    let span = telemetry.span(headers, service, name, execution_id);
    let mut record = Record {
        telemetry,
        tool: name,
        claims: &context.claims,
        execution_id,
        span: &span,
        start: Instant::now(),
        outcome: CANCELLED,
    };
    let work = AssertUnwindSafe(work).catch_unwind();
    let result = match tokio::time::timeout(deadline, span.follow(work)).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => {
            metrics::counter!(metric::TOOL_PANICS_TOTAL, "service" => service.name(), "tool" => name).increment(1);
            // Where it was is told by the panic hook; what it said may quote a memory.
            tracing::error!(tool = name, executionId = execution_id, "a tool panicked");
            Err(ToolError::new(
                ErrorCode::Internal,
                format!("`{name}` failed; the log has it under execution `{execution_id}`"),
            ))
        }
        Err(_) => Err(ToolError::new(
            ErrorCode::DeadlineExceeded,
            format!("`{name}` did not finish within {} ms; a write may still have happened", deadline.as_millis()),
        )
        .with_hint("read the state, or repeat the call with the same idempotency key")),
    };
    record.outcome = result.as_ref().map_or_else(|error| error.code.name(), told);
    drop(record);
    result
}

fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("an empty object is JSON")
}

/// The caller's own id where it is usable, else a new one.
fn execution_id(headers: &HeaderMap) -> Arc<str> {
    let given = headers.get(headers::EXECUTION_ID).and_then(|value| value.to_str().ok());
    given.filter(|id| is_execution_id(id)).map_or_else(|| Arc::from(uuid::Uuid::new_v4().to_string()), Arc::from)
}
