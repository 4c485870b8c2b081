//! What a service offers its clients: tools, and optionally resources, prompts and pages.

use crate::prompt::Prompts;
use crate::resource::Resources;
use crate::tool::{CallContext, ToolSet};
use futures::future::BoxFuture;
use mcp_contracts::ToolError;
use serde_json::value::RawValue;
use std::sync::Arc;

#[derive(Clone)]
pub struct ServerFeatures {
    pub tools: ToolSet,
    pub resources: Option<Arc<dyn Resources>>,
    pub prompts: Option<Arc<dyn Prompts>>,
    pub pages: Vec<Page>,
}

type RunPage = dyn Fn(CallContext) -> BoxFuture<'static, Result<Box<RawValue>, ToolError>> + Send + Sync;

/// A JSON document at its own path (GET, with the access token). The quota does not count it.
#[derive(Clone)]
pub struct Page {
    pub path: &'static str,
    run: Arc<RunPage>,
}

impl Page {
    pub fn new(
        path: &'static str,
        run: impl Fn(CallContext) -> BoxFuture<'static, Result<Box<RawValue>, ToolError>> + Send + Sync + 'static,
    ) -> Self {
        Self { path, run: Arc::new(run) }
    }

    pub fn run(&self, context: CallContext) -> BoxFuture<'static, Result<Box<RawValue>, ToolError>> {
        (self.run)(context)
    }
}

impl From<ToolSet> for ServerFeatures {
    fn from(tools: ToolSet) -> Self {
        Self { tools, resources: None, prompts: None, pages: Vec::new() }
    }
}
