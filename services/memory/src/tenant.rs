//! Who a store call is for. It can only be made from checked claims, and no store call exists without one.

use mcp_contracts::{Claims, Scope};
use std::sync::Arc;

/// An organisation, a workspace in it, and a user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tenant {
    org: Arc<str>,
    workspace: Arc<str>,
    user: Arc<str>,
    admin: bool,
}

impl Tenant {
    /// The tenant that a checked token names.
    pub fn of(claims: &Claims) -> Self {
        Self {
            org: Arc::from(claims.org_id.as_str()),
            workspace: Arc::from(claims.workspace_slug.as_str()),
            user: Arc::from(claims.sub.as_str()),
            admin: claims.scopes.contains(&Scope::Admin),
        }
    }

    /// Organisation.
    pub fn org(&self) -> &str {
        &self.org
    }

    /// Workspace.
    pub fn workspace(&self) -> &str {
        &self.workspace
    }

    /// User.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Tells whether the user may change what others of the workspace share.
    pub fn is_admin(&self) -> bool {
        self.admin
    }
}
