//! What existed at the first page and still exists is on exactly one page, and the pages end, while others write.
use crate::factory::{self, Kind, TestStore};
use mcp_contracts::Scope;
use mcp_contracts::memory::Visibility;
use mcp_memory::store::{Change, ListQuery, Listed, NewMemory, SearchHit, SearchQuery, Selection, StoreError};
use mcp_memory::tenant::Tenant;
use mcp_memory::terms;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use tokio::runtime::Runtime;

const MEMORIES: usize = 150;
const LIMIT: usize = 25;
const WORDS: [&str; 6] = ["ledger", "ledgers", "deploy", "redis", "retry", "cache"];
const AS_OF: i64 = 1_800_000_000_000_000;

fn tenant(user: &str) -> Tenant {
    Tenant::of(&mcp_testkit::claims("acme", user, &[Scope::MemoryRead, Scope::MemoryWrite, Scope::MemoryDelete]))
}

fn text(words: &[usize], number: usize) -> String {
    let words: Vec<&str> = words.iter().map(|word| WORDS[*word]).collect();
    format!("{} n{number}", words.join(" "))
}

fn memory(content: String, shared: bool, created_us: Option<i64>) -> NewMemory {
    NewMemory {
        content,
        tags: vec!["all".into()],
        kind: None,
        metadata: serde_json::Map::new(),
        visibility: visibility(shared),
        created_us,
        id: None,
        idempotency: None,
    }
}

fn visibility(shared: bool) -> Visibility {
    if shared { Visibility::Workspace } else { Visibility::Private }
}

#[derive(Debug, Clone)]
enum Write {
    Store { by_ann: bool, words: Vec<usize>, shared: bool },
    Import { count: usize, age_days: i64 },
    Text { which: usize, words: Vec<usize> },
    Tags { which: usize },
    Share { which: usize, shared: bool },
    Delete { which: usize },
    Settle,
}

fn writes() -> impl Strategy<Value = Vec<Vec<Write>>> {
    let words = || prop::collection::vec(0..WORDS.len(), 1..8);
    let which = || 0..MEMORIES;
    let write = prop_oneof![
        2 => (any::<bool>(), words(), any::<bool>()).prop_map(|(by_ann, words, shared)| Write::Store { by_ann, words, shared }),
        1 => (1..140usize, 0..4_000i64).prop_map(|(count, age_days)| Write::Import { count, age_days }),
        5 => (which(), words()).prop_map(|(which, words)| Write::Text { which, words }),
        2 => which().prop_map(|which| Write::Tags { which }),
        2 => (which(), any::<bool>()).prop_map(|(which, shared)| Write::Share { which, shared }),
        2 => which().prop_map(|which| Write::Delete { which }),
        1 => Just(Write::Settle),
    ];
    // The writes before the first page, and after each page.
    prop::collection::vec(prop::collection::vec(write, 0..12), 1..8)
}

/// A store with memories of ann and of bob.
struct World {
    runtime: Runtime,
    store: TestStore,
    /// Owner, whether ann can see it, whether it has a word of the query.
    memories: BTreeMap<String, (&'static str, bool, bool)>,
    ids: Vec<String>,
    number: usize,
}

impl World {
    fn new(kind: Kind) -> Self {
        let runtime = factory::runtime();
        let store = runtime.block_on(TestStore::open(kind));
        let mut world = Self { runtime, store, memories: BTreeMap::new(), ids: Vec::new(), number: 0 };
        let words = |number: usize| [number % 6, (number / 2) % 6, (number / 7) % 6];
        world.insert(
            "ann",
            (0..MEMORIES * 2 / 3).map(|number| (words(number).to_vec(), number % 4 == 0, None)).collect(),
        );
        // Ann's private memories move into blocks with the next of hers, and the shared ones with bob's.
        world.store.settle();
        world.insert("bob", (0..MEMORIES / 3).map(|number| (words(number).to_vec(), number % 4 != 0, None)).collect());
        world
    }

    fn insert(&mut self, user: &'static str, new: Vec<(Vec<usize>, bool, Option<i64>)>) {
        let mut memories = Vec::new();
        for (words, shared, created_us) in &new {
            self.number += 1;
            memories.push(memory(text(words, self.number), *shared, *created_us));
        }
        let inserted = self.runtime.block_on(self.store.insert(&tenant(user), memories)).unwrap();
        for (inserted, (words, shared, _)) in inserted.into_iter().zip(new) {
            self.memories.insert(inserted.id.clone(), (user, user == "ann" || shared, matches(&words)));
            self.ids.push(inserted.id);
        }
    }

    fn write(&mut self, write: &Write) {
        match write {
            Write::Store { by_ann, words, shared } => {
                self.insert(if *by_ann { "ann" } else { "bob" }, vec![(words.clone(), *shared, None)]);
            }
            Write::Import { count, age_days } => {
                let created_us = Some(AS_OF - age_days * 86_400_000_000);
                self.insert("ann", (0..*count).map(|word| (vec![word % 6], false, created_us)).collect());
            }
            Write::Text { which, words } => {
                self.number += 1;
                let change = Change { content: Some(text(words, self.number)), ..Change::default() };
                self.change(*which, change, |memory| memory.2 = matches(words));
            }
            Write::Tags { which } => {
                let change = Change { tags: Some(vec!["other".into()]), ..Change::default() };
                self.change(*which, change, |_| ());
            }
            Write::Share { which, shared } => {
                let change = Change { visibility: Some(visibility(*shared)), ..Change::default() };
                self.change(*which, change, |memory| memory.1 = memory.0 == "ann" || *shared);
            }
            Write::Delete { which } => {
                let id = self.ids[*which].clone();
                if let Some((owner, ..)) = self.memories.remove(&id) {
                    self.runtime.block_on(self.store.delete(&tenant(owner), id)).unwrap();
                }
            }
            Write::Settle => self.store.settle(),
        }
    }

