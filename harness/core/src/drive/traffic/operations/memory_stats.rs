//! Requests the counts of what the user can see.

use crate::drive::traffic::operation::{Coded, Request};
use mcp_contracts::Service;
use mcp_contracts::memory::tool;
use serde_json::json;

pub(super) const OPERATION: Coded =
    Coded::new(tool::STATS, Service::Memory, |_draw| Request::new(Service::Memory, tool::STATS, &json!({})));
