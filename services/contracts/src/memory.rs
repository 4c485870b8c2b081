//! The memory service: tool names, requests and replies.

mod reply;
mod request;

pub use reply::*;
pub use request::*;

/// Tool names, in the order of `tools/list`.
pub mod tool {
    /// Stores a memory.
    pub const STORE: &str = "store_memory";
    /// Reads one memory by id.
    pub const GET: &str = "get_memory";
    /// Full-text search.
    pub const SEARCH: &str = "search_memory";
    /// Lists memories by tags and time.
    pub const LIST: &str = "list_memories";
    /// Changes a memory.
    pub const UPDATE: &str = "update_memory";
    /// Deletes one memory.
    pub const DELETE: &str = "delete_memory";
    /// Deletes by tags, after a dry run.
    pub const DELETE_BY_TAG: &str = "delete_by_tag";
    /// Returns counts of the memories that the caller can read.
    pub const STATS: &str = "memory_stats";
    /// Returns all memories that the caller can read, page by page.
    pub const EXPORT: &str = "export_memories";
    /// Stores many memories.
    pub const IMPORT: &str = "import_memories";

    /// Every tool.
    pub const ALL: [&str; 10] = [STORE, GET, SEARCH, LIST, UPDATE, DELETE, DELETE_BY_TAG, STATS, EXPORT, IMPORT];
}

/// Prefixes of tags that only the service sets.
pub const RESERVED_TAG_PREFIXES: [&str; 3] = ["org:", "user:", "workspace:"];
