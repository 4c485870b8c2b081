//! Resources that a service offers, by URI. A service implements [`Resources`].

use crate::tool::CallContext;
use futures::future::BoxFuture;
use mcp_contracts::{Scope, ToolError};

pub trait Resources: Send + Sync + 'static {
    /// The scopes that a token must all have to read a resource.
    fn scopes(&self) -> &'static [Scope];
    /// Returns the resources with a fixed URI that the caller may read, in a stable order.
    fn list(&self, context: &CallContext) -> Vec<ResourceInfo>;
    fn templates(&self) -> Vec<ResourceTemplate>;
    /// Reads the resource with this URI; fails with [`mcp_contracts::ErrorCode::NotFound`] if there is none.
    fn read(&self, context: CallContext, uri: String) -> BoxFuture<'static, Result<ResourceText, ToolError>>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceInfo {
    pub uri: String,
    pub name: String,
    pub title: String,
    pub description: String,
    pub mime_type: &'static str,
}

/// Resources whose URIs share a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceTemplate {
    /// URI template (RFC 6570).
    pub uri_template: String,
    pub name: String,
    pub title: String,
    pub description: String,
    pub mime_type: &'static str,
}

/// Content of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceText {
    pub mime_type: &'static str,
    pub text: String,
}
