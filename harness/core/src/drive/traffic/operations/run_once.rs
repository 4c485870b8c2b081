//! Runs a workflow, and sends the request again with the same idempotency key until it is answered. A user who had to repeat it
//! sends it once more: it must be the same execution.

use crate::drive::traffic::operation::{Draw, Operation, Request, ToolReply};
use super::run_workflow;
use harness_history::Outcome;
use mcp_contracts::Service;
use std::time::Duration;

pub(super) struct RunOnce;

const NAME: &str = "run_once";
const CONFIRMING: &str = "confirming";

impl Operation for RunOnce {
    fn name(&self) -> &str {
        NAME
    }

    fn service(&self) -> &str {
        Service::Orchestrator.name()
    }

    fn request(&self, draw: &mut Draw<'_>) -> Request {
        let mut arguments = run_workflow::arguments(draw);
        arguments["idempotencyKey"] = draw.key().into();
        run_workflow::request(&arguments).named(NAME)
    }

    fn follow_up(&self, sent: &Request, reply: &ToolReply<'_>, _draw: &mut Draw<'_>) -> Option<Request> {
        if sent.context == CONFIRMING {
            return None;
        }
        if *reply.outcome == Outcome::Ok && sent.repeats > 0 {
            return Some(Request { pause: Duration::ZERO, ..sent.clone() }.with_context(CONFIRMING.into()));
        }
        sent.repeated(reply.outcome)
    }
}
