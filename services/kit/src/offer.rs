//! Everything that a service offers to its clients: tools, and where it has them resources, prompts and pages.

use crate::prompt::Prompts;
use crate::resource::Resources;
use crate::tool::{CallContext, ToolSet};
use futures::future::BoxFuture;
use mcp_contracts::ToolError;
use serde_json::value::RawValue;
use std::sync::Arc;

/// What a service offers.
#[derive(Clone)]
pub struct Offer {
    /// Its tools.
    pub tools: ToolSet,
    /// Its resources, if it has any.
    pub resources: Option<Arc<dyn Resources>>,
    /// Its prompts, if it has any.
    pub prompts: Option<Arc<dyn Prompts>>,
    /// Pages beside MCP.
    pub pages: Vec<Page>,
}

type RunPage = dyn Fn(CallContext) -> BoxFuture<'static, Result<Box<RawValue>, ToolError>> + Send + Sync;

/// A JSON document at a path of its own (GET, with the access token); it is not counted by the quota.
#[derive(Clone)]
pub struct Page {
    /// Its path.
    pub path: &'static str,
    run: Arc<RunPage>,
}

impl Page {
    /// Makes a page of an async function.
    pub fn new(
        path: &'static str,
        run: impl Fn(CallContext) -> BoxFuture<'static, Result<Box<RawValue>, ToolError>> + Send + Sync + 'static,
    ) -> Self {
        Self { path, run: Arc::new(run) }
    }

    /// Makes the document.
    pub fn run(&self, context: CallContext) -> BoxFuture<'static, Result<Box<RawValue>, ToolError>> {
        (self.run)(context)
    }
}

impl From<ToolSet> for Offer {
    fn from(tools: ToolSet) -> Self {
        Self { tools, resources: None, prompts: None, pages: Vec::new() }
    }
}
