//! `delete_by_tag` deletes what its dry run counted, once, and lets others write meanwhile.
use crate::factory::{self, Kind, TestStore};
use mcp_contracts::Scope;
use mcp_contracts::memory::{TagMatch, Visibility};
use mcp_memory::confirm::Confirmations;
use mcp_memory::store::sqlite::SqliteStore;
use mcp_memory::store::{Change, NewMemory, Store, StoreError, TagFilter, TagSelection};
use mcp_memory::tenant::Tenant;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn tenant(org: &str) -> Tenant {
    Tenant::of(&mcp_testkit::claims(org, "ann", &[Scope::MemoryWrite, Scope::MemoryDelete]))
}

fn filter() -> TagFilter {
    TagFilter { tags: vec!["old".into()], tag_match: TagMatch::All }
}

fn memory(content: String) -> NewMemory {
    NewMemory {
        content,
        tags: vec!["old".into()],
        kind: None,
        metadata: serde_json::Map::new(),
        visibility: Visibility::Private,
        created_us: None,
        id: None,
        idempotency: None,
    }
}

crate::on_both_stores!(
    a_confirmation_is_for_the_memories_that_were_counted_and_deletes_once,
    others_write_while_many_memories_are_deleted,
);

fn a_confirmation_is_for_the_memories_that_were_counted_and_deletes_once(kind: Kind) {
    factory::runtime().block_on(confirm_and_delete(kind));
}

async fn confirm_and_delete(kind: Kind) {
    let (store, ann) = (TestStore::open(kind).await, tenant("acme"));
    let insert =
        async |words: [&str; 2]| store.insert(&ann, words.map(|word| memory(word.into())).to_vec()).await.unwrap();
    let first = insert(["one", "two"]).await;
    let counted = store.select_by_tag(&ann, filter()).await.unwrap();
    assert_eq!(counted.count, 2);

    // A changed memory is not the one that was confirmed.
    let change = Change { content: Some("precious".into()), ..Change::default() };
    store.update(&ann, first[0].id.clone(), change).await.unwrap();
    let changed = Err(StoreError::SelectionChanged { actual: 2, expected: 2 });
    assert_eq!(store.delete_by_tag(&ann, filter(), counted).await, changed);

    let counted = store.select_by_tag(&ann, filter()).await.unwrap();
    assert_eq!(store.delete_by_tag(&ann, filter(), counted).await, Ok(2));
    insert(["three", "four"]).await;
    assert_eq!(store.delete_by_tag(&ann, filter(), counted).await, changed);
    assert_eq!(store.select_by_tag(&ann, filter()).await.unwrap().count, 2);
}

#[test]
fn a_token_names_the_memories_and_cannot_be_changed() {
    let ann = tenant("acme");
    let selected = TagSelection { count: 2, digest: [7; 32] };
    let confirmations = Confirmations::new(std::iter::once("a key"));
    let token = confirmations.issue(&ann, &filter(), selected, 10);
    assert_eq!(confirmations.confirmed(&token, &ann, &filter(), 9), Some(selected));
    assert_eq!(confirmations.confirmed(&token, &ann, &filter(), 10), None);
    assert_eq!(confirmations.confirmed(&token, &tenant("zeta"), &filter(), 9), None);
    let rotated = |keys: &[&'static str]| Confirmations::new(keys.iter().copied());
    assert_eq!(rotated(&["a new key", "a key"]).confirmed(&token, &ann, &filter(), 9), Some(selected));
    assert_eq!(rotated(&["a new key"]).confirmed(&token, &ann, &filter(), 9), None);
    for at in 0..token.len() {
        let mut forged = token.clone().into_bytes();
        forged[at] = if forged[at] == b'B' { b'C' } else { b'B' };
        let forged = String::from_utf8(forged).unwrap();
        assert_eq!(confirmations.confirmed(&forged, &ann, &filter(), 9), None, "byte {at}");
        assert_eq!(confirmations.confirmed(&token[..at], &ann, &filter(), 9), None, "the first {at} bytes");
    }
}

fn others_write_while_many_memories_are_deleted(kind: Kind) {
    factory::runtime().block_on(delete_many(kind));
}

async fn delete_many(kind: Kind) {
    let (store, ann, zoe) = (TestStore::open(kind).await, tenant("acme"), tenant("zeta"));
    for part in 0..4 {
        let memories = (0..100).map(|number| memory(format!("{part} {number} {}", "text ".repeat(200)))).collect();
        store.insert(&ann, memories).await.unwrap();
    }
    let counted = store.select_by_tag(&ann, filter()).await.unwrap();
    let (done, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let deleting = async {
        let deleted = store.delete_by_tag(&ann, filter(), counted).await;
        done.store(true, Ordering::Relaxed);
        deleted
    };
    let writing = async {
        for number in 0.. {
            store.insert(&zoe, vec![memory(format!("note {number}"))]).await.unwrap();
            if done.load(Ordering::Relaxed) {
                return;
            }
            written.fetch_add(1, Ordering::Relaxed);
        }
    };
    let (deleted, ()) = tokio::join!(deleting, writing);
    assert_eq!(deleted, Ok(400));
    // One transaction for all would let at most the write through that was queued before it.
    let written = written.into_inner();
    assert!(written >= 3, "{written} writes of another organisation ended during the deletion");
    assert_eq!(store.stats(&ann).await.unwrap().private, 0);
}

#[tokio::test]
async fn no_word_of_a_deleted_or_changed_text_stays_in_the_file() {
    // With and without enough terms that they move into blocks.
    for words in [1, 60] {
        let folder = tempfile::tempdir().unwrap();
        let (store, ann) = (SqliteStore::open(&folder.path().join("memory.db")).unwrap(), tenant("acme"));
        let texts = ["canaryone sings", "canarytwo sings"].map(|text| memory(text.into()));
        let inserted = store.insert(&ann, texts.to_vec()).await.unwrap();
        let other =
            |number: usize| (0..words).map(|word| format!("sings {number} w{word}")).collect::<Vec<_>>().join(" ");
        store.insert(&ann, (0..300).map(|number| memory(other(number))).collect()).await.unwrap();
        let reader = rusqlite::Connection::open(folder.path().join("memory.db")).unwrap();
        let recent: i64 = reader.query_row("SELECT count(*) FROM recent", [], |row| row.get(0)).unwrap();
        assert_eq!(recent, if words == 1 { 302 } else { 0 });
        drop(reader);
        let change = Change { content: Some("quiet now".into()), ..Change::default() };
        store.update(&ann, inserted[0].id.clone(), change).await.unwrap();
        store.delete(&ann, inserted[1].id.clone()).await.unwrap();
        store.close().await;
        let file = std::fs::read(folder.path().join("memory.db")).unwrap();
        assert!(!file.windows(6).any(|bytes| bytes == b"canary"), "{words} words in the others");
    }
}
