//! Lists executions of the organisation and reads the newest.

use crate::drive::traffic::operation::{Draw, Operation, Request, ToolReply};
use mcp_contracts::Service;
use mcp_contracts::orchestrator::tool;
use serde_json::json;

pub(super) struct ReadExecution;

const NAME: &str = "read_execution";

impl Operation for ReadExecution {
    fn name(&self) -> &str {
        NAME
    }

    fn service(&self) -> &str {
        Service::Orchestrator.name()
    }

    fn request(&self, _draw: &mut Draw<'_>) -> Request {
        Request::new(Service::Orchestrator.name(), tool::LIST_EXECUTIONS, &json!({ "limit": 5 }))
    }

    fn follow_up(&self, sent: &Request, reply: &ToolReply<'_>, _draw: &mut Draw<'_>) -> Option<Request> {
        if sent.tool != tool::LIST_EXECUTIONS {
            return None;
        }
        let newest = reply.value()["executions"][0]["executionId"].as_str()?.to_owned();
        Some(Request::new(Service::Orchestrator.name(), tool::GET_EXECUTION, &json!({ "executionId": newest })))
    }
}
