//! When the terms of new memories move into the blocks of the index.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use mcp_contracts::Scope;
use mcp_contracts::memory::Visibility;
use mcp_memory::store::sqlite::SqliteStore;
use mcp_memory::store::{Change, NewMemory, SearchQuery, Selection, Store};
use mcp_memory::tenant::Tenant;
use mcp_memory::terms;
use rusqlite::Connection;

fn tenant() -> Tenant {
    Tenant::of(&mcp_testkit::claims("acme", "ann", &[Scope::MemoryRead, Scope::MemoryWrite]))
}

fn memory(content: String) -> NewMemory {
    NewMemory {
        id: None,
        content,
        tags: Vec::new(),
        kind: None,
        metadata: serde_json::Map::new(),
        visibility: Visibility::Private,
        created_us: None,
        idempotency: None,
    }
}

/// Returns a text with "ledger" and this number of other words.
fn text(number: usize, words: usize) -> String {
    (0..words).fold(format!("ledger {number}"), |text, word| format!("{text} w{number}x{word}"))
}

fn terms_of(texts: &[String]) -> i64 {
    texts.iter().map(|text| terms::of(text).entries.len() as i64).sum()
}

/// Returns the terms that are not in blocks as the scope counts them, the memories that have them, and the blocks and places of "ledger".
fn state(file: &Connection) -> (i64, i64, i64, i64) {
    let sql = "SELECT (SELECT recent FROM scope), (SELECT count(*) FROM recent), count(*), coalesce(sum(places), 0)
               FROM posting WHERE term = 'ledger'";
    file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap()
}

#[tokio::test]
async fn terms_move_into_blocks_when_a_scope_has_enough_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.db");
    let (store, ann) = (SqliteStore::open(&path).unwrap(), tenant());
    let file = Connection::open(&path).unwrap();
    let insert = async |texts: &[String]| {
        let inserted = store.insert(&ann, texts.iter().cloned().map(memory).collect()).await.unwrap();
        inserted.into_iter().map(|new| new.id).collect::<Vec<String>>()
    };
    // Many short memories stay outside, and few long ones do not.
    let short: Vec<String> = (0..150).map(|number| text(number, 3)).collect();
    insert(&short).await;
    assert_eq!(state(&file), (terms_of(&short), 150, 0, 0));
    let long: Vec<String> = (150..160).map(|number| text(number, 2_000)).collect();
    let ids = insert(&long).await;
    assert_eq!(state(&file), (0, 0, 2, 160));

    // A changed memory leaves its blocks, and the count follows it.
    let changed = text(0, 5);
    let change = Change { content: Some(changed.clone()), ..Change::default() };
    store.update(&ann, ids[0].clone(), change).await.unwrap();
    assert_eq!(state(&file), (terms_of(std::slice::from_ref(&changed)), 1, 2, 159));
    // An earlier release counts memories instead of terms.
    file.execute("UPDATE scope SET recent = 1", []).unwrap();
    store.delete(&ann, ids[0].clone()).await.unwrap();
    assert_eq!(state(&file), (0, 0, 2, 159));

    let query = SearchQuery {
        terms: terms::of_query("ledger"),
        selection: Selection::default(),
        limit: 1_000,
        as_of: i64::MAX / 2,
        after: None,
    };
    assert_eq!(store.search(&ann, query).await.unwrap().len(), 159);
}

#[tokio::test]
async fn a_large_scope_may_have_more_terms_outside_of_blocks() {
    for (words, is_outside) in [(0, false), (100_000_000, true)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.db");
        let (store, ann) = (SqliteStore::open(&path).unwrap(), tenant());
        let file = Connection::open(&path).unwrap();
        store.insert(&ann, vec![memory(text(0, 0))]).await.unwrap();
        file.execute("UPDATE scope SET terms = ?1", [words]).unwrap();
        store.insert(&ann, (1..10).map(|number| memory(text(number, 2_000))).collect()).await.unwrap();
        assert_eq!(state(&file).1 > 0, is_outside, "{words} words");
        // No scope is so large that the terms outside have no bound.
        store.insert(&ann, (10..35).map(|number| memory(text(number, 2_000))).collect()).await.unwrap();
        assert_eq!(state(&file), (0, 0, 1, 35), "{words} words");
    }
}
