//! The reply to one request, and the expectations on it. Each expectation is recorded with the operation that shows it.

use super::stage_recorder::StageRecorder;
use super::{Stage, StepFailed};
use crate::drive::client::MessageReply;
use harness_history::{ErrorKind, Outcome, Verdict};
use mcp_contracts::ErrorCode;
use serde_json::Value;
use std::ops::Index;
use std::time::Duration;

/// One reply. Its structured content can be indexed: `reply["id"]`.
#[must_use]
pub struct Reply<'s> {
    recorder: &'s StageRecorder,
    op: u64,
    request_name: String,
    response: MessageReply,
}

impl<'s> Reply<'s> {
    pub(super) fn new(stage: &'s Stage<'_>, op: u64, request_name: &str, response: MessageReply) -> Self {
        Self { recorder: stage.recorder(), op, request_name: request_name.to_owned(), response }
    }

    /// Expects a result for which `holds` returns true.
    pub fn expect_result(self, expected: &str, holds: impl FnOnce(&Value) -> bool) -> Self {
        let held = self.is_ok() && holds(self.value());
        self.record_expectation(expected, held)
    }

    /// As [`Reply::expect_result`], for a reply that shows a duration, which a busy machine may prolong.
    pub fn expect_result_in_time(self, expected: &str, holds: impl FnOnce(&Value) -> bool) -> Self {
        let held = self.is_ok() && holds(self.value());
        self.recorder.expect_in_time(expected, verdict_of(held), &self.describe(), vec![self.op]);
        self
    }

    /// Expects any result.
    pub fn expect_ok(self, expected: &str) -> Self {
        let held = self.is_ok();
        self.record_expectation(expected, held)
    }

    /// Expects that the tool, the resource or the prompt refuses the request with this code.
    pub fn expect_error(self, expected: &str, code: ErrorCode) -> Self {
        let held = match &self.response.outcome {
            Outcome::Failed(ErrorKind::Tool(named)) | Outcome::Unknown(ErrorKind::Tool(named)) => {
                **named == *code.name()
            }
            // A 429 has the same outcome, but carries no code of a tool.
            Outcome::Failed(ErrorKind::Quota) => code == ErrorCode::QuotaExceeded && self.response.status == Some(200),
            // Resources and prompts refuse with a JSON-RPC error, which has the code in its data.
            Outcome::Failed(ErrorKind::JsonRpc(_)) => self.response.error["data"]["code"] == code.name(),
            Outcome::Ok | Outcome::Failed(_) | Outcome::Unknown(_) => false,
        };
        self.record_expectation(expected, held)
    }

    /// Expects this HTTP status.
    pub fn expect_status(self, expected: &str, status: u16) -> Self {
        let held = self.response.status == Some(status);
        self.record_expectation(expected, held)
    }

    /// Expects this JSON-RPC error.
    pub fn expect_rpc_error(self, expected: &str, code: i64) -> Self {
        let held = self.response.error["code"] == code;
        self.record_expectation(expected, held)
    }

    /// Expects that the service asks the client's user a question first, in a message for which `holds` returns true.
    pub fn expect_question(self, expected: &str, holds: impl FnOnce(&str) -> bool) -> Self {
        let requests = self.response.result["inputRequests"].as_object();
        let message =
            requests.and_then(|requests| requests.values().next()).map(|request| &request["params"]["message"]);
        let has_question = self.response.outcome == Outcome::Failed(ErrorKind::InputRequired);
        let held = has_question && message.and_then(Value::as_str).is_some_and(holds);
        self.record_expectation(expected, held)
    }

    /// Expects this header, with a value for which `holds` returns true.
    pub fn expect_header(self, expected: &str, name: &str, holds: impl FnOnce(&str) -> bool) -> Self {
        let held = self.header(name).is_some_and(holds);
        let seen = format!("`{name}` is {:?}", self.header(name));
        self.recorder.expect(expected, verdict_of(held), &seen, vec![self.op]);
        self
    }

    /// Returns the reply if it has a result. Otherwise returns the reason that ends the scenario, because later steps
    /// need the result.
    ///
    /// # Errors
    /// The reply has no result.
    pub fn or_stop(self) -> Result<Self, StepFailed> {
        if self.is_ok() {
            Ok(self)
        } else {
            Err(StepFailed(format!("`{}` answered {}", self.request_name, self.describe())))
        }
    }

    fn record_expectation(self, expected: &str, held: bool) -> Self {
        self.recorder.expect(expected, verdict_of(held), &self.describe(), vec![self.op]);
        self
    }

    /// Returns true if there is a result.
    pub fn is_ok(&self) -> bool {
        self.response.outcome == Outcome::Ok
    }

    pub const fn outcome(&self) -> &Outcome {
        &self.response.outcome
    }

    /// HTTP status; `None` without a reply.
    pub const fn status(&self) -> Option<u16> {
        self.response.status
    }

    /// Returns a header of the reply; `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns the structured content of a tool, or the result if there is none.
    pub fn value(&self) -> &Value {
        let structured = &self.response.result["structuredContent"];
        if structured.is_null() { &self.response.result } else { structured }
    }

    pub const fn result(&self) -> &Value {
        &self.response.result
    }

    pub const fn error(&self) -> &Value {
        &self.response.error
    }

    /// Returns the text of this name in the structured content; empty if there is none.
    pub fn text(&self, name: &str) -> String {
        self[name].as_str().unwrap_or_default().to_owned()
    }

    /// Position of the call in the history.
    pub const fn op(&self) -> u64 {
        self.op
    }

    /// Returns the time from the send to the complete reply.
    pub fn took(&self) -> Duration {
        Duration::from_micros(self.response.complete_us.saturating_sub(self.response.invoke_us))
    }

    /// The tool or the method of the request.
    pub fn request_name(&self) -> &str {
        &self.request_name
    }

    /// Renders the outcome and the content in one line.
    fn describe(&self) -> String {
        let outcome = match &self.response.outcome {
            Outcome::Ok => "ok".to_owned(),
            Outcome::Failed(kind) => format!("failed ({})", kind.label()),
            Outcome::Unknown(kind) => format!("unknown ({})", kind.label()),
        };
        let content = if self.response.error.is_null() { self.value() } else { &self.response.error };
        if content.is_null() { outcome } else { format!("{outcome} {content}") }
    }
}

impl Index<&str> for Reply<'_> {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        &self.value()[name]
    }
}

pub(super) const fn verdict_of(held: bool) -> Verdict {
    if held { Verdict::Pass } else { Verdict::Fail }
}
