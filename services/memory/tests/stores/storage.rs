//! The storage quota: what counts, what is refused, and that room can always be made.
use crate::factory::{self, Kind, TestStore};
use mcp_contracts::memory::{TagMatch, Visibility};
use mcp_contracts::{Claims, Plan, Scope};
use mcp_memory::settings::StorageQuota;
use mcp_memory::store::{Change, Idempotency, NewMemory, StoreError, TagFilter};
use mcp_memory::tenant::Tenant;
use rand::{RngExt, SeedableRng};

/// Bytes that the free plan allows in these tests.
const ALLOWED: u64 = 100_000;

async fn open(kind: Kind) -> TestStore {
    TestStore::with_quota(kind, StorageQuota::new([ALLOWED, 2 * ALLOWED, 0, u64::MAX])).await
}

crate::on_both_stores!(
    an_organisation_stores_what_its_plan_allows_and_can_always_make_room,
    an_import_beyond_the_quota_stores_nothing_and_other_organisations_are_not_affected,
    replies_that_are_kept_for_keys_count,
    the_count_is_the_sum_of_what_is_stored,
);

fn tenant(org: &str, plan: Plan) -> Tenant {
    Tenant::of(&Claims { plan, ..mcp_testkit::claims(org, "ann", &[Scope::MemoryWrite, Scope::MemoryDelete]) })
}

fn memory(number: usize, bytes: usize) -> NewMemory {
    NewMemory {
        content: format!("{number} {}", "x".repeat(bytes)),
        tags: vec!["bulk".into()],
        kind: None,
        metadata: serde_json::Map::new(),
        visibility: Visibility::Private,
        created_us: None,
        id: None,
        idempotency: None,
    }
}

fn key(number: u8) -> Option<Idempotency> {
    Some(Idempotency { key: number.to_string(), request: [number; 32] })
}

fn is_refused<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::StorageQuota { allowed: ALLOWED, .. }))
}

fn an_organisation_stores_what_its_plan_allows_and_can_always_make_room(kind: Kind) {
    factory::runtime().block_on(fill_and_make_room(kind));
}

async fn fill_and_make_room(kind: Kind) {
    let (store, ann) = (open(kind).await, tenant("acme", Plan::Free));
    let mut ids = Vec::new();
    let refused = loop {
        match store.insert(&ann, vec![memory(ids.len(), 9_000)]).await {
            Ok(inserted) => ids.push(inserted[0].id.clone()),
            Err(error) => break error,
        }
        assert!(ids.len() < 100, "nothing bounds what is stored");
    };
    let StoreError::StorageQuota { used, added, allowed } = refused else { panic!("{refused}") };
    assert!(used <= allowed && used + added > allowed && added > 9_000, "{used} {added} {allowed}");
    let stats = store.stats(&ann).await.unwrap();
    assert_eq!((stats.stored, stats.allowed), (used, ALLOWED));

    // What is stored already needs no room.
    assert!(!store.insert(&ann, vec![memory(0, 9_000)]).await.unwrap()[0].created);
    let content = |bytes: usize| Change { content: Some("y".repeat(bytes)), ..Change::default() };
    assert!(is_refused(&store.update(&ann, ids[0].clone(), content(60_000)).await));
    assert_eq!(store.update(&ann, ids[0].clone(), content(10)).await.unwrap().content.len(), 10);
    store.insert(&ann, vec![memory(1_000, 8_000)]).await.unwrap();

    // A bound that was lowered stops nothing but growth.
    let moved = tenant("acme", Plan::Team);
    let refused = store.insert(&moved, vec![memory(2, 1)]).await;
    assert!(matches!(refused, Err(StoreError::StorageQuota { allowed: 0, .. })), "{refused:?}");
    store.update(&moved, ids[1].clone(), content(5)).await.unwrap();
    store.delete(&moved, ids[2].clone()).await.unwrap();
    let bulk = TagFilter { tags: vec!["bulk".into()], tag_match: TagMatch::All };
    let counted = store.select_by_tag(&moved, bulk.clone()).await.unwrap();
    assert_eq!(store.delete_by_tag(&moved, bulk, counted).await.unwrap(), ids.len() as u64);
    assert_eq!(store.stats(&ann).await.unwrap().stored, 0);
    store.insert(&ann, vec![memory(3, 9_000)]).await.unwrap();
}

// Postgres creates the scope before it plans the insert; erasing the organisation removes it.
#[test]
fn a_refused_memory_leaves_nothing_in_the_file() {
    factory::runtime().block_on(refuse());
}

