//! No tenant sees the memories of another, in any order of calls, and every reply equals that of a simple model.
use crate::factory::{self, Kind, TestStore};
use mcp_contracts::memory::{TagMatch, Visibility};
use mcp_contracts::{Claims, Scope};
use mcp_memory::ranking::{Corpus, Weight};
use mcp_memory::store::{
    Change, ListQuery, NewMemory, SearchHit, SearchQuery, Selection, StoreError, TagFilter, TagSelection,
};
use mcp_memory::tenant::Tenant;
use mcp_memory::terms::{self, Concept, Document, Query};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tokio::runtime::Runtime;

/// Organisation, workspace, user.
const CALLERS: [(&str, &str, &str); 6] = [
    ("acme", "default", "ann"),
    ("acme", "default", "bob"),
    ("acme", "lab", "ann"),
    ("zeta", "default", "ann"),
    ("zeta", "default", "zoe"),
    ("zeta", "lab", "zoe"),
];
const WORDS: [&str; 8] = ["redis", "ledger", "deploy", "cache", "retry", "Redis-7", "Größe", "acme"];
const TAGS: [&str; 3] = ["incident", "note", "topic:billing"];

fn tenant(caller: usize) -> Tenant {
    tenant_with(caller, &[Scope::MemoryRead, Scope::MemoryWrite, Scope::MemoryDelete])
}

fn tenant_with(caller: usize, scopes: &[Scope]) -> Tenant {
    let (org, workspace, user) = CALLERS[caller];
    Tenant::of(&Claims { workspace_slug: workspace.into(), ..mcp_testkit::claims(org, user, scopes) })
}

/// A memory of the model.
#[derive(Debug, Clone)]
struct ModelMemory {
    owner: usize,
    shared: bool,
    content: String,
    tags: Vec<String>,
    /// Grows with each insert.
    sequence: u64,
}

impl ModelMemory {
    fn visible_to(&self, caller: usize) -> bool {
        let (owner, reader) = (CALLERS[self.owner], CALLERS[caller]);
        (owner.0, owner.1) == (reader.0, reader.1) && (self.shared || owner.2 == reader.2)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Store { caller: usize, words: Vec<usize>, tags: Vec<usize>, shared: bool },
    Update { caller: usize, which: usize, words: Vec<usize> },
    Share { caller: usize, which: usize, shared: bool },
    Delete { caller: usize, which: usize },
    DeleteByTag { caller: usize, tag: usize },
    Get { caller: usize, which: usize },
    Search { caller: usize, words: Vec<usize>, tags: Vec<usize>, any: bool, page: usize },
    List { caller: usize, tags: Vec<usize>, any: bool, page: usize },
    Stats { caller: usize },
    Settle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let caller = || 0..CALLERS.len();
    let words = || prop::collection::vec(0..WORDS.len(), 1..6);
    let tags = || prop::collection::vec(0..TAGS.len(), 0..3);
    let step = prop_oneof![
        6 => (caller(), words(), tags(), any::<bool>()).prop_map(|(caller, words, tags, shared)| Step::Store { caller, words, tags, shared }),
        2 => (caller(), 0..60usize, words()).prop_map(|(caller, which, words)| Step::Update { caller, which, words }),
        1 => (caller(), 0..60usize, any::<bool>()).prop_map(|(caller, which, shared)| Step::Share { caller, which, shared }),
        2 => (caller(), 0..60usize).prop_map(|(caller, which)| Step::Delete { caller, which }),
        1 => (caller(), 0..TAGS.len()).prop_map(|(caller, tag)| Step::DeleteByTag { caller, tag }),
        3 => (caller(), 0..60usize).prop_map(|(caller, which)| Step::Get { caller, which }),
        4 => (caller(), words(), tags(), any::<bool>(), 1..5usize).prop_map(|(caller, words, tags, any, page)| Step::Search { caller, words, tags, any, page }),
        2 => (caller(), tags(), any::<bool>(), 1..5usize).prop_map(|(caller, tags, any, page)| Step::List { caller, tags, any, page }),
        1 => caller().prop_map(|caller| Step::Stats { caller }),
        2 => Just(Step::Settle),
    ];
    prop::collection::vec(step, 1..50)
}

/// Runs each step on the store and on the model, and compares the replies.
struct Comparison {
    runtime: Runtime,
    store: TestStore,
    memories: BTreeMap<String, ModelMemory>,
    ids: Vec<String>,
    sequence: u64,
}

impl Comparison {
    fn new(kind: Kind) -> Self {
        let runtime = factory::runtime();
        let store = runtime.block_on(TestStore::open(kind));
        Self { runtime, store, memories: BTreeMap::new(), ids: Vec::new(), sequence: 0 }
    }

