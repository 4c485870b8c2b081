//! Replies of the memory tools.

use super::Visibility;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Id, a UUID.
    pub id: String,
    /// Text.
    pub content: String,
    /// Tags set by the service (`org:`, `user:`, `workspace:`, `topic:`) and by the client, sorted.
    pub tags: Vec<String>,
    /// Kind of memory.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// JSON that the client stored with the memory.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// The users who can read the memory.
    pub visibility: Visibility,
    /// Version, from 1; each change adds 1.
    pub version: u64,
    /// Time of the first store (RFC 3339, UTC).
    pub created_at: String,
    /// Time of the last change (RFC 3339, UTC).
    pub updated_at: String,
}

/// Reply of `store_memory`. The memory is durable before the reply is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredMemory {
    /// Id of the memory; that of the existing memory if the same owner stored the same content before.
    pub id: String,
    /// False if an equal memory of the same owner existed before the call; a call repeated with its idempotency key gets the same reply.
    pub created: bool,
    /// Version of the memory.
    pub version: u64,
    /// SHA-256 of the content, in hexadecimal.
    pub content_hash: String,
    /// Time of the first store (RFC 3339, UTC).
    pub created_at: String,
}

/// One hit of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    /// The memory.
    #[serde(flatten)]
    pub memory: Memory,
    /// Score; higher is better. Comparable only within one reply.
    pub score: f64,
    /// The words of the query that match; only with `explain`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<WordShare>,
}

/// A word of a query in a hit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WordShare {
    /// The word, in lower case.
    pub word: String,
    /// Its share of the relevance, from 0 to 1.
    pub share: f64,
}

/// Reply of `search_memory`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchReply {
    /// Best first.
    pub hits: Vec<Hit>,
    /// Cursor of the next page; omitted on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Reply of `list_memories` and `export_memories`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryPage {
    /// Newest first.
    pub memories: Vec<Memory>,
    /// Cursor of the next page; omitted on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Reply of `delete_memory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedMemory {
    /// Id of the deleted memory.
    pub id: String,
    /// Always true: a missing memory is the error `not_found`.
    pub deleted: bool,
}

/// Reply of `delete_by_tag`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedByTag {
    /// Number of memories that match (dry run) or were deleted.
    pub count: u64,
    /// True if this was a dry run, which deletes nothing.
    pub dry_run: bool,
    /// Token that the deletion needs; only in the reply to a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation_token: Option<String>,
    /// Expiry of the token (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// Reply of `memory_stats`: counts only memories that the caller can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryStatsReply {
    /// Number of private memories.
    pub private: u64,
    /// Number of memories shared with the workspace.
    pub workspace: u64,
    /// Total size of the content of these memories, in bytes.
    pub content_bytes: u64,
    /// Bytes that the whole organisation stores, as its storage quota counts them.
    #[serde(default)]
    pub organisation_bytes: u64,
    /// Bytes that the plan of the organisation allows.
    #[serde(default)]
    pub organisation_bytes_allowed: u64,
    /// The 20 most frequent tags, most frequent first; without `org:`, `user:` and `workspace:`.
    pub tags: Vec<TagCount>,
    /// Oldest creation time (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
    /// Newest creation time (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
}

/// A tag with its number of memories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TagCount {
    /// The tag.
    pub tag: String,
    /// Number of memories with the tag.
    pub count: u64,
}

/// Reply of `import_memories`, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportedMemories {
    /// Number of new memories.
    pub created: u64,
    /// Number of memories that existed before.
    pub duplicates: u64,
    /// Ids, one for each memory of the request.
    pub ids: Vec<String>,
}
