//! The four services: their names, ports and paths.

use serde::{Deserialize, Serialize};

/// A service of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Joins the other three into workflows.
    Orchestrator,
    /// Long-term, multi-tenant memory.
    Memory,
    /// Rules consulted before risky actions.
    Guardrails,
    /// Prompt patterns, recommended and injected.
    Patterns,
}

impl Service {
    /// Every service, in start order: a service comes after its dependencies.
    pub const ALL: [Self; 4] = [Self::Memory, Self::Guardrails, Self::Patterns, Self::Orchestrator];

    /// The name used in paths (`/mcp/<name>`), logs, metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orchestrator => "orchestrator",
            Self::Memory => "memory",
            Self::Guardrails => "guardrails",
            Self::Patterns => "patterns",
        }
    }

    /// The name of its binary and of its image, such as `mcp-memory`.
    pub const fn binary(self) -> &'static str {
        match self {
            Self::Orchestrator => "mcp-orchestrator",
            Self::Memory => "mcp-memory",
            Self::Guardrails => "mcp-guardrails",
            Self::Patterns => "mcp-patterns",
        }
    }

    /// The port unless `LISTEN_ADDR` sets another.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Orchestrator => 7410,
            Self::Memory => 7420,
            Self::Guardrails => 7421,
            Self::Patterns => 7422,
        }
    }
}

/// Path of the MCP endpoint of every service; `/mcp/<service>` is the same endpoint.
pub const MCP_PATH: &str = "/mcp";
/// Liveness: 200 while the process answers.
pub const HEALTHZ_PATH: &str = "/healthz";
/// Readiness: 200 if the service can serve requests, else 503 with the names of the parts that are not ready.
pub const READYZ_PATH: &str = "/readyz";
/// Prometheus text metrics.
pub const METRICS_PATH: &str = "/metrics";
/// Name, version and protocol revisions of the service.
pub const VERSION_PATH: &str = "/version";
/// Prefix of RFC 9728 metadata; the path of the resource follows it.
pub const RESOURCE_METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

/// The newest supported protocol revision, which is stateless.
pub const PROTOCOL_MODERN: &str = "2026-07-28";
/// The newest supported revision with an `initialize` handshake.
pub const PROTOCOL_LEGACY: &str = "2025-11-25";

/// Reply of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// True if every part is ready and the service is not draining.
    pub ready: bool,
    /// True if a dependency is down and its fallback is in use.
    #[serde(default)]
    pub degraded: bool,
    /// Names of the parts that are not ready.
    #[serde(default)]
    pub missing: Vec<String>,
    /// Names of dependencies whose fallback is in use.
    #[serde(default)]
    pub fallbacks: Vec<String>,
}

/// Reply of `/version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// Binary name, such as `mcp-memory`.
    pub name: String,
    /// Package version.
    pub version: String,
    /// Supported protocol revisions, newest first.
    pub protocols: Vec<String>,
}
