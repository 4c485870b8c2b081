//! The four services by name, their ports and paths. Where they run is the topology's business, not the contract's.

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
    /// Every service, in start order: a service comes after what it depends on.
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

    /// The port it listens on unless told otherwise.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Orchestrator => 7410,
            Self::Memory => 7420,
            Self::Guardrails => 7421,
            Self::Patterns => 7422,
        }
    }
}

/// Path at which every service answers MCP; `/mcp/<service>` is the same endpoint.
pub const MCP_PATH: &str = "/mcp";
/// Liveness: 200 while the process can answer at all.
pub const HEALTHZ_PATH: &str = "/healthz";
/// Readiness: 200 when every dependency latch is dropped, else 503 naming what is missing.
pub const READYZ_PATH: &str = "/readyz";
/// Prometheus text metrics.
pub const METRICS_PATH: &str = "/metrics";
/// Name, version and protocol revisions of the service.
pub const VERSION_PATH: &str = "/version";
/// RFC 9728 metadata prefix; the resource's path is inserted after it.
pub const RESOURCE_METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

/// The protocol revision spoken first (stateless).
pub const PROTOCOL_MODERN: &str = "2026-07-28";
/// The newest revision with an `initialize` handshake.
pub const PROTOCOL_LEGACY: &str = "2025-11-25";

/// Reply of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// True when nothing is missing and the service is not draining.
    pub ready: bool,
    /// True when a dependency is down but a declared fallback serves.
    #[serde(default)]
    pub degraded: bool,
    /// What is still missing, by latch name.
    #[serde(default)]
    pub missing: Vec<String>,
    /// What runs on a fallback, by dependency name.
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
    /// Protocol revisions spoken, newest first.
    pub protocols: Vec<String>,
}
