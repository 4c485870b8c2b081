//! The cost of the store, as ratios to references of the same run: group commit against one transaction per write and against a plain
//! SQLite loop over the same tables, a large store against a small one, the index against FTS5, a search with many other tenants against one
//! with few. With the argument `index` only what depends on the full-text index.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a failed step fails the benchmark")]

use mcp_contracts::Scope;
use mcp_contracts::memory::Visibility;
use mcp_memory::store::sqlite::SqliteStore;
use mcp_memory::store::{NewMemory, SearchQuery, Selection, Store};
use mcp_memory::tenant::Tenant;
use mcp_memory::terms::{self, Document};
use nix::sys::resource::{UsageWho, getrusage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
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
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    one_organisation(&runtime, &at("one"), &at("fts5"));
    fifty_organisations(&runtime, folder.path());
    // Other arguments are ignored, because cargo passes its own, such as `--bench`.
    if std::env::args().any(|argument| argument == "index") {
        return;
    }
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
    let many = filled(&runtime, &at("many"), 50, 2_000);
    let (search, rss) = (search_cost(&runtime, &many), resident());
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
    Tenant::of(&mcp_testkit::claims(&format!("org{organisation}"), "ann", &[Scope::MemoryRead, Scope::MemoryWrite]))
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
    let mut connection = plain_connection(path);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (start, mut written) = (Instant::now(), 0usize);
    while start.elapsed() < SPAN {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        for _ in 0..batch {
            let (sequence, words) = plain_insert(&transaction, &content(&mut random, written));
            transaction
                .prepare_cached("INSERT INTO recent (scope, memory, length, day, words) VALUES (1, ?1, ?2, 20000, ?3)")
                .unwrap()
                .execute(params![sequence, words.words as i64, mcp_memory::index::forward::plain(&words)])
                .unwrap();
            written += 1;
        }
        transaction.commit().unwrap();
    }
    written as f64 / start.elapsed().as_secs_f64()
}

fn plain_connection(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384")
        .unwrap();
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute("INSERT INTO scope (org, workspace, owner) VALUES ('o', 'w', 'u')", []).unwrap();
    connection
}

fn create_tables(path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = SqliteStore::open(path).unwrap();
    runtime.block_on(store.close());
}

/// Inserts a memory without its terms, and returns its number with them.
fn plain_insert(transaction: &Transaction<'_>, content: &str) -> (i64, Document) {
    use sha2::Digest;
    let (words, hash) = (terms::of(content), sha2::Sha256::digest(content));
    let insert = "INSERT INTO memory (id, scope, owner, created_us, terms, updated_us, version, content_hash, tags, metadata, content)
                  VALUES (?1, 1, 'u', ?2, ?3, ?2, 1, ?4, '[\"note\"]', '{}', ?5)";
    let (id, now) = (uuid::Uuid::now_v7(), jiff::Timestamp::now().as_microsecond());
    let values = params![id.as_bytes().as_slice(), now, words.words as i64, hash.as_slice(), content];
    transaction.prepare_cached(insert).unwrap().execute(values).unwrap();
    let sequence = transaction.last_insert_rowid();
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
    (sequence, words)
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

/// Prints the cost of writes and searches as one user of one organisation stores more and more, and of writes to FTS5.
fn one_organisation(runtime: &Runtime, path: &Path, fts5: &Path) {
    let (store, texts, mut reference) = (SqliteStore::open(path).unwrap(), Texts::new(), Fts5::new(fts5));
    let (mut random, mut stored) = (ChaCha8Rng::seed_from_u64(4), 0);
    for size in [1_000, 10_000, 100_000] {
        while stored < size {
            insert(runtime, &store, texts.batch(&mut random, &mut stored));
            reference.batch(&texts);
        }
        let (search_median, search_p99) = search_costs(runtime, &store, &texts, 1);
        // The mean and not the median, because most batches leave the work on the index to a later one.
        let (fts5, _) = mean_and_longest(100, || reference.batch(&texts));
        let (batch, longest) = mean_and_longest(100, || insert(runtime, &store, texts.batch(&mut random, &mut stored)));
        let (single, _) =
            mean_and_longest(2_000, || insert(runtime, &store, vec![texts.memory(&mut random, &mut stored)]));
        println!("{size} memories of one user");
        println!(
            "  search CPU, median and p99          {search_median:>10.2} ms {search_p99:>5.2} ms (at most 10, 25)"
        );
        println!("  write CPU, batches of 100, FTS5     {:>10.0} us", fts5 / 100.0);
        println!(
            "  write CPU, batches of 100           {:>10.0} us (the longest batch: {:.0} ms)",
            batch / 100.0,
            longest / 1e3
        );
        println!("  write CPU, batches of 100 / FTS5    {:>10.2}   (at most 1.20)", batch / fts5);
        println!("  write CPU, single                   {single:>10.0} us");
    }
    runtime.block_on(store.close());
    let bytes = std::fs::metadata(path).unwrap().len();
    println!("file, bytes for each memory           {:>10}", bytes / stored as u64);
}

/// Prints the cost of searches in a store that fifty organisations share.
fn fifty_organisations(runtime: &Runtime, folder: &Path) {
    const ORGANISATIONS: usize = 50;
    let texts = Texts::new();
    for size in [1_000, 10_000, 100_000] {
        let store = SqliteStore::open(&folder.join(format!("fifty{size}"))).unwrap();
        let (mut random, mut stored) = (ChaCha8Rng::seed_from_u64(5), 0);
        let each = size / ORGANISATIONS;
        for organisation in 0..ORGANISATIONS {
            for begin in (0..each).step_by(100) {
                let memories = (begin..each.min(begin + 100)).map(|_| texts.memory(&mut random, &mut stored)).collect();
                runtime.block_on(store.insert(&tenant(organisation), memories)).unwrap();
            }
        }
        let (search_median, search_p99) = search_costs(runtime, &store, &texts, ORGANISATIONS);
        println!("{size} memories of fifty organisations");
        println!("  search CPU, median and p99          {search_median:>10.2} ms {search_p99:>5.2} ms");
        runtime.block_on(store.close());
    }
}

/// Returns the median and the 99th percentile of the CPU time of a search in milliseconds, over the questions of the labelled set, which are asked in one
/// organisation after the other.
fn search_costs(runtime: &Runtime, store: &SqliteStore, texts: &Texts, organisations: usize) -> (f64, f64) {
    let search = |(number, question): (usize, &String)| {
        median((0..3).map(|_| one_search(runtime, store, number % organisations, question)).collect())
    };
    let mut searches: Vec<f64> = texts.questions.iter().enumerate().map(search).collect();
    searches.sort_by(f64::total_cmp);
    let at = |share: f64| searches[(searches.len() as f64 * share) as usize] / 1e3;
    (at(0.5), at(0.99))
}

/// Texts and questions of the labelled set.
struct Texts {
    texts: Vec<String>,
    questions: Vec<String>,
}

impl Texts {
    fn new() -> Self {
        let lines = |file: &str, field: &str| -> Vec<String> {
            let text = |line: &str| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()[field].as_str().unwrap().to_owned()
            };
            file.lines().map(text).collect()
        };
        Self {
            texts: lines(include_str!("../../../fixtures/corpora/memory/memories.jsonl"), "text"),
            questions: lines(include_str!("../../../fixtures/corpora/memory/questions.jsonl"), "question"),
        }
    }

    /// Returns two texts and a number that makes the whole unique: about thirty words.
    fn text(&self, random: &mut ChaCha8Rng, number: &mut usize) -> String {
        let mut pick = || &self.texts[random.random_range(0..self.texts.len())];
        *number += 1;
        format!("{} {} n{number}", pick(), pick())
    }

    fn memory(&self, random: &mut ChaCha8Rng, number: &mut usize) -> NewMemory {
        memory(self.text(random, number))
    }

    fn batch(&self, random: &mut ChaCha8Rng, number: &mut usize) -> Vec<NewMemory> {
        (0..100).map(|_| self.memory(random, number)).collect()
    }
}