    fn run(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Store { caller, words, tags, shared } => self.insert(*caller, words, tags, *shared),
            Step::Update { caller, which, words } => {
                let content = self.text(words);
                // A later store must not have the text of this change.
                self.sequence += 1;
                self.change(*caller, *which, Change { content: Some(content), ..Change::default() })
            }
            Step::Share { caller, which, shared } => {
                self.change(*caller, *which, Change { visibility: Some(visibility(*shared)), ..Change::default() })
            }
            Step::Delete { caller, which } => self.delete(*caller, *which),
            Step::DeleteByTag { caller, tag } => self.delete_by_tag(*caller, *tag),
            Step::Get { caller, which } => self.get(*caller, *which),
            Step::Search { caller, words, tags, any, page } => self.search(*caller, words, filter(tags, *any), *page),
            Step::List { caller, tags, any, page } => self.list(*caller, filter(tags, *any), *page),
            Step::Stats { caller } => self.stats(*caller),
            // The next write of each scope moves its terms into blocks.
            Step::Settle => {
                self.store.settle();
                Ok(())
            }
        }
    }

    fn text(&self, words: &[usize]) -> String {
        let words: Vec<&str> = words.iter().map(|word| WORDS[*word]).collect();
        // Every content is different, so that none is a duplicate.
        format!("{}, n{}.", words.join(" "), self.sequence)
    }

    fn insert(&mut self, caller: usize, words: &[usize], tags: &[usize], shared: bool) -> Result<(), TestCaseError> {
        let content = self.text(words);
        let tags = filter(tags, true).tags;
        let new = NewMemory {
            content: content.clone(),
            tags: tags.clone(),
            kind: None,
            metadata: serde_json::Map::new(),
            visibility: visibility(shared),
            created_us: None,
            id: None,
            idempotency: None,
        };
        let inserted = self.runtime.block_on(self.store.insert(&tenant(caller), vec![new])).unwrap();
        prop_assert!(inserted[0].created);
        self.sequence += 1;
        self.ids.push(inserted[0].id.clone());
        self.memories.insert(
            inserted[0].id.clone(),
            ModelMemory { owner: caller, shared, content, tags, sequence: self.sequence },
        );
        Ok(())
    }

    fn id(&self, which: usize) -> Option<String> {
        (!self.ids.is_empty()).then(|| self.ids[which % self.ids.len()].clone())
    }

    /// Returns the result that a change by `caller` must have.
    fn expected(&self, caller: usize, id: &str) -> Result<(), StoreError> {
        match self.memories.get(id) {
            Some(memory) if memory.visible_to(caller) => {
                if CALLERS[memory.owner].2 == CALLERS[caller].2 {
                    Ok(())
                } else {
                    Err(StoreError::NotOwner(id.to_owned()))
                }
            }
            Some(_) | None => Err(StoreError::NotFound(id.to_owned())),
        }
    }

    fn change(&mut self, caller: usize, which: usize, change: Change) -> Result<(), TestCaseError> {
        let Some(id) = self.id(which) else { return Ok(()) };
        let reply = self.runtime.block_on(self.store.update(&tenant(caller), id.clone(), change.clone()));
        let expected = self.expected(caller, &id);
        prop_assert_eq!(reply.as_ref().map(|_| ()).map_err(Clone::clone), expected);
        if let (Ok(changed), Some(memory)) = (reply, self.memories.get_mut(&id)) {
            memory.content = change.content.unwrap_or_else(|| memory.content.clone());
            memory.shared = change.visibility.map_or(memory.shared, |visibility| visibility == Visibility::Workspace);
            prop_assert_eq!(&changed.content, &memory.content);
        }
        Ok(())
    }

    fn delete(&mut self, caller: usize, which: usize) -> Result<(), TestCaseError> {
        let Some(id) = self.id(which) else { return Ok(()) };
        let reply = self.runtime.block_on(self.store.delete(&tenant(caller), id.clone()));
        prop_assert_eq!(reply.clone(), self.expected(caller, &id));
        if reply.is_ok() {
            self.memories.remove(&id);
        }
        Ok(())
    }

    fn delete_by_tag(&mut self, caller: usize, tag: usize) -> Result<(), TestCaseError> {
        let filter = filter(&[tag], false);
        let is_own = |memory: &ModelMemory| {
            memory.visible_to(caller)
                && CALLERS[memory.owner].2 == CALLERS[caller].2
                && memory.tags.contains(&TAGS[tag].to_owned())
        };
        let expected = self.memories.values().filter(|memory| is_own(memory)).count() as u64;
        let counted = self.runtime.block_on(self.store.select_by_tag(&tenant(caller), filter.clone())).unwrap();
        prop_assert_eq!(counted.count, expected);
        let other = TagSelection { digest: [0; 32], ..counted };
        let wrong = self.runtime.block_on(self.store.delete_by_tag(&tenant(caller), filter.clone(), other));
        prop_assert_eq!(wrong, Err(StoreError::SelectionChanged { actual: expected, expected }));
        let deleted = self.runtime.block_on(self.store.delete_by_tag(&tenant(caller), filter, counted)).unwrap();
        prop_assert_eq!(deleted, expected);
        self.memories.retain(|_, memory| !is_own(memory));
        Ok(())
    }

