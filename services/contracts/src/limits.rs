//! Bounds that both sides of the wire know by name.

/// Largest request body, in bytes.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// Largest request head, in bytes.
pub const MAX_HEADER_BYTES: usize = 16 << 10;
/// Deepest nesting of a JSON body.
pub const MAX_JSON_DEPTH: usize = 64;
/// Largest content of a memory, in bytes of UTF-8.
pub const MAX_CONTENT_BYTES: usize = 64 << 10;
/// Most free tags of one memory.
pub const MAX_TAGS: usize = 32;
/// Longest tag, in bytes of UTF-8.
pub const MAX_TAG_BYTES: usize = 128;
/// Largest metadata of a memory, in bytes of JSON.
pub const MAX_METADATA_BYTES: usize = 8 << 10;
/// Longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 128;
/// Longest search query, in bytes.
pub const MAX_QUERY_BYTES: usize = 1 << 10;
/// Largest page of a list or search.
pub const MAX_PAGE: u32 = 100;
/// Page size where none is asked for.
pub const DEFAULT_PAGE: u32 = 20;
/// Most memories in one import call.
pub const MAX_IMPORT: usize = 500;