fn insert(runtime: &Runtime, store: &SqliteStore, memories: Vec<NewMemory>) {
    runtime.block_on(store.insert(&tenant(0), memories)).unwrap();
}

/// Returns the CPU time of this process for a run in microseconds: the mean and the longest.
fn mean_and_longest(runs: usize, mut run: impl FnMut()) -> (f64, f64) {
    let costs = (0..runs).map(|_| {
        let before = cpu();
        run();
        (cpu() - before).as_secs_f64() * 1e6
    });
    let costs: Vec<f64> = costs.collect();
    (costs.iter().sum::<f64>() / runs as f64, costs.into_iter().fold(0.0, f64::max))
}

/// A plain SQLite loop that writes the terms of the same texts to an index of FTS5.
struct Fts5 {
    connection: Connection,
    random: ChaCha8Rng,
    number: usize,
}

impl Fts5 {
    fn new(path: &Path) -> Self {
        create_tables(path);
        let connection = plain_connection(path);
        let table = "CREATE VIRTUAL TABLE reference USING fts5 (terms, content = '', contentless_delete = 1, tokenize = 'ascii')";
        connection.execute_batch(table).unwrap();
        Self { connection, random: ChaCha8Rng::seed_from_u64(4), number: 0 }
    }

    /// Writes 100 memories in one transaction.
    fn batch(&mut self, texts: &Texts) {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        for _ in 0..100 {
            let (sequence, words) = plain_insert(&transaction, &texts.text(&mut self.random, &mut self.number));
            // Each term begins with the number of the scope.
            let words: Vec<String> = words
                .entries
                .iter()
                .flat_map(|entry| (0..entry.frequency).map(|_| format!("1{}", entry.term)))
                .collect();
            transaction
                .prepare_cached("INSERT INTO reference (rowid, terms) VALUES (?1, ?2)")
                .unwrap()
                .execute(params![sequence, words.join(" ")])
                .unwrap();
        }
        transaction.commit().unwrap();
    }
}

/// Returns the CPU time of this process for one search, in microseconds: the median over tenants and queries.
fn search_cost(runtime: &Runtime, store: &SqliteStore) -> f64 {
    median((0..200).map(|round| one_search(runtime, store, round % 5, QUERIES[round % QUERIES.len()])).collect())
}

/// Returns the CPU time of this process for one search by a user of the organisation, in microseconds.
fn one_search(runtime: &Runtime, store: &SqliteStore, organisation: usize, query: &str) -> f64 {
    let query = SearchQuery {
        terms: terms::of_query(query),
        selection: Selection::default(),
        limit: 20,
        as_of: jiff::Timestamp::now().as_microsecond(),
        after: None,
    };
    let before = cpu();
    let hits = runtime.block_on(store.search(&tenant(organisation), query)).unwrap();
    let cost = (cpu() - before).as_secs_f64() * 1e6;
    assert!(hits.len() <= 20);
    cost
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
