//! The memory workload: what one user does with the memory service.

/// Operations that a mix can weigh. `probe_foreign` reads an id of another organisation, which must not be found.
pub const OPERATIONS: &[&str] = &["store_memory", "get_memory", "search_memory", "list_memories", "probe_foreign"];
