//! Requests the counts of what the user can see.

use crate::drive::traffic::operation::{BuiltInOperation, Request};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde_json::json;

pub(super) const OPERATION: BuiltInOperation =
    BuiltInOperation::new(tool::STATS, Service::Memory, |_input| Request::new(Service::Memory, tool::STATS, &json!({})));
