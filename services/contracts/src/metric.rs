//! Names of Prometheus metrics that the harness reads and dashboards use.

/// Histogram of tool calls in seconds; labels `service`, `tool`.
pub const TOOL_DURATION_SECONDS: &str = "mcp_tool_duration_seconds";
/// Counter of tool calls; labels `service`, `tool`, `outcome` (`ok`, or an error code).
pub const TOOL_CALLS_TOTAL: &str = "mcp_tool_calls_total";
/// Counter of HTTP replies; labels `service`, `status`.
pub const HTTP_RESPONSES_TOTAL: &str = "mcp_http_responses_total";
/// Gauge of requests in progress; label `service`.
pub const REQUESTS_IN_FLIGHT: &str = "mcp_requests_in_flight";
/// Counter of calls decided by the quota; labels `service`, `mode`, `decision` (`admitted`, `limited`, `refused`).
pub const QUOTA_DECISIONS_TOTAL: &str = "mcp_quota_decisions_total";
/// Counter of calls admitted without Redis.
pub const RATE_LIMIT_UNVERIFIED_TOTAL: &str = "mcp_rate_limit_unverified_total";
/// Counter of calls beyond the limit that were admitted while Redis did not answer. It increases when Redis answers again.
pub const RATE_LIMIT_BYPASS_TOTAL: &str = "mcp_rate_limit_bypass_total";
/// Gauge: 1 while the quota uses its fallback, else 0.
pub const RATE_LIMIT_FALLBACK_ACTIVE: &str = "mcp_rate_limit_fallback_active";
/// Counter of events in which Redis lost its counters.
pub const RATE_LIMIT_STATE_RESET_TOTAL: &str = "mcp_rate_limit_state_reset_total";
/// Counter of refused tokens; label `reason`.
pub const AUTH_REFUSED_TOTAL: &str = "mcp_auth_refused_total";
/// Counter of panics caught in tools; label `tool`.
pub const TOOL_PANICS_TOTAL: &str = "mcp_tool_panics_total";
/// Counter of memory lookups; label `outcome` (`hit`, `miss`, and `error` in the orchestrator).
pub const MEMORY_LOOKUPS_TOTAL: &str = "mcp_memory_lookups_total";
/// Histogram of rows per group commit.
pub const MEMORY_COMMIT_ROWS: &str = "mcp_memory_commit_rows";
/// Histogram of group commits in seconds.
pub const MEMORY_COMMIT_SECONDS: &str = "mcp_memory_commit_seconds";
/// Gauge of the free bytes on the disk of the database; 0 until the first probe.
pub const DISK_FREE_BYTES: &str = "mcp_disk_free_bytes";
/// Gauge of the size of that disk, in bytes.
pub const DISK_SIZE_BYTES: &str = "mcp_disk_size_bytes";
/// Gauge of the time of the last backup of memory, in seconds since 1970; 0 if there was none.
pub const LAST_BACKUP_TIMESTAMP_SECONDS: &str = "mcp_last_backup_timestamp_seconds";
/// Gauge of the start of the process, in seconds since 1970; label `service`.
pub const PROCESS_START_TIMESTAMP_SECONDS: &str = "mcp_process_start_timestamp_seconds";
/// Gauge of the number of keys whose tokens are accepted: 1, and more during a rotation; label `service`.
pub const KEYS_ACCEPTED: &str = "mcp_keys_accepted";
/// Gauge of the day on which `JWT_SECRET` became the key, in seconds since 1970; 0 if `JWT_SECRET_SINCE` is not set; label `service`.
pub const KEY_SINCE_TIMESTAMP_SECONDS: &str = "mcp_key_since_timestamp_seconds";
/// Gauge of the time at which a certificate that the service relies on expires, in seconds since 1970; 0 if there is none; label `certificate`
/// (`redis_issuer`, `database_issuer`, `database_server`).
pub const CERTIFICATE_EXPIRY_TIMESTAMP_SECONDS: &str = "mcp_certificate_expiry_timestamp_seconds";
/// Counter of verdict tokens that were not accepted.
pub const VERDICTS_REFUSED_TOTAL: &str = "mcp_verdicts_refused_total";
/// Gauge of a peer's circuit breaker: 0 closed, 1 half open, 2 open; labels `peer`, `instance`.
pub const BREAKER_STATE: &str = "mcp_breaker_state";
/// Counter of state changes of circuit breakers; labels `peer`, `to` (`closed`, `half_open`, `open`).
pub const BREAKER_TRANSITIONS_TOTAL: &str = "mcp_breaker_transitions_total";
/// Counter of calls to peers, without retries; labels `peer`, `tool`, `outcome` (`ok`, or the kind of failure).
pub const PEER_CALLS_TOTAL: &str = "mcp_peer_calls_total";
/// Counter of retries of calls to peers that the retry budget allowed; label `peer`.
pub const PEER_RETRIES_TOTAL: &str = "mcp_peer_retries_total";
/// Histogram of calls to peers in seconds, including retries; labels `peer`, `tool`.
pub const PEER_DURATION_SECONDS: &str = "mcp_peer_duration_seconds";
/// Counter of workflows; labels `agent`, `status`.
pub const WORKFLOWS_TOTAL: &str = "mcp_workflows_total";
/// Counter of workflows that got no verdict from the guardrails; label `severity` (the risk of their action).
pub const GUARDRAIL_FAIL_CLOSED_TOTAL: &str = "mcp_guardrail_fail_closed_total";
/// Counter of replies of the guardrails that were not a valid verdict on the request.
pub const GUARDRAIL_INVALID_VERDICT_TOTAL: &str = "mcp_guardrail_invalid_verdict_total";
/// Gauge of items waiting in the orchestrator's outbox.
pub const OUTBOX_DEPTH: &str = "mcp_outbox_depth";
/// Counter of items delivered from the outbox; label `kind` (`remember`, `log_usage`).
pub const OUTBOX_DELIVERED_TOTAL: &str = "mcp_outbox_delivered_total";
/// Counter of items dropped from the outbox; labels `kind`, `reason` (`full`, `old`, `refused`).
pub const OUTBOX_DROPPED_TOTAL: &str = "mcp_outbox_dropped_total";
/// Counter of requests to inject a pattern; labels `outcome` (`accepted`, `refused`), `reason` (`none`, or an error code).
pub const PATTERN_INJECTIONS_TOTAL: &str = "mcp_pattern_injections_total";
/// Counter of requests for recommendations; label `outcome` (`found`, `nothing`).
pub const PATTERN_SELECTIONS_TOTAL: &str = "mcp_pattern_selections_total";
/// Counter of logged pattern uses; label `outcome` (`accepted`, `modified`, `rejected`).
pub const PATTERN_USAGE_TOTAL: &str = "mcp_pattern_usage_total";
/// Gauge of the share of logged uses that were accepted or modified, 0 to 1.
pub const PATTERN_ACCEPTANCE_RATIO: &str = "mcp_pattern_acceptance_ratio";
/// Counter of reloads of the catalogue; label `outcome` (`loaded`, `refused`).
pub const PATTERN_CATALOG_RELOADS_TOTAL: &str = "mcp_pattern_catalog_reloads_total";
/// Counter of violated rules; labels `rule`, `severity`.
pub const GUARDRAIL_ACTIVATIONS_TOTAL: &str = "mcp_guardrail_activations_total";
/// Counter of verdicts; label `verdict` (`allow`, `acknowledge`, `block`, and `acknowledged` if a user has acknowledged the broken rules).
pub const GUARDRAIL_VERDICTS_TOTAL: &str = "mcp_guardrail_verdicts_total";
/// Counter of reloads of rules; label `outcome` (`applied`, `rejected`).
pub const GUARDRAIL_RELOAD_TOTAL: &str = "mcp_guardrail_reload_total";
/// Counter of drafts sent to a model; label `outcome` (`ok`, `unavailable`, `budget`, `unusable`).
pub const LLM_CALLS_TOTAL: &str = "mcp_llm_calls_total";
/// Counter of tokens of models; label `kind` (`prompt`, `completion`).
pub const LLM_TOKENS_TOTAL: &str = "mcp_llm_tokens_total";
/// Counter of the cost of models, in micro-dollars.
pub const LLM_COST_MICRO_USD_TOTAL: &str = "mcp_llm_cost_micro_usd_total";
