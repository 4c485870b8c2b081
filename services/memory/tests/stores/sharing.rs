//! Several instances share one database: they start together, settle duplicates among them, and lose nothing that was acknowledged.

use crate::factory::{runtime, target};
use mcp_contracts::memory::Visibility;
use mcp_contracts::{Claims, Plan, Role, Scope};
use mcp_kit::Readiness;
use mcp_kit::database::DatabaseError;
use mcp_kit::database::postgres::PostgresTarget;
use mcp_memory::store::postgres::PostgresStore;
use mcp_memory::store::{Idempotency, Inserted, ListQuery, NewMemory, Selection, Store, StoreError};
use mcp_memory::tenant::Tenant;
use mcp_testkit::{PostgresDatabase, PostgresServer, wait_until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::task::JoinSet;

pub(crate) fn tenant(org: &str, user: &str) -> Tenant {
    Tenant::of(&Claims {
        sub: user.into(),
        org_id: org.into(),
        workspace_slug: "default".into(),
        plan: Plan::Enterprise,
        role: Role::default(),
        scopes: vec![Scope::MemoryRead, Scope::MemoryWrite],
        exp: u64::MAX,
        iat: 0,
        jti: String::new(),
        aud: "mcp".into(),
    })
}

pub(crate) fn memory(content: String, key: Option<String>) -> NewMemory {
    NewMemory {
        content,
        tags: vec!["all".into()],
        kind: None,
        metadata: serde_json::Map::new(),
        visibility: Visibility::Private,
        created_us: None,
        id: None,
        idempotency: key.map(|key| Idempotency { key, request: [1; 32] }),
    }
}

pub(crate) async fn insert(store: &PostgresStore, tenant: &Tenant, new: NewMemory) -> Result<Inserted, StoreError> {
    Ok(store.insert(tenant, vec![new]).await?.remove(0))
}

async fn open(database: &PostgresDatabase<'_>) -> PostgresStore {
    PostgresStore::open(&target(database)).await.unwrap()
}

#[test]
fn instances_that_start_together_migrate_once_and_later_ones_find_the_tables() {
    runtime().block_on(async {
        let database = PostgresServer::shared().database();
        let mut starting = JoinSet::new();
        for _ in 0..6 {
            let target = target(&database);
            starting.spawn(async move { PostgresStore::open(&target).await.map_err(|error| error.to_string()) });
        }
        let stores: Vec<PostgresStore> = starting.join_all().await.into_iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(database.admin("SELECT service || version FROM mcp_version"), "memory2");
        let ann = tenant("acme", "ann");
        for (number, store) in stores.iter().enumerate() {
            insert(store, &ann, memory(format!("of instance {number}"), None)).await.unwrap();
        }
        assert_eq!(open(&database).await.stats(&ann).await.unwrap().private, 6);
    });
}

#[test]
fn a_migration_that_fails_leaves_the_version_before_and_the_next_start_completes_it() {
    runtime().block_on(async {
        let database = PostgresServer::shared().database();
        // A table of another program in the way of the second statement.
        database.admin("CREATE TABLE memory_scope (x INTEGER)");
        let error = PostgresStore::open(&target(&database)).await.err().unwrap().to_string();
        assert!(error.contains("another program") && error.contains("memory_scope"), "{error}");
        let left = "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(database.admin(left), "memory_scope", "a part of the migration is there");
        database.admin("DROP TABLE memory_scope");
        open(&database).await;
    });
}

#[test]
fn the_same_key_or_text_at_two_instances_at_once_is_stored_once() {
    runtime().block_on(async {
        let database = PostgresServer::shared().database();
        let (one, two) = (open(&database).await, open(&database).await);
        let ann = tenant("acme", "ann");
        let mut results = JoinSet::new();
        for number in 0..200 {
            for (store, other) in [(one.clone(), 0), (two.clone(), 1)] {
                let ann = ann.clone();
                results.spawn(async move {
                    // By key with different texts, and by text without a key.
                    let new = if number % 2 == 0 {
                        memory(format!("keyed {number} at {other}"), Some(format!("key {number}")))
                    } else {
                        memory(format!("text {number}"), None)
                    };
                    (number, insert(&store, &ann, new).await.unwrap())
                });
            }
        }
        let results = results.join_all().await;
        for number in 0..200 {
            let pair: Vec<&Inserted> = results.iter().filter(|(of, _)| *of == number).map(|(_, one)| one).collect();
            assert_eq!(pair[0].id, pair[1].id, "{number}");
            let created = pair.iter().filter(|inserted| inserted.created).count();
            // A repeated request gets the reply of the first one, a repeated text is no new memory.
            assert_eq!(created, if number % 2 == 0 { 2 } else { 1 }, "{number}");
        }
        assert_eq!(database.admin("SELECT count(*) || ' ' || max(sequence) FROM memory"), "200 200");
    });
}

#[test]
fn what_was_acknowledged_is_there_after_connections_were_cut_and_repetitions_store_nothing_twice() {
    runtime().block_on(async {
        let database = PostgresServer::shared().database();
        let (one, two) = (open(&database).await, open(&database).await);
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut writers = JoinSet::new();
        for writer in 0..8 {
            let store = if writer % 2 == 0 { one.clone() } else { two.clone() };
            let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
            writers.spawn(async move {
                let (ann, mut acknowledged, mut unknown) = (tenant("acme", &format!("user{writer}")), Vec::new(), 0);
                for number in 0.. {
                    let new = memory(format!("writer {writer} number {number}"), Some(format!("{writer}/{number}")));
                    loop {
                        match insert(&store, &ann, new.clone()).await {
                            Ok(inserted) => break acknowledged.push((inserted.id, new.content.clone())),
                            // The same key settles what is unknown, and finds what was stored.
                            Err(StoreError::Database(DatabaseError::Unconfirmed)) => unknown += 1,
                            Err(StoreError::Database(DatabaseError::Unreachable(_))) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                    written.fetch_add(1, Ordering::Relaxed);
                    if stop.load(Ordering::Relaxed) {
                        return (ann, acknowledged, unknown);
                    }
                }
                unreachable!("the numbers do not end")
            });
        }
        let cut = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}' AND usename = 'mcp'",
            database.name
        );
        let mut connections = 0;
        for _ in 0..20 {
            let before = written.load(Ordering::Relaxed);
            wait_until("writes between two cuts", async || written.load(Ordering::Relaxed) >= before + 10).await;
            connections += database.admin(&cut).parse::<u64>().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        let mut total = 0;
        for (user, acknowledged, _) in writers.join_all().await {
            let listed = all(&two, &user).await;
            for (id, content) in &acknowledged {
                let found = listed.iter().filter(|(other, text)| other == id && text == content).count();
                assert_eq!(found, 1, "`{content}` of {} acknowledged", acknowledged.len());
            }
            assert_eq!(listed.len(), acknowledged.len(), "something is there twice");
            total += acknowledged.len() as u64;
        }
        assert!(connections >= 20 && total >= 200, "{connections} connections were cut, {total} writes acknowledged");
        assert_eq!(database.admin("SELECT bytes FROM memory_organisation"), database.admin(STORED));
    });
}

pub(crate) const STORED: &str =
    "SELECT (SELECT sum(512 + octet_length(content) + octet_length(tags) + octet_length(metadata)) FROM memory)
    + (SELECT sum(512 + octet_length(reply)) FROM memory_idempotency)";

pub(crate) async fn all(store: &PostgresStore, tenant: &Tenant) -> Vec<(String, String)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let listed =
            store.list(tenant, ListQuery { selection: Selection::default(), limit: 500, after }).await.unwrap();
        after = listed.last().map(|listed| listed.place);
        let ended = listed.is_empty();
        all.extend(listed.into_iter().map(|listed| (listed.memory.id, listed.memory.content)));
        if ended {
            return all;
        }
    }
}

