//! The part of the contract's requests and replies that the load needs, borrowed: the contract's own types would copy
//! every text of every reply.

use super::Text;
use mcp_contracts::memory::Visibility;
use serde::{Deserialize, Serialize};

/// An id that no memory has.
pub(super) const ABSENT_ID: &str = "00000000-0000-4000-8000-000000000000";

/// Arguments of `store_memory`.
#[derive(Serialize)]
pub(super) struct Store<'a> {
    pub(super) content: &'a str,
    pub(super) tags: [&'a str; 1],
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    pub(super) visibility: Visibility,
}

/// Arguments of `get_memory`.
#[derive(Serialize)]
pub(super) struct Get<'a> {
    pub(super) id: &'a str,
}

/// Arguments of `search_memory`.
#[derive(Serialize)]
pub(super) struct Search<'a> {
    pub(super) query: &'a str,
    pub(super) limit: u32,
}

/// Arguments of `list_memories`.
#[derive(Serialize)]
pub(super) struct List<'a> {
    pub(super) tags: [&'a str; 1],
    pub(super) limit: u32,
}

/// Reply of `store_memory`.
#[derive(Deserialize)]
pub(super) struct Stored<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
}

/// A memory in any reply.
#[derive(Deserialize)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) content: Text<'a>,
}

/// Reply of `search_memory`.
#[derive(Deserialize)]
pub(super) struct Hits<'a> {
    #[serde(borrow)]
    pub(super) hits: Vec<Record<'a>>,
}

/// Reply of `list_memories`.
#[derive(Deserialize)]
pub(super) struct Page<'a> {
    #[serde(borrow)]
    pub(super) memories: Vec<Record<'a>>,
}

#[cfg(test)]
mod tests {
    use super::{Get, Hits, List, Page, Record, Search, Store, Stored, Visibility};
    use mcp_contracts::memory;
    use serde_json::{from_str, to_string};

    #[test]
    fn requests_are_those_of_the_contract() {
        let store = Store { content: "a \"b\"", tags: ["t"], kind: "note", visibility: Visibility::Workspace };
        let parsed: memory::StoreMemory = from_str(&to_string(&store).unwrap()).unwrap();
        assert_eq!((parsed.content.as_str(), parsed.visibility), ("a \"b\"", Visibility::Workspace));
        assert_eq!((parsed.tags, parsed.kind.as_deref()), (vec!["t".to_owned()], Some("note")));
        let get: memory::GetMemory = from_str(&to_string(&Get { id: "x" }).unwrap()).unwrap();
        assert_eq!(get.id, "x");
        let search = Search { query: "q", limit: 3 };
        let search: memory::SearchMemory = from_str(&to_string(&search).unwrap()).unwrap();
        assert_eq!((search.query.as_str(), search.limit), ("q", Some(3)));
        let list: memory::ListMemories = from_str(&to_string(&List { tags: ["t"], limit: 3 }).unwrap()).unwrap();
        assert_eq!((list.filter.tags, list.limit), (vec!["t".to_owned()], Some(3)));
    }

    #[test]
    fn replies_of_the_contract_are_understood() {
        let memory = memory::Memory {
            id: "id".to_owned(),
            content: "a\n\"b\"".to_owned(),
            tags: vec!["org:o".to_owned()],
            kind: None,
            metadata: serde_json::Map::new(),
            visibility: Visibility::Private,
            version: 1,
            created_at: "2026-01-01T00:00:00Z".to_owned(),
            updated_at: "2026-01-01T00:00:00Z".to_owned(),
        };
        let is_it = |record: &Record<'_>| assert_eq!((&*record.id, &*record.content), ("id", "a\n\"b\""));
        is_it(&from_str(&to_string(&memory).unwrap()).unwrap());
        let page = memory::MemoryPage { memories: vec![memory.clone()], next_cursor: None };
        is_it(&from_str::<Page<'_>>(&to_string(&page).unwrap()).unwrap().memories[0]);
        let hits = memory::SearchReply { hits: vec![memory::Hit { memory, score: 1.5 }], next_cursor: None };
        is_it(&from_str::<Hits<'_>>(&to_string(&hits).unwrap()).unwrap().hits[0]);
        let stored = memory::StoredMemory {
            id: "id".to_owned(),
            created: true,
            version: 1,
            content_hash: "00".to_owned(),
            created_at: "2026-01-01T00:00:00Z".to_owned(),
        };
        assert_eq!(from_str::<Stored<'_>>(&to_string(&stored).unwrap()).unwrap().id, "id");
    }
}
