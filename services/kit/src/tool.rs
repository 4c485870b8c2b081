//! A tool: its description and its function. A tool does not know whether it is called through the SDK or the fast path.

mod arguments;
mod schema;

use crate::elicitation::{ElicitationContext, ToolOutcome};
use arguments::Arguments;
use futures::future::BoxFuture;
use mcp_contracts::{Claims, ErrorCode, Scope, ToolError};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, value::RawValue};
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

/// Context of a call: the caller, the execution and the deadline.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// Claims of the checked token.
    pub claims: Arc<Claims>,
    /// Id of the execution. Log lines and internal errors contain it.
    pub execution_id: Arc<str>,
    pub deadline: Instant,
    pub elicitation: ElicitationContext,
}

impl CallContext {
    /// Fails if the token lacks a scope that only some calls of the tool need.
    ///
    /// # Errors
    /// `insufficient_scope`, with the name of the scope.
    pub fn require(&self, scope: Scope) -> Result<(), ToolError> {
        if self.claims.allows(scope) {
            return Ok(());
        }
        let lacking = format!("the token lacks the scope `{}`, which this call needs", scope.name());
        Err(ToolError::new(ErrorCode::InsufficientScope, lacking)
            .with_hint("repeat it with a token that has this scope"))
    }
}

/// Effects of a tool (MCP tool annotations).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Annotations {
    pub read_only: bool,
    pub destructive: bool,
    /// Repeating the call has no further effect.
    pub idempotent: bool,
}

/// Result of a call: the JSON of the structured content, which the text block repeats, or a question.
pub type ToolResult = Result<ToolOutcome<Box<RawValue>>, ToolError>;

type Run = dyn Fn(CallContext, Box<RawValue>) -> BoxFuture<'static, ToolResult> + Send + Sync;

#[derive(Clone)]
pub struct Tool {
    pub name: &'static str,
    pub title: &'static str,
    /// Describes the tool for a model that decides whether to call it.
    pub description: &'static str,
    pub annotations: Annotations,
    /// Scopes that a token must all have.
    pub scopes: &'static [Scope],
    pub input_schema: Arc<Map<String, Value>>,
    pub output_schema: Arc<Map<String, Value>>,
    run: Arc<Run>,
}

/// The constant part of a [`Tool`]; its schemas follow from the types of its function.
#[derive(Debug, Clone, Copy)]
pub struct ToolInfo {
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    pub annotations: Annotations,
    pub scopes: &'static [Scope],
}

impl Tool {
    /// Creates a tool from an async function with typed arguments and a typed reply.
    pub fn new<Request, Reply, Function, Replied>(info: ToolInfo, function: Function) -> Self
    where
        Request: DeserializeOwned + JsonSchema + Send + 'static,
        Reply: Serialize + JsonSchema + 'static,
        Function: Fn(CallContext, Request) -> Replied + Send + Sync + 'static,
        Replied: Future<Output = Result<Reply, ToolError>> + Send + 'static,
    {
        let function = Arc::new(function);
        Self::with_elicitation(info, move |context, request| {
            let function = Arc::clone(&function);
            async move { function(context, request).await.map(ToolOutcome::Complete) }
        })
    }

    /// Creates a tool that may ask a question before it replies.
    pub fn with_elicitation<Request, Reply, Function, Replied>(info: ToolInfo, function: Function) -> Self
    where
        Request: DeserializeOwned + JsonSchema + Send + 'static,
        Reply: Serialize + JsonSchema + 'static,
        Function: Fn(CallContext, Request) -> Replied + Send + Sync + 'static,
        Replied: Future<Output = Result<ToolOutcome<Reply>, ToolError>> + Send + 'static,
    {
        let function = Arc::new(function);
        let input_schema = Arc::new(schema::input_schema::<Request>());
        let parser = Arc::new(Arguments::new(info.name, Arc::clone(&input_schema), schema::is_strict::<Request>()));
        let run = move |context: CallContext, arguments: Box<RawValue>| -> BoxFuture<'static, ToolResult> {
            let (function, parser) = (Arc::clone(&function), Arc::clone(&parser));
            Box::pin(async move {
                let request = parser.parse(&arguments)?;
                match function(context, request).await? {
                    ToolOutcome::InputRequired(question) => Ok(ToolOutcome::InputRequired(question)),
                    ToolOutcome::Complete(reply) => {
                        // The text is made once, and the reply copies it to both of its places.
                        let json = serde_json::value::to_raw_value(&reply).map_err(|error| {
                            ToolError::new(
                                ErrorCode::Internal,
                                format!("failed to serialize the reply of `{}`: {error}", info.name),
                            )
                        })?;
                        Ok(ToolOutcome::Complete(json))
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
            input_schema,
            output_schema: Arc::new(schema::output_schema::<Reply>()),
            run: Arc::new(run),
        }
    }

    /// Calls the tool. The caller must have checked the scopes.
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
    pub fn new(tools: Vec<Tool>) -> Self {
        Self { tools: tools.into() }
    }

    pub fn get(&self, name: &str) -> Option<&Tool> {
        // Linear: no service has more than ten tools.
        self.tools.iter().find(|tool| tool.name == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter()
    }
}