#[test]
fn a_value_that_the_server_refuses_fails_alone_and_every_text_is_stored_as_it_is() {
    runtime().block_on(async {
        let database = PostgresServer::shared().database();
        let store = open(&database).await;
        let ann = tenant("acme", "ann");
        // A tag of the contract has no control characters; a text of Postgres cannot have this one.
        let refused = NewMemory { tags: vec!["a\0b".into()], ..memory("refused".into(), None) };
        let mut results = JoinSet::new();
        for number in 0..20 {
            let (store, ann, refused) = (store.clone(), ann.clone(), refused.clone());
            let new = if number == 7 {
                refused
            } else {
                memory(format!("nul \0 and {number}"), Some(format!("k\0{number}")))
            };
            results.spawn(async move { (number, insert(&store, &ann, new).await) });
        }
        for (number, result) in results.join_all().await {
            match result {
                Ok(inserted) => {
                    let read = store.get(&ann, inserted.id).await.unwrap();
                    assert_eq!(read.content, format!("nul \0 and {number}"));
                }
                Err(error) => {
                    assert!(number == 7 && matches!(error, StoreError::Database(DatabaseError::Failed(_))), "{error}")
                }
            }
        }
        assert_eq!(store.stats(&ann).await.unwrap().private, 19);
    });
}

