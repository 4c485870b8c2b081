//! JSON-RPC error codes of the MCP endpoint: those of JSON-RPC 2.0, those of MCP 2026-07-28, and our own, which lie
//! outside the range that both reserve (-32768 to -32000).

/// The body is not JSON (JSON-RPC 2.0, section 5.1).
pub const PARSE_ERROR: i64 = -32700;
/// The body is JSON but not a request: a batch, a scalar, a missing method, an id that is null.
pub const INVALID_REQUEST: i64 = -32600;
/// No such method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// Unknown tool, or parameters that do not fit.
pub const INVALID_PARAMS: i64 = -32602;
/// Our own bug.
pub const INTERNAL_ERROR: i64 = -32603;
/// A header is missing or says something other than the body (MCP 2026-07-28).
pub const HEADER_MISMATCH: i64 = -32020;
/// The client lacks a capability (MCP 2026-07-28).
pub const MISSING_CAPABILITY: i64 = -32021;
/// The protocol revision is not spoken here; `data.supported` lists those that are (MCP 2026-07-28).
pub const UNSUPPORTED_VERSION: i64 = -32022;
/// No acceptable token (HTTP 401).
pub const UNAUTHORIZED: i64 = -31401;
/// The token lacks scopes, or the origin or host is foreign (HTTP 403).
pub const FORBIDDEN: i64 = -31403;
/// Something about the HTTP request itself: its method, media types, size or pace.
pub const BAD_HTTP: i64 = -31400;
/// The quota of the organisation is used up (HTTP 429).
pub const QUOTA_EXCEEDED: i64 = -31429;
/// Not now: draining, overloaded, or the quota cannot be checked (HTTP 503).
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
