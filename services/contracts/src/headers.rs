//! HTTP header names of the wire: MCP 2026-07-28 (basic/transports/streamable-http) and the RateLimit fields.

/// Protocol revision of the request; equal to `_meta` in the body.
pub const MCP_PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// JSON-RPC method of the body.
pub const MCP_METHOD: &str = "mcp-method";
/// Name of the tool, prompt or resource in the body.
pub const MCP_NAME: &str = "mcp-name";
/// Limit of the quota window with the fewest calls remaining.
pub const RATELIMIT_LIMIT: &str = "ratelimit-limit";
/// Calls remaining in that window.
pub const RATELIMIT_REMAINING: &str = "ratelimit-remaining";
/// Seconds until that window ends.
pub const RATELIMIT_RESET: &str = "ratelimit-reset";
/// The counter that decided about the call: `redis`, `local` (no Redis is configured) or `fallback` (Redis did not
/// answer).
pub const RATELIMIT_MODE: &str = "x-ratelimit-mode";
/// Id of the execution, from the request or created by the service; every log line has it.
pub const EXECUTION_ID: &str = "x-execution-id";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// `_meta` key of the protocol revision.
pub const META_PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// `_meta` key of the client's capabilities.
pub const META_CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// `_meta` key of the client's name and version.
pub const META_CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
