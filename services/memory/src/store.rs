//! The interface of a store of memories. Tools use this trait and nothing below it.

mod kept;
pub mod postgres;
mod quota;
mod ranked;
pub mod sqlite;
mod text;

use crate::ranking::Corpus;
use crate::tenant::Tenant;
use crate::terms::Query;
use futures::future::BoxFuture;
use mcp_contracts::memory::{Memory, TagCount, TagMatch, Visibility};
use mcp_kit::database::DatabaseError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use uuid::Uuid;

pub type StoreFuture<T> = BoxFuture<'static, Result<T, StoreError>>;

/// A store of memories. Every call requires a tenant; without one it does not compile:
///
/// ```compile_fail
/// # use mcp_memory::store::Store;
/// fn read_without_tenant(store: &dyn Store) {
///     let _ = store.get("an id".to_owned());
/// }
/// ```
///
/// and a tenant can only be made from claims:
///
/// ```compile_fail
/// # use mcp_memory::tenant::Tenant;
/// let forged = Tenant { org: "acme".into(), workspace: "default".into(), user: "ann".into(), admin: true };
/// ```
///
/// A write is durable when its future completes.
pub trait Store: Send + Sync + 'static {
    /// Stores all memories or none.
    fn insert(&self, tenant: &Tenant, memories: Vec<NewMemory>) -> StoreFuture<Vec<Inserted>>;
    fn get(&self, tenant: &Tenant, id: String) -> StoreFuture<Memory>;
    /// Finds memories that contain at least one concept of the query, best first.
    fn search(&self, tenant: &Tenant, query: SearchQuery) -> StoreFuture<Vec<SearchHit>>;
    /// Lists memories, newest first.
    fn list(&self, tenant: &Tenant, query: ListQuery) -> StoreFuture<Vec<Listed>>;
    fn update(&self, tenant: &Tenant, id: String, change: Change) -> StoreFuture<Memory>;
    fn delete(&self, tenant: &Tenant, id: String) -> StoreFuture<()>;
    /// Returns the memories that [`Store::delete_by_tag`] would delete.
    fn select_by_tag(&self, tenant: &Tenant, tags: TagFilter) -> StoreFuture<TagSelection>;
    /// Deletes the user's own memories with these tags, if they are still the `expected` ones, in portions between which others can write. A
    /// memory that is changed meanwhile stays. Returns the number of deleted memories.
    fn delete_by_tag(&self, tenant: &Tenant, tags: TagFilter, expected: TagSelection) -> StoreFuture<u64>;
    /// Counts the memories that the tenant can see.
    fn stats(&self, tenant: &Tenant) -> StoreFuture<Stats>;
    /// Finishes queued writes; later calls fail.
    fn close(&self) -> BoxFuture<'static, ()>;
}

/// A validated memory.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMemory {
    pub content: String,
    /// Free tags and `topic:`, sorted and distinct.
    pub tags: Vec<String>,
    pub kind: Option<String>,
    pub metadata: Map<String, Value>,
    pub visibility: Visibility,
    /// Time of the first store, if the memory comes from elsewhere. A time in the future counts as now.
    pub created_us: Option<i64>,
    /// The id that the memory keeps, if it comes from elsewhere. Then only a memory with this id and the same text is a duplicate.
    pub id: Option<Uuid>,
    pub idempotency: Option<Idempotency>,
}

/// An idempotency key with the request that it belongs to. A repeated request returns the result of the first one and
/// has no further effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    pub key: String,
    /// SHA-256 of the request without the key. The same key with another request is refused.
    pub request: [u8; 32],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inserted {
    /// If the content was stored before, the id of that memory.
    pub id: String,
    /// False if the content was stored before the request. A repeated request returns the value of the first reply, because its client may not
    /// have received it.
    // Releases before this field kept results without it.
    #[serde(default)]
    pub created: bool,
    pub version: u64,
    /// SHA-256 of the content.
    pub content_hash: [u8; 32],
    /// Microseconds since the epoch.
    pub created_us: i64,
}

/// Tags, of which a memory must have any or all; an empty list matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagFilter {
    pub tags: Vec<String>,
    pub tag_match: TagMatch,
}

/// The memories that a dry run counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TagSelection {
    pub count: u64,
    /// SHA-256 of their ids and versions, so that neither another memory nor a changed one passes for a confirmed one.
    pub digest: [u8; 32],
}

