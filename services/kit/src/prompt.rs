//! Prompts that a service offers to people: texts that a client puts before its model.

use crate::tool::CallContext;
use futures::future::BoxFuture;
use mcp_contracts::{Scope, ToolError};
use std::collections::BTreeMap;

/// The prompts of a service.
pub trait Prompts: Send + Sync + 'static {
    /// Every scope that getting one needs.
    fn scopes(&self) -> &'static [Scope];
    /// Every prompt, in a stable order.
    fn list(&self) -> Vec<PromptInfo>;
    /// Fills one in; [`mcp_contracts::ErrorCode::NotFound`] where there is none.
    fn get(
        &self,
        context: CallContext,
        name: String,
        arguments: BTreeMap<String, String>,
    ) -> BoxFuture<'static, Result<PromptText, ToolError>>;
}

/// A prompt in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptInfo {
    /// Its name for programs.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// What it takes.
    pub arguments: Vec<PromptArgument>,
}

/// An argument of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptArgument {
    /// Its name.
    pub name: String,
    /// What goes there.
    pub description: String,
    /// Whether it must be given.
    pub required: bool,
}

/// A prompt, filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptText {
    /// What it is for.
    pub description: String,
    /// Its text.
    pub text: String,
}
