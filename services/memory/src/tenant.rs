//! The tenant of a store call. It can only be made from checked claims, and every store call requires one.

use mcp_contracts::{Claims, Plan, Scope};
use std::sync::Arc;

/// An organisation, a workspace in it, and a user.
// Cheap to clone, because every call of the store moves a clone to another thread.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tenant {
    org: Arc<str>,
    workspace: Arc<str>,
    user: Arc<str>,
    plan: Plan,
    admin: bool,
}

impl Tenant {
    /// Returns the tenant that a checked token names.
    pub fn of(claims: &Claims) -> Self {
        Self {
            org: Arc::from(claims.org_id.as_str()),
            workspace: Arc::from(claims.workspace_slug.as_str()),
            user: Arc::from(claims.sub.as_str()),
            plan: claims.plan,
            admin: claims.scopes.contains(&Scope::Admin),
        }
    }

    /// Returns a user whose memories the operator erases.
    pub(crate) fn for_erasure(org: &str, workspace: &str, user: &str) -> Self {
        let (org, workspace, user) = (Arc::from(org), Arc::from(workspace), Arc::from(user));
        Self { org, workspace, user, plan: Plan::Free, admin: false }
    }

    pub fn org(&self) -> &str {
        &self.org
    }

    pub fn workspace(&self) -> &str {
        &self.workspace
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    /// The plan that the organisation pays for.
    pub fn plan(&self) -> Plan {
        self.plan
    }

    /// Returns true if the user may change the memories that others share with the workspace.
    pub fn is_admin(&self) -> bool {
        self.admin
    }
}
