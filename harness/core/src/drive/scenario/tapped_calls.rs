//! The tool calls on a tapped edge between two parts. They prove which calls were made and which were not. Verdicts and
//! injections become operations of the history.

use super::{Stage, StepFailed};
use crate::drive::canary::InternedNames;
use crate::drive::effect;
use chaos_proxy::Exchange;
use harness_history::{Effect, ErrorKind, Op, Outcome, Phase, counted};
use serde_json::Value;

/// One tool call as it passed an edge.
#[derive(Debug, Clone, PartialEq)]
pub struct TappedCall {
    pub tool: String,
    pub arguments: Value,
    /// HTTP status; `None` without a reply.
    pub status: Option<u16>,
    /// `result` of the reply.
    pub result: Value,
    /// Header fields of the request.
    pub headers: Vec<(String, String)>,
    /// Position in the history; `None` unless the call is a verdict or an injection.
    pub op: Option<u64>,
}

impl TappedCall {
    /// Returns true if the call was answered with a result.
    pub fn accepted(&self) -> bool {
        self.result.is_object() && self.result["isError"] != true && self.result["resultType"] != "input_required"
    }
}

impl Stage<'_> {
    /// Returns the tool calls from one part to another since the last call of this function.
    ///
    /// # Errors
    /// The edge is not tapped, or the tap lost calls. A tap that lost calls cannot prove that a call was not made.
    pub fn tapped_calls(&self, from: &str, to: &str) -> Result<Vec<TappedCall>, StepFailed> {
        let (exchanges, missed) = self
            .stack
            .tapped_exchanges(from, to)
            .ok_or_else(|| StepFailed(format!("the edge from `{from}` to `{to}` is not tapped")))?;
        if missed > 0 {
            return Err(StepFailed(format!(
                "the tap from `{from}` to `{to}` lost {}",
                counted(missed, "exchange", "exchanges")
            )));
        }
        let mut read_before = self.exchanges_read.lock();
        let read_before = read_before.entry((from.to_owned(), to.to_owned())).or_default();
        let news = exchanges.get(*read_before..).unwrap_or_default();
        *read_before = exchanges.len();
        Ok(news.iter().filter_map(|exchange| self.tapped_call(from, exchange)).collect())
    }

    fn tapped_call(&self, from: &str, exchange: &Exchange) -> Option<TappedCall> {
        let request: Value = serde_json::from_slice(&exchange.request_body).ok()?;
        if request["method"] != "tools/call" {
            return None;
        }
        let reply: Value = serde_json::from_slice(&exchange.reply_body).unwrap_or_default();
        let mut call = TappedCall {
            tool: request["params"]["name"].as_str()?.to_owned(),
            arguments: request["params"]["arguments"].clone(),
            status: exchange.status,
            result: reply["result"].clone(),
            headers: exchange.request_headers.clone(),
            op: None,
        };
        call.op = self.record_tapped(from, exchange, &call);
        Some(call)
    }

    fn record_tapped(&self, from: &str, exchange: &Exchange, call: &TappedCall) -> Option<u64> {
        let outcome = if call.accepted() {
            Outcome::Ok
        } else if exchange.complete {
            Outcome::Failed(ErrorKind::Tool("refused".into()))
        } else {
            Outcome::Unknown(ErrorKind::Reset)
        };
        let structured = &call.result["structuredContent"];
        let (arguments, reply) = (call.arguments.to_string(), structured.to_string());
        let (outcome, effect) = effect::of(&call.tool, &arguments, &outcome, Some(&reply), &InternedNames::default());
        if !matches!(effect, Effect::Verdict { .. } | Effect::Inject { .. }) {
            return None;
        }
        // The tap does not keep the caller's token; the verdict names its organisation and its user.
        let token = structured["verdictToken"].as_str().or_else(|| call.arguments["verdictToken"].as_str());
        let (tenant, user) = token
            .and_then(effect::verdict_claims)
            .map_or_else(|| ("unseen".to_owned(), from.to_owned()), |claims| (claims.org_id, claims.sub));
        // The tap has an `Instant`, but the history counts from the start of the run.
        let ago = |instant: std::time::Instant| u64::try_from(instant.elapsed().as_micros()).unwrap_or(u64::MAX);
        let invoke_us = self.recorder().now_us().saturating_sub(ago(exchange.at));
        let took = u64::try_from(exchange.took.as_micros()).unwrap_or(u64::MAX);
        Some(self.recorder().record(&Op {
            // The process of the harness, because the caller on this edge is a service and not a user of the run.
            process: 0,
            tenant: tenant.into(),
            user: user.into(),
            workspace: None,
            name: call.tool.as_str().into(),
            phase: Phase::Measured,
            planned_us: None,
            invoke_us,
            complete_us: invoke_us.saturating_add(took),
            outcome,
            strays: Vec::new(),
            effect,
        }))
    }
}
