//! What a service offers to read: resources by URI. A service implements [`Resources`]; how a request arrived is not its business.

use crate::tool::CallContext;
use futures::future::BoxFuture;
use mcp_contracts::{Scope, ToolError};

/// The resources of a service.
pub trait Resources: Send + Sync + 'static {
    /// Every scope that reading needs.
    fn scopes(&self) -> &'static [Scope];
    /// Resources with a fixed URI that the caller may know of, in a stable order.
    fn list(&self, context: &CallContext) -> Vec<ResourceInfo>;
    /// Families of resources.
    fn templates(&self) -> Vec<ResourceTemplate>;
    /// Reads one; [`mcp_contracts::ErrorCode::NotFound`] where there is none.
    fn read(&self, context: CallContext, uri: String) -> BoxFuture<'static, Result<ResourceText, ToolError>>;
}

/// A resource in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceInfo {
    /// Its URI.
    pub uri: String,
    /// Its name for programs.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// What it holds.
    pub description: String,
    /// Media type of its text.
    pub mime_type: &'static str,
}

/// A family of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceTemplate {
    /// URI template (RFC 6570).
    pub uri_template: String,
    /// Its name for programs.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// What its members hold.
    pub description: String,
    /// Media type of their text.
    pub mime_type: &'static str,
}

/// A resource that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceText {
    /// Media type of the text.
    pub mime_type: &'static str,
    /// The text.
    pub text: String,
}
