//! The cost of the store, as ratios to references of the same run: group commit against one transaction per write and against a plain
//! SQLite loop over the same tables, a large store against a small one, a search with many other tenants against one with few.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops at the first error and prints its figures"
)]

use mcp_contracts::memory::Visibility;
use mcp_contracts::{Claims, Plan, Role, Scope};
use mcp_memory::store::sqlite::SqliteStore;
use mcp_memory::store::{NewMemory, SearchQuery, Selection, Store};
use mcp_memory::tenant::Tenant;
use mcp_memory::terms;
use nix::sys::resource::{UsageWho, getrusage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const WRITERS: usize = 100;
const SPAN: Duration = Duration::from_secs(4);
const NOTES: &str = include_str!("../../../fixtures/corpora/on-call-notes.txt");
const QUERIES: [&str; 6] = [
    "redis outage",
    "deploy waits",
    "which customer was affected",
    "retry budget",
    "disk full on the replica",
    "rollback",
];

fn main() {
    // Arguments are ignored, because cargo passes its own, such as `--bench`.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let rounds: Vec<(f64, f64, f64)> = (0..3)
        .map(|round| {
            let group = store_rate(&runtime, &at(&format!("group{round}")), WRITERS);
            let single = plain_rate(&at(&format!("single{round}")), 1);
            let plain = plain_rate(&at(&format!("plain{round}")), WRITERS);
            (group, single, plain)
        })
        .collect();
    let median = |value: fn(&(f64, f64, f64)) -> f64| median(rounds.iter().map(value).collect());
    println!("group commit, 100 writers             {:>10.0} writes/s", median(|round| round.0));
    println!("one transaction per write, plain loop {:>10.0} writes/s", median(|round| round.1));
    println!("group commit, plain loop              {:>10.0} writes/s", median(|round| round.2));
    println!("group commit / one per write          {:>10.2}   (at least 1.50)", median(|round| round.0 / round.1));
    println!("store / plain loop                    {:>10.2}   (at least 0.70)", median(|round| round.0 / round.2));

    let few = filled(&runtime, &at("few"), 50, 20);
    let small = search_cost(&runtime, &few);
    let write_small = write_cost(&runtime, &few);
    let many = filled(&runtime, &at("many"), 50, 2_000);
    let write_large = write_cost(&runtime, &many);
    let (search, rss) = (search_cost(&runtime, &many), resident());
    println!("write CPU with 100,000 / 1,000        {:>10.2}   (at most 1.20)", write_large / write_small);
    println!("search CPU, 2,000 own of 100,000      {:>10.0} us (at most 2,000; of 1,000: {small:.0} us)", search);
    println!("resident memory of this process       {:>10.0} MB", rss);
    let alone = filled(&runtime, &at("alone"), 5, 2_000);
    println!("search CPU, 10 x more other tenants   {:>10.2}   (below 1.20)", search / search_cost(&runtime, &alone));
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn tenant(organisation: usize) -> Tenant {
    Tenant::of(&Claims {
        sub: "ann".into(),
        org_id: format!("org{organisation}"),
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

/// Returns two notes of the corpus and a number that makes the text unique: about thirty words.
fn content(random: &mut ChaCha8Rng, number: usize) -> String {
    let notes: Vec<&str> = NOTES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let pick = |random: &mut ChaCha8Rng| notes[random.random_range(0..notes.len())];
    format!("{} {} n{number}", pick(random), pick(random))
}

fn memory(content: String) -> NewMemory {
    NewMemory {
        content,
        tags: vec!["note".to_owned()],
        kind: None,
        metadata: serde_json::Map::new(),
        visibility: Visibility::Private,
        created_us: None,
        id: None,
        idempotency: None,
    }
}

/// Returns the writes per second of `writers` concurrent callers. Each waits for its reply before the next write.
fn store_rate(runtime: &Runtime, path: &Path, writers: usize) -> f64 {
    let store = Arc::new(SqliteStore::open(path).unwrap());
    let start = Instant::now();
    let written: usize = runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..writers {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                let mut random = ChaCha8Rng::seed_from_u64(writer as u64);
                let (tenant, mut written) = (tenant(writer % 10), 0);
                while start.elapsed() < SPAN {
                    let content = content(&mut random, writer * 1_000_000 + written);
                    store.insert(&tenant, vec![memory(content)]).await.unwrap();
                    written += 1;
                }
                written
            });
        }
        tasks.join_all().await.into_iter().sum()
    });
    let rate = written as f64 / start.elapsed().as_secs_f64();
    runtime.block_on(store.close());
    rate
}

/// Returns the writes per second of a plain SQLite loop that inserts the same rows, `batch` in each transaction.
fn plain_rate(path: &Path, batch: usize) -> f64 {
    create_tables(path);
    let mut connection = Connection::open(path).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384")
        .unwrap();
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute("INSERT INTO scope (org, workspace, owner) VALUES ('o', 'w', 'u')", []).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (start, mut written) = (Instant::now(), 0usize);
    while start.elapsed() < SPAN {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        for _ in 0..batch {
            plain_insert(&transaction, &content(&mut random, written));
            written += 1;
        }
        transaction.commit().unwrap();
    }
    written as f64 / start.elapsed().as_secs_f64()
}

fn create_tables(path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = SqliteStore::open(path).unwrap();
    runtime.block_on(store.close());
}

fn plain_insert(transaction: &rusqlite::Transaction<'_>, content: &str) {
    use sha2::Digest;
    let (words, hash) = (terms::of(content), sha2::Sha256::digest(content));
    let insert = "INSERT INTO memory (id, scope, owner, created_us, terms, updated_us, version, content_hash, tags, metadata, content)
                  VALUES (?1, 1, 'u', ?2, ?3, ?2, 1, ?4, '[\"note\"]', '{}', ?5)";
    let (id, now) = (uuid::Uuid::now_v7(), jiff::Timestamp::now().as_microsecond());
    let values = params![id.as_bytes().as_slice(), now, words.words as i64, hash.as_slice(), content];
    transaction.prepare_cached(insert).unwrap().execute(values).unwrap();
    let sequence = transaction.last_insert_rowid();
    transaction
        .prepare_cached("INSERT INTO recent (scope, memory, length, day, words) VALUES (1, ?1, ?2, 20000, ?3)")
        .unwrap()
        .execute(params![sequence, words.words as i64, mcp_memory::index::forward::plain(&words)])
        .unwrap();
    transaction
        .prepare_cached("INSERT INTO tag (scope, tag, memory) VALUES (1, 'note', ?1)")
        .unwrap()
        .execute([sequence])
        .unwrap();
    transaction
        .prepare_cached("UPDATE scope SET documents = documents + 1, terms = terms + ?1")
        .unwrap()
        .execute([words.words as i64])
        .unwrap();
}

/// Returns a store with `each` memories for every organisation.
fn filled(runtime: &Runtime, path: &Path, organisations: usize, each: usize) -> SqliteStore {
    let store = SqliteStore::open(path).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for chunk in 0..each.div_ceil(100) {
        for organisation in 0..organisations {
            let numbers = chunk * 100..((chunk + 1) * 100).min(each);
            let memories =
                numbers.map(|number| memory(content(&mut random, organisation * 1_000_000 + number))).collect();
            runtime.block_on(store.insert(&tenant(organisation), memories)).unwrap();
        }
    }
    store
}

/// Returns the CPU time of this process for one write, in microseconds. The writes come in batches of 100.
fn write_cost(runtime: &Runtime, store: &SqliteStore) -> f64 {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let costs = (0..40).map(|round| {
        let memories: Vec<NewMemory> =
            (0..100).map(|number| memory(content(&mut random, 900_000_000 + round * 100 + number))).collect();
        let before = cpu();
        runtime.block_on(store.insert(&tenant(round % 50), memories)).unwrap();
        (cpu() - before).as_secs_f64() * 1e6 / 100.0
    });
    median(costs.collect())
}

/// Returns the CPU time of this process for one search, in microseconds: the median over tenants and queries.
fn search_cost(runtime: &Runtime, store: &SqliteStore) -> f64 {
    let mut costs = Vec::new();
    for round in 0..200 {
        let query = SearchQuery {
            terms: terms::of_query(QUERIES[round % QUERIES.len()]),
            selection: Selection::default(),
            limit: 20,
            as_of: jiff::Timestamp::now().as_microsecond(),
            after: None,
        };
        let before = cpu();
        let hits = runtime.block_on(store.search(&tenant(round % 5), query)).unwrap();
        costs.push((cpu() - before).as_secs_f64() * 1e6);
        assert!(round % QUERIES.len() != 0 || hits.len() <= 20);
    }
    median(costs)
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let time =
        |time: nix::sys::time::TimeVal| Duration::new(time.tv_sec().unsigned_abs(), time.tv_usec() as u32 * 1_000);
    time(usage.user_time()) + time(usage.system_time())
}

/// Returns the resident memory of this process in megabytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1_024.0
}
