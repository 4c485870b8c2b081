//! Prompts that a service offers: texts that a user picks and the client sends to its model.

use crate::tool::CallContext;
use futures::future::BoxFuture;
use mcp_contracts::{Scope, ToolError};
use std::collections::BTreeMap;

pub trait Prompts: Send + Sync + 'static {
    /// The scopes that a token must all have to read a prompt.
    fn scopes(&self) -> &'static [Scope];
    /// Returns every prompt, in a stable order.
    fn list(&self) -> Vec<PromptInfo>;
    /// Fills in the prompt with this name; fails with [`mcp_contracts::ErrorCode::NotFound`] if there is none.
    fn get(
        &self,
        context: CallContext,
        name: String,
        arguments: BTreeMap<String, String>,
    ) -> BoxFuture<'static, Result<PromptText, ToolError>>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptInfo {
    pub name: String,
    pub title: String,
    pub description: String,
    pub arguments: Vec<PromptArgument>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptArgument {
    pub name: String,
    pub description: String,
    pub required: bool,
}

/// A filled-in prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptText {
    pub description: String,
    pub text: String,
}