async fn refuse() {
    let (store, ann) = (open(Kind::Sqlite).await, tenant("acme", Plan::Free));
    let scopes = || store.number("SELECT count(*) FROM {}scope");
    for visibility in [Visibility::Private, Visibility::Workspace] {
        let big = NewMemory { visibility, ..memory(0, 2 * ALLOWED as usize) };
        assert!(is_refused(&store.insert(&ann, vec![big.clone()]).await));
        assert!(is_refused(&store.insert(&ann, vec![big.clone(), big]).await));
    }
    assert_eq!(scopes(), 0, "a refusal created a set of readers");
    store.insert(&ann, vec![memory(1, 10)]).await.unwrap();
    assert_eq!(scopes(), 1);
}

fn an_import_beyond_the_quota_stores_nothing_and_other_organisations_are_not_affected(kind: Kind) {
    factory::runtime().block_on(import_too_much(kind));
}

async fn import_too_much(kind: Kind) {
    let (store, ann, zoe) = (open(kind).await, tenant("acme", Plan::Free), tenant("zeta", Plan::Free));
    let many = (0..20).map(|number| memory(number, 9_000)).collect::<Vec<_>>();
    assert!(is_refused(&store.insert(&ann, many.clone()).await));
    let stats = store.stats(&ann).await.unwrap();
    assert_eq!((stats.stored, stats.private), (0, 0));
    store.insert(&ann, many[..10].to_vec()).await.unwrap();
    store.insert(&zoe, many[..10].to_vec()).await.unwrap();
    // The greater plan of the same organisation allows more.
    assert!(is_refused(&store.insert(&ann, many[10..].to_vec()).await));
    store.insert(&tenant("acme", Plan::Pro), many[10..].to_vec()).await.unwrap();
}

fn replies_that_are_kept_for_keys_count(kind: Kind) {
    factory::runtime().block_on(keep_replies(kind));
}

async fn keep_replies(kind: Kind) {
    let (store, ann) = (open(kind).await, tenant("acme", Plan::Free));
    let id = store.insert(&ann, vec![memory(0, 20_000)]).await.unwrap()[0].id.clone();
    let change = |number: u8| Change {
        content: Some(format!("{number} {}", "z".repeat(20_000))),
        idempotency: key(number),
        ..Change::default()
    };
    let mut admitted = 0;
    while store.update(&ann, id.clone(), change(admitted)).await.is_ok() {
        admitted += 1;
        assert!(admitted < 50, "the replies are not bounded");
    }
    assert!(is_refused(&store.update(&ann, id.clone(), change(admitted)).await));
    // A repetition needs no room, and the deletion removes the replies.
    store.update(&ann, id.clone(), change(0)).await.unwrap();
    store.delete(&ann, id).await.unwrap();
    assert!(store.stats(&ann).await.unwrap().stored < 10_000);
}

fn the_count_is_the_sum_of_what_is_stored(kind: Kind) {
    factory::runtime().block_on(count_random_writes(kind));
}

async fn count_random_writes(kind: Kind) {
    let (store, ann) = (open(kind).await, tenant("acme", Plan::Enterprise));
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    let mut ids: Vec<String> = Vec::new();
    for step in 0..300 {
        let number = random.random_range(0..ids.len().max(1));
        let idempotency = if random.random_bool(0.3) { key(random.random_range(0..20)) } else { None };
        match random.random_range(0..4) {
            0 if !ids.is_empty() => drop(store.delete(&ann, ids.swap_remove(number)).await),
            1 if !ids.is_empty() => {
                let content = Some("u".repeat(random.random_range(1..3_000)));
                let _ =
                    store.update(&ann, ids[number].clone(), Change { content, idempotency, ..Change::default() }).await;
            }
            _ => {
                let new = NewMemory { idempotency, ..memory(step, random.random_range(1..3_000)) };
                if let Ok(inserted) = store.insert(&ann, vec![new]).await {
                    ids.extend(inserted.into_iter().filter(|inserted| inserted.created).map(|inserted| inserted.id));
                }
            }
        }
    }
    let stored = store.stats(&ann).await.unwrap().stored;
    store.close().await;
    let sum =
        "SELECT (SELECT sum(512 + octet_length(content) + octet_length(tags) + octet_length(metadata)) FROM memory)
                    + (SELECT sum(512 + octet_length(reply)) FROM {}idempotency)";
    let sum = store.number(sum);
    assert_eq!(stored, sum.unsigned_abs());
    assert!(stored > 10_000);
}
