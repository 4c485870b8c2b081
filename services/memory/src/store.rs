//! What a store of memories does, whatever it is made of. Tools know this trait and nothing below it.

pub mod sqlite;

use crate::tenant::Tenant;
use futures::future::BoxFuture;
use mcp_contracts::memory::{Memory, TagCount, TagMatch, Visibility};
use serde_json::{Map, Value};

/// The future of a store call.
pub type Reply<T> = BoxFuture<'static, Result<T, StoreError>>;

/// A store of memories. Every call takes the tenant that it is for; one without does not compile:
///
/// ```compile_fail
/// # use mcp_memory::store::Store;
/// fn read_anything(store: &dyn Store) {
///     let _ = store.get("an id".to_owned());
/// }
/// ```
///
/// and a tenant cannot be made up, only taken from claims:
///
/// ```compile_fail
/// # use mcp_memory::tenant::Tenant;
/// let anybody = Tenant { org: "acme".into(), workspace: "default".into(), user: "ann".into(), admin: true };
/// ```
pub trait Store: Send + Sync + 'static {
    /// Stores memories, all or none; durable when it answers.
    fn insert(&self, tenant: &Tenant, memories: Vec<NewMemory>) -> Reply<Vec<Inserted>>;
    /// Reads one memory.
    fn get(&self, tenant: &Tenant, id: String) -> Reply<Memory>;
    /// Finds memories by their words, best first.
    fn search(&self, tenant: &Tenant, query: SearchQuery) -> Reply<Vec<Found>>;
    /// Lists memories, newest first.
    fn list(&self, tenant: &Tenant, query: ListQuery) -> Reply<Vec<Listed>>;
    /// Changes a memory; durable when it answers.
    fn update(&self, tenant: &Tenant, id: String, change: Change) -> Reply<Memory>;
    /// Deletes a memory; durable when it answers.
    fn delete(&self, tenant: &Tenant, id: String) -> Reply<()>;
    /// Counts what [`Store::delete_by_tag`] would delete.
    fn count_by_tag(&self, tenant: &Tenant, tags: TagFilter) -> Reply<u64>;
    /// Deletes the caller's memories with these tags if there are still `expected` of them; durable when it answers.
    fn delete_by_tag(&self, tenant: &Tenant, tags: TagFilter, expected: u64) -> Reply<u64>;
    /// Counts what the tenant can see.
    fn stats(&self, tenant: &Tenant) -> Reply<Stats>;
    /// Ends the store after the last call.
    fn close(&self) -> BoxFuture<'static, ()>;
}

/// A memory to store, validated.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMemory {
    /// Text.
    pub content: String,
    /// Free tags and `topic:`, sorted, without repetition.
    pub tags: Vec<String>,
    /// Kind.
    pub kind: Option<String>,
    /// Metadata.
    pub metadata: Map<String, Value>,
    /// Who can read it.
    pub visibility: Visibility,
    /// Makes a repetition harmless.
    pub idempotency: Option<Idempotency>,
}

/// A key, and a hash of the request that it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// SHA-256 of the request without the key.
    pub request: [u8; 32],
}

/// What became of a [`NewMemory`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inserted {
    /// Id of the memory, the existing one where the content was there.
    pub id: String,
    /// False where it was there.
    pub created: bool,
    /// Version of the memory.
    pub version: u64,
    /// SHA-256 of the content.
    pub content_hash: [u8; 32],
    /// Time of the first store, microseconds since the epoch.
    pub created_us: i64,
}

/// Which tags a memory must carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagFilter {
    /// The tags; empty matches everything.
    pub tags: Vec<String>,
    /// Whether any or all of them.
    pub tag_match: TagMatch,
}

/// Which memories are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Tags.
    pub tags: TagFilter,
    /// Kind.
    pub kind: Option<String>,
    /// Created at this time or later, microseconds since the epoch.
    pub created_from: Option<i64>,
    /// Created before this time.
    pub created_before: Option<i64>,
}

/// A search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchQuery {
    /// Distinct terms, as [`crate::terms::of`] makes them.
    pub terms: Vec<String>,
    /// Which memories to look in.
    pub selection: Selection,
    /// Most hits.
    pub limit: usize,
    /// Time that recency counts from, microseconds since the epoch; only memories created by then are seen.
    pub as_of: i64,
    /// Only hits after this one.
    pub after: Option<Rank>,
}

/// Place of a hit: by score, then by age, then by sequence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rank {
    /// The score.
    pub score: f64,
    /// Sequence number of the row.
    pub sequence: i64,
}

/// A hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The memory.
    pub memory: Memory,
    /// Its place.
    pub rank: Rank,
}

/// A list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Which memories to list.
    pub selection: Selection,
    /// Most memories.
    pub limit: usize,
    /// Only memories after this place: time of creation and sequence number.
    pub after: Option<(i64, i64)>,
}

/// A memory in a list, with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The memory.
    pub memory: Memory,
    /// Time of creation and sequence number.
    pub place: (i64, i64),
}

/// A change; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// New text.
    pub content: Option<String>,
    /// New free tags.
    pub tags: Option<Vec<String>>,
    /// New kind.
    pub kind: Option<String>,
    /// New metadata.
    pub metadata: Option<Map<String, Value>>,
    /// New visibility.
    pub visibility: Option<Visibility>,
    /// Version that the memory must have.
    pub expected_version: Option<u64>,
    /// Makes a repetition harmless.
    pub idempotency: Option<Idempotency>,
}

/// What a tenant can see, in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Memories of the caller alone.
    pub private: u64,
    /// Memories that the workspace shares.
    pub shared: u64,
    /// Bytes of content in both.
    pub bytes: u64,
    /// Most used tags, most used first.
    pub tags: Vec<TagCount>,
    /// Oldest and newest time of creation, microseconds since the epoch.
    pub span: Option<(i64, i64)>,
}

/// Why a store call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing with that id is visible to the tenant.
    #[error("no memory `{0}` is visible to you")]
    NotFound(String),
    /// The memory is shared by somebody else.
    #[error("memory `{0}` belongs to somebody else of the workspace")]
    NotYours(String),
    /// The key was used for another request.
    #[error("idempotency key `{0}` was used for another request")]
    IdempotencyConflict(String),
    /// The memory has another version.
    #[error("memory `{id}` has version {actual}, not {expected}")]
    VersionConflict {
        /// Its id.
        id: String,
        /// Version that it has.
        actual: u64,
        /// Version that the caller expected.
        expected: u64,
    },
    /// There are more or fewer memories than were confirmed.
    #[error("{actual} memories match now, {expected} were confirmed")]
    SelectionChanged {
        /// How many there are.
        actual: u64,
        /// How many were confirmed.
        expected: u64,
    },
    /// Too many calls are waiting.
    #[error("too many calls are waiting for the store")]
    Overloaded,
    /// The disk is full; nothing was changed.
    #[error("the disk of the store is full")]
    Full,
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// Anything else; for the log.
    #[error("the store failed: {0}")]
    Failed(String),
}
