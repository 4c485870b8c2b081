//! JSON-RPC error codes of the MCP endpoint: those of JSON-RPC 2.0, those of MCP 2026-07-28, and codes of these services, which are
//! outside the range that both reserve (-32768 to -32000).

/// The body is not JSON (JSON-RPC 2.0, section 5.1).
pub const PARSE_ERROR: i64 = -32700;
/// The body is JSON but not a request: a batch, a scalar, a missing method, an id that is null.
pub const INVALID_REQUEST: i64 = -32600;
/// No such method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// Unknown tool, or invalid parameters.
pub const INVALID_PARAMS: i64 = -32602;
/// A bug of the service.
pub const INTERNAL_ERROR: i64 = -32603;
/// A header is missing or differs from the body (MCP 2026-07-28).
pub const HEADER_MISMATCH: i64 = -32020;
/// The client lacks a capability (MCP 2026-07-28).
pub const MISSING_CAPABILITY: i64 = -32021;
/// The protocol revision is not supported; `data.supported` lists the supported ones (MCP 2026-07-28).
pub const UNSUPPORTED_VERSION: i64 = -32022;
/// The token is missing or not accepted (HTTP 401).
pub const UNAUTHORIZED: i64 = -31401;
/// The token lacks scopes, or the `Origin` or `Host` is not allowed (HTTP 403).
pub const FORBIDDEN: i64 = -31403;
/// The HTTP request cannot be accepted because of its method, path, media types or size, or because its body did not
/// arrive in time.
pub const BAD_HTTP: i64 = -31400;
/// The quota of the organisation is used up, or the organisation has too many requests or unread replies at once (HTTP 429).
pub const QUOTA_EXCEEDED: i64 = -31429;
/// The service is draining or overloaded, or cannot check the quota (HTTP 503).
pub const UNAVAILABLE: i64 = -31503;

/// Every code, in the order of the documentation.
pub const ALL: [i64; 13] = [
    PARSE_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    INVALID_PARAMS,
    INTERNAL_ERROR,
    HEADER_MISMATCH,
    MISSING_CAPABILITY,
    UNSUPPORTED_VERSION,
    BAD_HTTP,
    UNAUTHORIZED,
    FORBIDDEN,
    QUOTA_EXCEEDED,
    UNAVAILABLE,
];
