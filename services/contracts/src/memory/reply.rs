//! Replies of the memory tools.

use super::Visibility;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A memory as its readers see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Id, a UUID.
    pub id: String,
    /// Text.
    pub content: String,
    /// Tags of the service (`org:`, `user:`, `workspace:`, `topic:`) and of the caller, sorted.
    pub tags: Vec<String>,
    /// Kind of memory.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What the caller stored with it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Who can read it.
    pub visibility: Visibility,
    /// Counts changes, from 1.
    pub version: u64,
    /// Time of the first store (RFC 3339, UTC).
    pub created_at: String,
    /// Time of the last change (RFC 3339, UTC).
    pub updated_at: String,
}

/// Reply of `store_memory`; it is durable before it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredMemory {
    /// Id of the memory, the existing one where the same content was stored before.
    pub id: String,
    /// False where an equal memory of the same owner existed already.
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
    /// Rank, higher is better; comparable within one reply only.
    pub score: f64,
}

/// Reply of `search_memory`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchReply {
    /// Best first.
    pub hits: Vec<Hit>,
    /// Cursor of the next page, absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Reply of `list_memories` and `export_memories`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryPage {
    /// Newest first.
    pub memories: Vec<Memory>,
    /// Cursor of the next page, absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Reply of `delete_memory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedMemory {
    /// Id of the memory that is gone.
    pub id: String,
    /// Always true: a missing memory is the error `not_found`.
    pub deleted: bool,
}

/// Reply of `delete_by_tag`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedByTag {
    /// How many memories match (dry run) or are gone.
    pub count: u64,
    /// True where nothing was deleted.
    pub dry_run: bool,
    /// What the real call needs; only from a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation_token: Option<String>,
    /// When the token ends (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// Reply of `memory_stats`: what the caller can see, nothing of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryStatsReply {
    /// Memories of the caller alone.
    pub private: u64,
    /// Memories that the whole workspace sees.
    pub workspace: u64,
    /// Bytes of content in both.
    pub content_bytes: u64,
    /// The most used free tags, most used first, at most 20.
    pub tags: Vec<TagCount>,
    /// Oldest creation time (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
    /// Newest creation time (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
}

/// A tag and how many visible memories carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TagCount {
    /// The tag.
    pub tag: String,
    /// How many memories carry it.
    pub count: u64,
}

/// Reply of `import_memories`, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportedMemories {
    /// What was new.
    pub created: u64,
    /// What existed already.
    pub duplicates: u64,
    /// Ids, one for each memory of the request.
    pub ids: Vec<String>,
}