    fn get(&self, caller: usize, which: usize) -> Result<(), TestCaseError> {
        let Some(id) = self.id(which) else { return Ok(()) };
        let reply =
            self.runtime.block_on(self.store.get(&tenant(caller), id.clone())).ok().map(|memory| memory.content);
        let expected =
            self.memories.get(&id).filter(|memory| memory.visible_to(caller)).map(|memory| memory.content.clone());
        prop_assert_eq!(reply, expected);
        Ok(())
    }

    fn visible(&self, caller: usize) -> impl Iterator<Item = (&String, &ModelMemory)> {
        self.memories.iter().filter(move |(_, memory)| memory.visible_to(caller))
    }

    /// Reads all pages of a search; the model must find the same memories with the same scores.
    fn search(&self, caller: usize, words: &[usize], tags: TagFilter, page: usize) -> Result<(), TestCaseError> {
        let terms = terms::of_query(&words.iter().map(|word| WORDS[*word]).collect::<Vec<_>>().join(" "));
        let as_of = i64::MAX / 2;
        let (mut results, mut after) = (Vec::new(), None);
        loop {
            let query = SearchQuery { terms: terms.clone(), selection: selection(&tags), limit: page, as_of, after };
            let hits = self.runtime.block_on(self.store.search(&tenant(caller), query)).unwrap();
            after = hits.last().map(SearchHit::place);
            let ended = hits.len() < page;
            results.extend(hits.into_iter().map(|hit| (hit.memory.id, hit.rank.score)));
            if ended {
                break;
            }
        }
        let expected = self.model_search(caller, &terms, &tags);
        prop_assert_eq!(results.len(), expected.len(), "{:?} {:?}", results, expected);
        for ((id, score), (expected_id, expected_score)) in results.iter().zip(&expected) {
            prop_assert_eq!(id, expected_id);
            prop_assert!((score - expected_score).abs() < 1e-9);
        }
        Ok(())
    }

    fn model_search(&self, caller: usize, query: &Query, tags: &TagFilter) -> Vec<(String, f64)> {
        let texts: Vec<(&String, &ModelMemory, Document)> =
            self.visible(caller).map(|(id, memory)| (id, memory, terms::of(&memory.content))).collect();
        let words = texts.iter().map(|(_, _, document)| document.words).sum();
        let corpus = Corpus { documents: texts.len() as u64, words };
        let find = |document: &Document, concept: &Concept| {
            document.entries.iter().find(|entry| entry.term == concept.term).cloned()
        };
        let mut hits: Vec<(&String, f64, u64)> = Vec::new();
        for (id, memory, document) in &texts {
            let mut relevance = 0.0;
            for concept in &query.concepts {
                let Some(entry) = find(document, concept) else { continue };
                let containing = texts.iter().filter(|(_, _, other)| find(other, concept).is_some()).count() as u64;
                let exact = concept.forms.iter().any(|form| entry.forms.contains(form));
                let weight = Weight::new(corpus, containing, concept.weight);
                relevance += weight.score(entry.frequency, document.words, exact);
            }
            // The age of every memory is beyond what counts as recent.
            if relevance > 0.0 && selected(memory, tags) {
                hits.push((id, relevance, memory.sequence));
            }
        }
        hits.sort_by(|one, other| other.1.total_cmp(&one.1).then(other.2.cmp(&one.2)));
        hits.into_iter().map(|(id, score, _)| (id.clone(), score)).collect()
    }

    fn list(&self, caller: usize, tags: TagFilter, page: usize) -> Result<(), TestCaseError> {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let query = ListQuery { selection: selection(&tags), limit: page, after };
            let memories = self.runtime.block_on(self.store.list(&tenant(caller), query)).unwrap();
            after = memories.last().map(|memory| memory.place);
            let ended = memories.len() < page;
            listed.extend(memories.into_iter().map(|memory| memory.memory.id));
            if ended {
                break;
            }
        }
        let mut expected: Vec<String> =
            self.visible(caller).filter(|(_, memory)| selected(memory, &tags)).map(|(id, _)| id.clone()).collect();
        let mut sorted = listed.clone();
        sorted.sort();
        expected.sort();
        prop_assert_eq!(sorted, expected);
        Ok(())
    }

    fn stats(&self, caller: usize) -> Result<(), TestCaseError> {
        let stats = self.runtime.block_on(self.store.stats(&tenant(caller))).unwrap();
        let count = |shared: bool| self.visible(caller).filter(|(_, memory)| memory.shared == shared).count() as u64;
        let bytes: usize = self.visible(caller).map(|(_, memory)| memory.content.len()).sum();
        prop_assert_eq!((stats.private, stats.shared, stats.bytes), (count(false), count(true), bytes as u64));
        Ok(())
    }
}