/// Conditions that a memory must all meet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    pub tags: TagFilter,
    pub kind: Option<String>,
    /// Created at this time or later, microseconds since the epoch.
    pub created_from: Option<i64>,
    /// Created before this time, microseconds since the epoch.
    pub created_before: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SearchQuery {
    /// The query, from [`crate::terms::of_query`].
    pub terms: Query,
    pub selection: Selection,
    pub limit: usize,
    /// Time of the first page, microseconds since the epoch. The age of a memory is measured from it, so that every page of a search has the
    /// same scores.
    pub as_of: i64,
    /// Only hits after this [`SearchHit::place`].
    pub after: Option<SearchPlace>,
}

/// The state at the first page of a search. All pages of the search are ranked by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchWalk {
    /// The highest sequence number: newer memories are on no page.
    pub newest: i64,
    /// Number of the last change of a text before the first page. A text that was changed later is ranked by its earlier terms.
    pub changes: i64,
    pub corpus: Corpus,
    /// Number of memories that contain each concept of the query.
    pub containing: Vec<u64>,
}

/// The place of a hit in the pages of its search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchPlace {
    pub walk: Arc<SearchWalk>,
    pub rank: Rank,
}

/// The order of hits: by score, then by sequence number. A memory keeps its number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rank {
    pub score: f64,
    pub sequence: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SearchHit {
    pub memory: Memory,
    pub rank: Rank,
    /// The part of each concept of the query in the score, before the factor for recent memories.
    pub parts: Vec<f64>,
    pub walk: Arc<SearchWalk>,
}

impl SearchHit {
    pub fn place(&self) -> SearchPlace {
        SearchPlace { walk: Arc::clone(&self.walk), rank: self.rank }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    pub selection: Selection,
    pub limit: usize,
    /// Only memories after this [`Listed::place`].
    pub after: Option<ListPlace>,
}

/// The place of a memory in the pages of a list. The order never changes, because neither creation times nor sequence numbers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPlace {
    /// Microseconds since the epoch.
    pub created_us: i64,
    pub sequence: i64,
    /// The highest sequence number at the first page: newer memories are on no page, so that the pages end.
    pub newest: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    pub memory: Memory,
    pub place: ListPlace,
}

/// Changes to a memory; `None` keeps the old value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    pub content: Option<String>,
    pub tags: Option<Vec<String>>,
    pub kind: Option<String>,
    pub metadata: Option<Map<String, Value>>,
    pub visibility: Option<Visibility>,
    /// The change is refused if the memory has another version.
    pub expected_version: Option<u64>,
    pub idempotency: Option<Idempotency>,
}

/// Counts of the memories that a tenant can see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Private memories of the user.
    pub private: u64,
    /// Memories that the workspace shares.
    pub shared: u64,
    /// Bytes of content in both.
    pub bytes: u64,
    /// The most frequent tags first.
    pub tags: Vec<TagCount>,
    /// Oldest and newest creation time, microseconds since the epoch.
    pub span: Option<(i64, i64)>,
    /// Bytes that the whole organisation stores.
    pub stored: u64,
    /// Bytes that its plan allows.
    pub allowed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The text is the same if another tenant has a memory with this id.
    #[error("no memory `{0}` is visible to you")]
    NotFound(String),
    #[error("memory `{0}` belongs to another user of the workspace")]
    NotOwner(String),
    #[error("idempotency key `{0}` was used for another request")]
    IdempotencyConflict(String),
    #[error("memory `{id}` has version {actual}, not {expected}")]
    VersionConflict { id: String, actual: u64, expected: u64 },
    /// Concerns the caller's organisation only: others may have memories with the same id.
    #[error("the id `{0}` belongs to another memory of your organisation")]
    IdInUse(Uuid),
    #[error("the memories have changed since the dry run: {actual} match now, {expected} were confirmed")]
    SelectionChanged { actual: u64, expected: u64 },
    #[error("`cursor` has expired: a memory that it needs was changed more than an hour ago")]
    CursorExpired,
    #[error("your organisation stores {used} bytes, its plan allows {allowed}, and this needs {added} more")]
    StorageQuota { used: u64, added: u64, allowed: u64 },
    #[error("{deleted} memories were deleted, the others were not: {error}")]
    DeletedPart { deleted: u64, error: DatabaseError },
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
