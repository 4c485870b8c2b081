//! Runs a workflow, and repeats the request with the same idempotency key until it is answered. If it had to be
//! repeated, it is sent once more after the answer: the reply must have the same execution.

use super::run_workflow;
use crate::drive::traffic::operation::{BuiltInOperation, RequestInput, Request, ToolReply};
use harness_history::Outcome;
use mcp_contracts::Service;
use std::time::Duration;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(NAME, Service::Orchestrator, request).followed_by(follow_up);

const NAME: &str = "run_once";
const CONFIRMING: &str = "confirming";

fn request(input: &mut RequestInput<'_>) -> Request {
    let mut arguments = run_workflow::arguments(input);
    arguments["idempotencyKey"] = input.key().into();
    run_workflow::request(&arguments).named(NAME)
}

fn follow_up(sent: &Request, reply: &ToolReply<'_>) -> Option<Request> {
    if sent.context == CONFIRMING {
        return None;
    }
    if *reply.outcome == Outcome::Ok && sent.repeats > 0 {
        return Some(Request { pause: Duration::ZERO, ..sent.clone() }.with_context(CONFIRMING.into()));
    }
    sent.repeated(reply.outcome)
}