#[test]
fn readiness_follows_the_server() {
    runtime().block_on(async {
        let server = PostgresServer::start(&[]);
        let database = server.database();
        let (store, readiness, ann) = (open(&database).await, Readiness::default(), tenant("acme", "ann"));
        store.watch(&readiness);
        insert(&store, &ann, memory("before".into(), None)).await.unwrap();
        assert!(readiness.reply().ready);
        let block = format!("ALTER DATABASE {} ALLOW_CONNECTIONS {{}}", database.name);
        server.admin("postgres", &block.replace("{}", "false"));
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'mcp'";
        server.admin("postgres", cut);
        wait_until("not ready", async || readiness.reply().missing == ["store-unreachable"]).await;
        let error = insert(&store, &ann, memory("meanwhile".into(), None)).await.unwrap_err();
        assert!(matches!(error, StoreError::Database(DatabaseError::Unreachable(_))), "{error}");
        server.admin("postgres", &block.replace("{}", "true"));
        wait_until("ready again", async || readiness.reply().ready).await;
        insert(&store, &ann, memory("after".into(), None)).await.unwrap();
        assert_eq!(store.stats(&ann).await.unwrap().private, 2);
    });
}

#[test]
fn a_database_that_cannot_be_used_is_refused_with_one_clear_error() {
    let database = PostgresServer::shared().database();
    let refused = |url: &str| {
        let target = PostgresTarget::parse(url, None, 4).unwrap();
        runtime().block_on(PostgresStore::open(&target)).err().unwrap().to_string()
    };
    let check = |error: String, part: &str| assert!(error.contains(part) && error.contains("\nhint: "), "{error}");
    check(refused(&database.url().replace(&database.name, "nowhere")), "no database of the name");
    check(refused("postgres://mcp@127.0.0.1:1/x"), "cannot be reached");
    database.admin("CREATE ROLE stranger LOGIN");
    check(refused(&database.url_of("stranger")), "lacks a right");
    database.admin("CREATE ROLE reader LOGIN; ALTER ROLE reader SET default_transaction_read_only = on");
    check(refused(&database.url_of("reader")), "is read-only");
    check(refused(&database.url_of("missing")), "refuses the user `missing`");
    database.admin("CREATE TABLE mcp_version (service TEXT PRIMARY KEY, version INTEGER NOT NULL); GRANT ALL ON mcp_version TO mcp");
    database.admin("INSERT INTO mcp_version VALUES ('memory', 99)");
    check(refused(&database.url()), "has version 99");
    assert_eq!(database.admin("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "1");
    let latin = PostgresServer::shared().database();
    latin.admin("SELECT 1");
    database.admin(&format!(
        "CREATE DATABASE {}_latin OWNER mcp ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
        latin.name
    ));
    check(refused(&latin.url().replace(&latin.name, &format!("{}_latin", latin.name))), "encoding LATIN1");
}