fn visibility(shared: bool) -> Visibility {
    if shared { Visibility::Workspace } else { Visibility::Private }
}

fn filter(tags: &[usize], any: bool) -> TagFilter {
    let mut tags: Vec<String> = tags.iter().map(|tag| TAGS[*tag].to_owned()).collect();
    tags.sort();
    tags.dedup();
    TagFilter { tags, tag_match: if any { TagMatch::Any } else { TagMatch::All } }
}

fn selection(tags: &TagFilter) -> Selection {
    Selection { tags: tags.clone(), ..Selection::default() }
}

fn selected(memory: &ModelMemory, filter: &TagFilter) -> bool {
    let carried = |tag: &String| memory.tags.contains(tag);
    match filter.tag_match {
        TagMatch::Any => filter.tags.is_empty() || filter.tags.iter().any(carried),
        TagMatch::All => filter.tags.iter().all(carried),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_reply_of_sqlite_equals_that_of_a_simple_model(steps in steps()) {
        compare(Kind::Sqlite, &steps)?;
    }

}

proptest! {
    // Each case creates a database, and each step has several round trips.
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn every_reply_of_postgres_equals_that_of_a_simple_model(steps in steps()) {
        compare(Kind::Postgres, &steps)?;
    }
}

fn compare(kind: Kind, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut comparison = Comparison::new(kind);
    for step in steps {
        comparison.run(step)?;
    }
    for caller in 0..CALLERS.len() {
        for which in 0..comparison.ids.len() {
            comparison.get(caller, which)?;
        }
    }
    Ok(())
}

crate::on_both_stores!(
    a_filter_by_tags_of_the_service_never_shows_more_memories,
    an_admin_can_make_a_shared_memory_of_another_user_private_and_gets_it_back,
);

fn a_filter_by_tags_of_the_service_never_shows_more_memories(kind: Kind) {
    let mut comparison = Comparison::new(kind);
    for caller in 0..CALLERS.len() {
        for shared in [false, true] {
            comparison.insert(caller, &[0], &[], shared).unwrap();
        }
    }
    let count = |caller: usize, tags: &[&str], tag_match| {
        let tags = TagFilter { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), tag_match };
        let query = ListQuery { selection: selection(&tags), limit: 100, after: None };
        comparison.runtime.block_on(comparison.store.list(&tenant(caller), query)).unwrap().len()
    };
    assert_eq!(count(0, &[], TagMatch::All), 3, "two of her own, one shared by bob");
    assert_eq!(count(0, &["org:acme", "workspace:default"], TagMatch::All), 3);
    assert_eq!(count(0, &["user:bob"], TagMatch::All), 1, "only what bob shares");
    assert_eq!(count(0, &["org:zeta"], TagMatch::All), 0);
    assert_eq!(count(0, &["workspace:lab"], TagMatch::All), 0);
    assert_eq!(count(0, &["org:zeta", "user:zoe", "workspace:lab"], TagMatch::Any), 0);
}

fn an_admin_can_make_a_shared_memory_of_another_user_private_and_gets_it_back(kind: Kind) {
    let mut comparison = Comparison::new(kind);
    let (ann, bob) = (0, 1);
    comparison.insert(bob, &[0], &[], true).unwrap();
    let (id, change) =
        (comparison.ids[0].clone(), Change { visibility: Some(Visibility::Private), ..Change::default() });
    let update = |tenant| comparison.runtime.block_on(comparison.store.update(&tenant, id.clone(), change.clone()));
    assert_eq!(update(tenant(ann)).unwrap_err(), StoreError::NotOwner(id.clone()));
    let changed = update(tenant_with(ann, &[Scope::MemoryWrite, Scope::Admin])).unwrap();
    assert_eq!((changed.visibility, changed.version), (Visibility::Private, 2));
    assert!(changed.tags.contains(&"user:bob".to_owned()));
    let read = |caller| comparison.runtime.block_on(comparison.store.get(&tenant(caller), id.clone()));
    assert_eq!((read(bob), read(ann)), (Ok(changed), Err(StoreError::NotFound(id.clone()))));
}
