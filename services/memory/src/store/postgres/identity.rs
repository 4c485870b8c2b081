//! Whose rows the policies let a transaction see.

use crate::tenant::Tenant;
use mcp_kit::database::postgres::Bound;
use tokio_postgres::types::ToSql;

/// Sets the identity until the next one, and at most for the transaction, so that no other user of the connection has it.
const SET: &str =
    "SELECT set_config('mcp.org', $1, true), set_config('mcp.workspace', $2, true), set_config('mcp.user', $3, true),
    set_config('mcp.wide', $4, true)";

/// The parameters of [`SET`].
pub(super) struct Identity<'a>([&'a (dyn ToSql + Sync); 4]);

/// The identity of a caller.
pub(super) struct Caller<'a> {
    org: &'a str,
    workspace: &'a str,
    user: &'a str,
    wide: &'static str,
}

impl<'a> Caller<'a> {
    pub(super) fn of(tenant: &'a Tenant) -> Self {
        Self::user(tenant, tenant.user())
    }

    /// Another user of the tenant's workspace, whose memory the caller may change.
    pub(super) fn user(tenant: &'a Tenant, user: &'a str) -> Self {
        Self { org: tenant.org(), workspace: tenant.workspace(), user, wide: "off" }
    }

    /// The organisation as a whole.
    pub(super) fn organisation(org: &'a str) -> Self {
        Self { org, workspace: "", user: "", wide: "on" }
    }

    pub(super) fn identity(&self) -> Identity<'_> {
        Identity([&self.org, &self.workspace, &self.user, &self.wide])
    }
}

impl Identity<'_> {
    pub(super) fn set(&self) -> Bound<'_> {
        (SET, &self.0)
    }
}
