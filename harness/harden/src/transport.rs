//! Transport: what the endpoint requires of HTTP, of JSON-RPC and of the revision of MCP.

pub(crate) mod http;
pub(crate) mod json;
pub(crate) mod origin;
pub(crate) mod outbound;
pub(crate) mod revision;
pub(crate) mod smuggling;
pub(crate) mod upgrade;
