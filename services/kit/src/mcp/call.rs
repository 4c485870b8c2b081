//! A tool call: finds the tool, runs it with a deadline, catches a panic, and records the call once in telemetry.

use super::envelope::Envelope;
use super::failure::Failure;
use crate::elicitation::{ElicitationContext, ElicitationResponses, ToolOutcome};
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

pub(super) struct Call<'a> {
    pub(super) tool: &'a Tool,
    arguments: Box<RawValue>,
    elicitation: ElicitationContext,
}

/// Outcome of a call whose client disconnected before the reply.
const CANCELLED: &str = "cancelled";

/// Records the call in telemetry when it is dropped. A plain statement after the call would not do: if the client disconnects, the future
/// of the call is dropped at an `await`, and no later code runs.
struct RecordOnDrop<'a> {
    telemetry: &'a Telemetry,
    tool: &'static str,
    claims: &'a Claims,
    execution_id: &'a str,
    span: &'a CallSpan,
    start: Instant,
    outcome: &'static str,
}

impl Drop for RecordOnDrop<'_> {
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

pub(super) struct CallOutcome {
    pub(super) execution_id: Arc<str>,
    pub(super) result: ToolResult,
}

#[derive(Deserialize)]
struct CallParams<'a> {
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
    /// Parses the parameters of `tools/call`. An unknown tool fails as a JSON-RPC error, not as a result of a tool.
    pub(super) fn parse(
        envelope: &Envelope<'_>,
        tools: &'a ToolSet,
        supports_elicitation: bool,
    ) -> Result<Self, Failure> {
        let bad = |status, message: String| Failure::new(status, rpc::INVALID_PARAMS, message);
        let params = envelope.params.map_or("{}", RawValue::get);
        let params: CallParams<'_> = serde_json::from_str(params)
            .map_err(|error| bad(StatusCode::BAD_REQUEST, format!("invalid parameters of `tools/call`: {error}")))?;
        let tool = tools.get(&params.name).ok_or_else(|| {
            // The client chose the name; the names of tools have at most 128 characters (MCP). The status is 200, as
            // the SDK answers it.
            let name: String = params.name.chars().take(128).collect();
            bad(StatusCode::OK, format!("unknown tool `{name}`; `tools/list` returns the names of all tools"))
        })?;
        let arguments = match params.arguments {
            // A `RawValue` begins without white space, so its first byte shows its kind.
            Some(arguments) if arguments.get().starts_with('{') => arguments.to_owned(),
            None => empty_object(),
            Some(arguments) if arguments.get() == "null" => empty_object(),
            Some(_) => return Err(bad(StatusCode::BAD_REQUEST, "`arguments` must be an object".to_owned())),
        };
        let (state, responses) = (params.request_state, params.input_responses);
        let is_repeated = state.is_some() || responses.is_some();
        let elicited = is_repeated.then(|| ElicitationResponses {
            state: state.unwrap_or_default(),
            responses: responses.unwrap_or_default(),
        });
        Ok(Self { tool, arguments, elicitation: ElicitationContext { supports_elicitation, responses: elicited } })
    }

    /// Runs the call until it ends, panics or reaches its deadline.
    pub(super) async fn run(
        self,
        headers: &HeaderMap,
        claims: Arc<Claims>,
        service: Service,
        deadline: Duration,
        telemetry: &Telemetry,
    ) -> CallOutcome {
        let name = self.tool.name;
        let context = context(headers, claims, deadline, self.elicitation);
        let execution_id = Arc::clone(&context.execution_id);
        let work = self.tool.call(context.clone(), self.arguments);
        let outcome = |answer: &ToolOutcome<Box<RawValue>>| match answer {
            ToolOutcome::Complete(_) => "ok",
            ToolOutcome::InputRequired(_) => "input_required",
        };
        let result =
            run_recorded(&Work { name, service, deadline, headers, context: &context, telemetry }, work, outcome).await;
        CallOutcome { execution_id, result }
    }
}

/// The call that [`run_recorded`] runs: its name, its deadline and its context.
pub(super) struct Work<'a> {
    pub(super) name: &'static str,
    pub(super) service: Service,
    pub(super) deadline: Duration,
    pub(super) headers: &'a HeaderMap,
    pub(super) context: &'a CallContext,
    pub(super) telemetry: &'a Telemetry,
}

pub(super) fn context(
    headers: &HeaderMap,
    claims: Arc<Claims>,
    deadline: Duration,
    elicitation: ElicitationContext,
) -> CallContext {
    CallContext { claims, execution_id: execution_id(headers), deadline: Instant::now() + deadline, elicitation }
}

/// Runs `work` until it ends, panics or reaches its deadline, and records it once in telemetry.
pub(super) async fn run_recorded<T>(
    call: &Work<'_>,
    work: impl Future<Output = Result<T, ToolError>> + Send,
    outcome: impl FnOnce(&T) -> &'static str,
) -> Result<T, ToolError> {
    let Work { name, service, deadline, headers, context, telemetry } = *call;
    let execution_id = &*context.execution_id;
    let span = telemetry.span(headers, service, name, execution_id);
    let mut record = RecordOnDrop {
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
            // Only the panic hook logs the place. The text of the panic is not logged, because it may quote a memory.
            tracing::error!(tool = name, executionId = execution_id, "a tool panicked");
            Err(ToolError::new(
                ErrorCode::Internal,
                format!("`{name}` failed; the log has the details under execution `{execution_id}`"),
            ))
        }
        // The future of the tool is dropped here, but a write that it has queued is still committed.
        Err(_) => Err(ToolError::new(
            ErrorCode::DeadlineExceeded,
            format!("`{name}` did not finish within {} ms; a write may have happened", deadline.as_millis()),
        )
        .with_hint("read the state, or repeat the call with the same idempotency key")),
    };
    // Recorded before the reply is built, so that the duration is that of the tool.
    record.outcome = result.as_ref().map_or_else(|error| error.code.name(), outcome);
    drop(record);
    result
}

fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("an empty object is JSON")
}

/// Returns the execution id in the headers if it is valid, else a new one.
fn execution_id(headers: &HeaderMap) -> Arc<str> {
    let sent = headers.get(headers::EXECUTION_ID).and_then(|value| value.to_str().ok());
    // The generator of this thread: `Uuid::new_v4` asks the kernel for each id.
    let new = || uuid::Builder::from_random_bytes(rand::random()).into_uuid();
    sent.filter(|id| is_execution_id(id))
        .map_or_else(|| Arc::from(&*new().hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer())), Arc::from)
}
