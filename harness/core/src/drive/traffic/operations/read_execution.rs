//! Lists executions of the organisation and reads the newest.

use crate::drive::traffic::operation::{BuiltInOperation, Request, ToolReply};
use mcp_contracts::Service;
use mcp_contracts::orchestrator::tool;
use serde_json::json;

pub(super) const OPERATION: BuiltInOperation = BuiltInOperation::new(NAME, Service::Orchestrator, |_input| {
    Request::new(Service::Orchestrator, tool::LIST_EXECUTIONS, &json!({ "limit": 5 }))
})
.followed_by(follow_up);

const NAME: &str = "read_execution";

fn follow_up(sent: &Request, reply: &ToolReply<'_>) -> Option<Request> {
    if sent.tool != tool::LIST_EXECUTIONS {
        return None;
    }
    let newest = reply.value()["executions"][0]["executionId"].as_str()?.to_owned();
    Some(Request::new(Service::Orchestrator, tool::GET_EXECUTION, &json!({ "executionId": newest })))
}
