//! Names of Prometheus metrics that the harness reads and dashboards use.

/// Histogram of tool calls in seconds; labels `service`, `tool`.
pub const TOOL_DURATION_SECONDS: &str = "mcp_tool_duration_seconds";
/// Counter of tool calls; labels `service`, `tool`, `outcome` (`ok`, or an error code).
pub const TOOL_CALLS_TOTAL: &str = "mcp_tool_calls_total";
/// Counter of HTTP replies; labels `service`, `status`.
pub const HTTP_RESPONSES_TOTAL: &str = "mcp_http_responses_total";
/// Gauge of requests being worked on; label `service`.
pub const REQUESTS_IN_FLIGHT: &str = "mcp_requests_in_flight";
/// Counter of calls decided by the quota; labels `service`, `mode`, `decision` (`admitted`, `limited`, `refused`).
pub const QUOTA_DECISIONS_TOTAL: &str = "mcp_quota_decisions_total";
/// Counter of calls admitted without Redis.
pub const RATE_LIMIT_UNVERIFIED_TOTAL: &str = "mcp_rate_limit_unverified_total";
/// Counter of calls admitted past the limit that Redis would have held.
pub const RATE_LIMIT_BYPASS_TOTAL: &str = "mcp_rate_limit_bypass_total";
/// Gauge: 1 while the quota runs on its fallback.
pub const RATE_LIMIT_FALLBACK_ACTIVE: &str = "mcp_rate_limit_fallback_active";
/// Counter of losses of Redis' counters (its run id changed).
pub const RATE_LIMIT_STATE_RESET_TOTAL: &str = "mcp_rate_limit_state_reset_total";
/// Counter of refused tokens; label `reason`.
pub const AUTH_REFUSED_TOTAL: &str = "mcp_auth_refused_total";
/// Counter of panics caught in tools; label `tool`.
pub const TOOL_PANICS_TOTAL: &str = "mcp_tool_panics_total";
/// Counter of memory lookups; label `outcome` (`hit`, `miss`).
pub const MEMORY_LOOKUPS_TOTAL: &str = "mcp_memory_lookups_total";
/// Histogram of rows per group commit.
pub const MEMORY_COMMIT_ROWS: &str = "mcp_memory_commit_rows";
/// Histogram of group commits in seconds.
pub const MEMORY_COMMIT_SECONDS: &str = "mcp_memory_commit_seconds";
/// Counter of verdict tokens that were not accepted.
pub const VERDICTS_REFUSED_TOTAL: &str = "mcp_verdicts_refused_total";