    fn change(&mut self, which: usize, change: Change, apply: impl Fn(&mut (&'static str, bool, bool))) {
        let id = &self.ids[which];
        if let Some(memory) = self.memories.get_mut(id) {
            self.runtime.block_on(self.store.update(&tenant(memory.0), id.clone(), change)).unwrap();
            apply(memory);
        }
    }

    /// Reads all pages, with writes after each. Returns how often each memory was on a page, and which memories had to be.
    fn walk(&mut self, writes: &[Vec<Write>], mut page: impl FnMut(&Self) -> Vec<String>, searched: bool) -> Walked {
        let at_first = |memory: &&(&str, bool, bool)| memory.1 && (memory.2 || !searched);
        let mut due: Vec<String> =
            self.memories.iter().filter(|(_, memory)| at_first(memory)).map(|(id, _)| id.clone()).collect();
        let known = self.ids.clone();
        let mut shown: HashMap<String, usize> = HashMap::new();
        for step in 0.. {
            let ids = page(self);
            let ended = ids.len() < LIMIT;
            ids.into_iter().for_each(|id| *shown.entry(id).or_default() += 1);
            if ended {
                break;
            }
            assert!(step <= known.len() / LIMIT, "the pages do not end");
            for write in &writes[step % writes.len()] {
                self.write(write);
            }
            due.retain(|id| self.memories.get(id).is_some_and(|memory| memory.1));
        }
        Walked { due, shown, known }
    }
}

/// Returns true if a text has a word of the query "ledger deploy".
fn matches(words: &[usize]) -> bool {
    words.iter().any(|word| *word <= 2)
}

struct Walked {
    due: Vec<String>,
    shown: HashMap<String, usize>,
    known: Vec<String>,
}

impl Walked {
    fn check(&self) -> Result<(), TestCaseError> {
        for id in &self.due {
            prop_assert_eq!(self.shown.get(id), Some(&1), "{} of {} due memories", id, self.due.len());
        }
        for (id, times) in &self.shown {
            prop_assert_eq!(*times, 1);
            prop_assert!(self.known.contains(id), "a newcomer is on a page");
        }
        Ok(())
    }
}

fn search_query(after: Option<&SearchHit>) -> SearchQuery {
    let after = after.map(SearchHit::place);
    SearchQuery {
        terms: terms::of_query("ledger deploy"),
        selection: Selection::default(),
        limit: LIMIT,
        as_of: AS_OF,
        after,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_list_of_sqlite_shows_each_memory_once_while_others_write(writes in writes()) {
        walk_list(Kind::Sqlite, &writes)?;
    }

    #[test]
    fn a_search_of_sqlite_shows_each_memory_once_while_others_write(writes in writes()) {
        walk_search(Kind::Sqlite, &writes)?;
    }
}

proptest! {
    // Each case creates a database, and each step has several round trips.
    #![proptest_config(ProptestConfig { cases: 10, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_list_of_postgres_shows_each_memory_once_while_others_write(writes in writes()) {
        walk_list(Kind::Postgres, &writes)?;
    }

    #[test]
    fn a_search_of_postgres_shows_each_memory_once_while_others_write(writes in writes()) {
        walk_search(Kind::Postgres, &writes)?;
    }
}

fn walk_list(kind: Kind, writes: &[Vec<Write>]) -> Result<(), TestCaseError> {
    let (mut world, mut after) = (World::new(kind), None);
    writes[0].iter().for_each(|write| world.write(write));
    let page = |world: &World| {
        let query = ListQuery { selection: Selection::default(), limit: LIMIT, after };
        let listed = world.runtime.block_on(world.store.list(&tenant("ann"), query)).unwrap();
        after = listed.last().map(|listed: &Listed| listed.place);
        listed.into_iter().map(|listed| listed.memory.id).collect()
    };
    world.walk(writes, page, false).check()
}

fn walk_search(kind: Kind, writes: &[Vec<Write>]) -> Result<(), TestCaseError> {
    let (mut world, mut last) = (World::new(kind), None);
    writes[0].iter().for_each(|write| world.write(write));
    let page = |world: &World| {
        let hits = world.runtime.block_on(world.store.search(&tenant("ann"), search_query(last.as_ref()))).unwrap();
        last = hits.last().cloned();
        hits.into_iter().map(|hit| hit.memory.id).collect()
    };
    world.walk(writes, page, true).check()
}

crate::on_both_stores!(a_cursor_that_needs_a_forgotten_text_is_refused);

fn a_cursor_that_needs_a_forgotten_text_is_refused(kind: Kind) {
    let mut world = World::new(kind);
    let search = |world: &World, after: Option<&SearchHit>| {
        world.runtime.block_on(world.store.search(&tenant("ann"), search_query(after)))
    };
    let last = search(&world, None).unwrap().pop().unwrap();
    world.write(&Write::Text { which: 3, words: vec![5] });
    assert!(search(&world, Some(&last)).is_ok());
    assert_eq!(world.store.execute("UPDATE {}earlier SET stored_us = stored_us - 3600000000"), 1);
    // The next write forgets the earlier text.
    world.write(&Write::Store { by_ann: true, words: vec![1], shared: false });
    assert_eq!(world.store.number("SELECT count(*) FROM {}earlier"), 0);
    assert_eq!(search(&world, Some(&last)), Err(StoreError::CursorExpired));
    let later = search(&world, None).unwrap().pop().unwrap();
    assert!(search(&world, Some(&later)).is_ok());
}
