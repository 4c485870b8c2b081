//! Requests of the memory tools. Ids are UUIDs in text; times are RFC 3339 in UTC.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The users who can read a memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Only its owner, in the same workspace.
    #[default]
    Private,
    /// Every user of the organisation whose token names the same workspace.
    Workspace,
}

/// How several tags are combined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TagMatch {
    /// At least one of them.
    Any,
    /// Every one of them.
    #[default]
    All,
}

/// Arguments of `store_memory`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoreMemory {
    /// Text of the memory, 1 byte to 64 KiB of UTF-8.
    pub content: String,
    /// Free tags, upper and lower case differ; `org:`, `user:` and `workspace:` are reserved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Kind of memory, such as `decision`, `incident` or `note`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// JSON object that is returned with the memory, at most 8 KiB.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// The users who can read the memory.
    #[serde(default)]
    pub visibility: Visibility,
    /// Adds the tag `topic:<intent>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// Idempotency key: repeating the call with the same key has no further effect and returns the same reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// Arguments of `get_memory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetMemory {
    /// Id of the memory.
    pub id: String,
}

/// Selects memories. All given conditions must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// Tags to match; upper and lower case differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether any or all of the tags must match.
    #[serde(default)]
    pub tag_match: TagMatch,
    /// Kind of memory.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only memories created at this time or later (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_after: Option<String>,
    /// Only memories created before this time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_before: Option<String>,
}

/// Arguments of `search_memory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchMemory {
    /// Words to search for, 1 byte to 1 KiB; other forms of a word and parts of names match too.
    pub query: String,
    /// Restricts the search to some memories.
    #[serde(flatten)]
    pub filter: Filter,
    /// Maximum number of hits to return, 1 to 100; default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `nextCursor` of the previous reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// If true, each hit lists the matched words.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub explain: bool,
}

/// Arguments of `list_memories` and `export_memories`. The newest memories come first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListMemories {
    /// Restricts the list to some memories.
    #[serde(flatten)]
    pub filter: Filter,
    /// Maximum number of memories to return, 1 to 100; default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `nextCursor` of the previous reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Arguments of `update_memory`. Omitted fields keep their values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateMemory {
    /// Id of the memory.
    pub id: String,
    /// New text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// New free tags; they replace all old ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// New kind.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// New metadata; it replaces the old metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// New visibility.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// If given, the memory is changed only if it still has this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<u64>,
    /// Idempotency key: repeating the call with the same key has no further effect and returns the same reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// Arguments of `delete_memory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteMemory {
    /// Id of the memory.
    pub id: String,
}

/// Arguments of `delete_by_tag`: call first with `dryRun`, then with the confirmation token from its reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteByTag {
    /// Free tags to match; at least one.
    pub tags: Vec<String>,
    /// Whether any or all of the tags must match.
    #[serde(default)]
    pub tag_match: TagMatch,
    /// If true, only counts the memories and returns a confirmation token.
    #[serde(default)]
    pub dry_run: bool,
    /// Token from the dry run; required to delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation_token: Option<String>,
}

/// Arguments of `memory_stats`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryStats {}

/// Arguments of `import_memories`. Either all memories are stored or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportMemories {
    /// The memories, 1 to 500.
    pub memories: Vec<StoreMemory>,
}

/// A memory to import: as [`StoreMemory`], and as `export_memories` returns it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportedMemory {
    /// Text of the memory, 1 byte to 64 KiB of UTF-8.
    pub content: String,
    /// Free tags. Those that the service sets (`org:`, `user:`, `workspace:`) are replaced by yours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Kind of memory, such as `decision`, `incident` or `note`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// JSON object that is returned with the memory, at most 8 KiB.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// The users who can read the memory.
    #[serde(default)]
    pub visibility: Visibility,
    /// Adds the tag `topic:<intent>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// Idempotency key: repeating the call with the same key has no further effect and returns the same reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Time of the first store (RFC 3339); now if omitted or in the future.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// Kept with `keepIds`; otherwise the memory gets a new id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Not used: an imported memory begins with version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
}

/// What `import_memories` accepts: [`ImportMemories`], or a page of `export_memories` as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportPage {
    /// The memories, 1 to 500.
    pub memories: Vec<ImportedMemory>,
    /// True to keep each `id`. The import fails with `id_conflict` if your organisation has another text under one of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_ids: bool,
    /// Not used; a page of an export may have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
