//! A tool as data and a function: how it is called (SDK or fast path) is not its business.

use crate::dialogue::{Answer, Dialogue};
use futures::future::BoxFuture;
use mcp_contracts::{Claims, ErrorCode, Scope, ToolError};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, value::RawValue};
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

/// Who calls, under which execution, and until when.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// The checked token.
    pub claims: Arc<Claims>,
    /// Identity of this execution; in every log line and in error replies.
    pub execution_id: Arc<str>,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// What the caller can be asked, and what it has answered.
    pub dialogue: Dialogue,
}

/// What a tool promises about its effects (MCP tool annotations).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Annotations {
    /// Changes nothing.
    pub read_only: bool,
    /// May destroy data.
    pub destructive: bool,
    /// Repeating the call has no further effect.
    pub idempotent: bool,
}

/// A finished call: JSON that is sent as structured content and as a text block, or a question.
pub type ToolResult = Result<Answer<Box<RawValue>>, ToolError>;

type Run = dyn Fn(CallContext, Box<RawValue>) -> BoxFuture<'static, ToolResult> + Send + Sync;

/// One tool.
#[derive(Clone)]
pub struct Tool {
    /// Name in `tools/call`.
    pub name: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// What it does, for a model that decides whether to call it.
    pub description: &'static str,
    /// What it promises.
    pub annotations: Annotations,
    /// Every scope it needs.
    pub scopes: &'static [Scope],
    /// JSON Schema of the arguments.
    pub input_schema: Arc<Map<String, Value>>,
    /// JSON Schema of the structured content.
    pub output_schema: Arc<Map<String, Value>>,
    run: Arc<Run>,
}

/// What a tool is called and what it promises; the rest of a [`Tool`] follows from its types.
#[derive(Debug, Clone, Copy)]
pub struct ToolInfo {
    /// See [`Tool::name`].
    pub name: &'static str,
    /// See [`Tool::title`].
    pub title: &'static str,
    /// See [`Tool::description`].
    pub description: &'static str,
    /// See [`Tool::annotations`].
    pub annotations: Annotations,
    /// See [`Tool::scopes`].
    pub scopes: &'static [Scope],
}

impl Tool {
    /// Makes a tool of an async function from typed arguments to a typed reply.
    pub fn new<Request, Reply, Function, Reached>(info: ToolInfo, function: Function) -> Self
    where
        Request: DeserializeOwned + JsonSchema + Send + 'static,
        Reply: Serialize + JsonSchema + 'static,
        Function: Fn(CallContext, Request) -> Reached + Send + Sync + 'static,
        Reached: Future<Output = Result<Reply, ToolError>> + Send + 'static,
    {
        let function = Arc::new(function);
        Self::asking(info, move |context, request| {
            let function = Arc::clone(&function);
            async move { function(context, request).await.map(Answer::Complete) }
        })
    }

    /// Makes a tool that may answer with a question first.
    pub fn asking<Request, Reply, Function, Reached>(info: ToolInfo, function: Function) -> Self
    where
        Request: DeserializeOwned + JsonSchema + Send + 'static,
        Reply: Serialize + JsonSchema + 'static,
        Function: Fn(CallContext, Request) -> Reached + Send + Sync + 'static,
        Reached: Future<Output = Result<Answer<Reply>, ToolError>> + Send + 'static,
    {
        let function = Arc::new(function);
        let run = move |context: CallContext, arguments: Box<RawValue>| -> BoxFuture<'static, ToolResult> {
            let function = Arc::clone(&function);
            Box::pin(async move {
                let request = serde_json::from_str(arguments.get()).map_err(|error| {
                    ToolError::new(
                        ErrorCode::InvalidArgument,
                        format!("the arguments of `{}` do not fit: {error}", info.name),
                    )
                })?;
                match function(context, request).await? {
                    Answer::Ask(question) => Ok(Answer::Ask(question)),
                    Answer::Complete(reply) => {
                        let json = serde_json::value::to_raw_value(&reply).map_err(|error| {
                            ToolError::new(
                                ErrorCode::Internal,
                                format!("the reply of `{}` cannot be written: {error}", info.name),
                            )
                        })?;
                        Ok(Answer::Complete(json))
                    }
                }
            })
        };
        Self {
            name: info.name,
            title: info.title,
            description: info.description,
            annotations: info.annotations,
            scopes: info.scopes,
            input_schema: Arc::new(schema_of::<Request>()),
            output_schema: Arc::new(schema_of::<Reply>()),
            run: Arc::new(run),
        }
    }

    /// Calls it; scopes are checked by the caller of this function.
    pub fn call(&self, context: CallContext, arguments: Box<RawValue>) -> BoxFuture<'static, ToolResult> {
        (self.run)(context, arguments)
    }
}

/// The tools of a service, in the order of `tools/list`.
#[derive(Clone)]
pub struct ToolSet {
    tools: Arc<[Tool]>,
}

impl ToolSet {
    /// Collects tools; their order is kept.
    pub fn new(tools: Vec<Tool>) -> Self {
        Self { tools: tools.into() }
    }

    /// Finds a tool by name.
    pub fn get(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    /// Every tool.
    pub fn iter(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter()
    }
}

fn schema_of<T: JsonSchema>() -> Map<String, Value> {
    match schemars::SchemaGenerator::default().into_root_schema_for::<T>().to_value() {
        Value::Object(schema) => schema,
        other => Map::from_iter([("const".to_owned(), other)]),
    }
}
