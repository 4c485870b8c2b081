//! The limits of the contract: a service refuses a request beyond them, and a client may rely on them. Limits that a client cannot
//! observe stay in the service that has them.

use std::ops::RangeInclusive;

/// Largest request body, in bytes.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// Largest request head, in bytes.
pub const MAX_HEADER_BYTES: usize = 16 << 10;
/// Maximum depth of nesting in a JSON body.
// Below the 128 levels at which `serde_json` stops, so that the reply names this limit.
pub const MAX_JSON_DEPTH: usize = 64;
/// Longest execution id, in bytes; see [`is_execution_id`].
pub const MAX_EXECUTION_ID_BYTES: usize = 128;
/// Longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 128;
/// Largest page of a list or search.
pub const MAX_PAGE: u32 = 100;
/// Largest page of `export_memories`, in bytes of JSON. A page of one memory may be larger.
// A page must fit into the body of an import. JSON that escapes every character beyond ASCII, as some libraries write it, is up to three times as long.
pub const MAX_EXPORT_BYTES: usize = MAX_BODY_BYTES / 3 - MAX_METADATA_BYTES;
/// Page size if the request omits it.
pub const DEFAULT_PAGE: u32 = 20;

/// Largest content of a memory, in bytes of UTF-8.
pub const MAX_CONTENT_BYTES: usize = 64 << 10;
/// Maximum number of free tags of one memory.
pub const MAX_TAGS: usize = 32;
/// Longest tag, in bytes of UTF-8.
pub const MAX_TAG_BYTES: usize = 128;
/// Longest `type` of a memory, in bytes.
pub const MAX_KIND_BYTES: usize = 64;
/// Largest metadata of a memory, in bytes of JSON.
pub const MAX_METADATA_BYTES: usize = 8 << 10;
/// Longest search query, in bytes.
pub const MAX_QUERY_BYTES: usize = 1 << 10;
/// Maximum number of memories in one call of `import_memories`.
pub const MAX_IMPORT: usize = 500;

/// Longest intent of an action or a search for patterns, in bytes.
pub const MAX_INTENT_BYTES: usize = 4 << 10;
/// Largest text of an action, in bytes.
pub const MAX_TEXT_BYTES: usize = 256 << 10;
/// Maximum number of files of one action.
pub const MAX_FILES: usize = 1_000;
/// Longest path, in bytes.
pub const MAX_PATH_BYTES: usize = 1 << 10;
/// Shortest and longest reason of an acknowledgement, in characters.
pub const REASON_CHARS: RangeInclusive<usize> = 10..=2_000;
/// Longest name of a database environment, in bytes.
pub const MAX_ENVIRONMENT_BYTES: usize = 128;
/// Maximum number of icons in one call of `validate_icons`.
pub const MAX_ICONS: usize = 500;
/// Maximum number of matches that `scan_text` returns.
pub const MAX_MATCHES: usize = 200;

/// Longest role in a request for patterns, in bytes.
pub const MAX_PATTERN_ROLE_BYTES: usize = 64;
/// Maximum number of ids in `recent` of `select_pattern`.
pub const MAX_RECENT: usize = 100;
/// Maximum number of patterns that `select_pattern` returns.
pub const MAX_SELECTED: u32 = 20;
/// Patterns that `select_pattern` returns if the request omits `limit`.
pub const DEFAULT_SELECTED: u32 = 3;
/// Longest value of a pattern's variable, in bytes.
pub const MAX_VALUE_BYTES: usize = 8 << 10;
/// Longest note of `log_pattern_usage`, in bytes.
pub const MAX_NOTE_BYTES: usize = 1 << 10;
/// Maximum number of lines of a resource of the patterns service.
pub const MAX_RESOURCE_LINES: usize = 500;

/// Longest role in a request for a workflow, in bytes.
pub const MAX_WORKFLOW_ROLE_BYTES: usize = 128;

/// Returns true if `id` may name an execution: 1 to [`MAX_EXECUTION_ID_BYTES`] letters, digits, `-`, `_`, `.` or `:`.
// Ids go into headers, log lines and URLs as they are, so they hold nothing that would have to be escaped there.
pub fn is_execution_id(id: &str) -> bool {
    (1..=MAX_EXECUTION_ID_BYTES).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}
