//! Nobody sees what is not theirs, whatever is called in whatever order; and a search is exactly what a simple model says.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

use mcp_contracts::memory::{TagMatch, Visibility};
use mcp_contracts::{Claims, Plan, Role, Scope};
use mcp_memory::ranking::{Corpus, bm25, with_recency};
use mcp_memory::store::sqlite::SqliteStore;
use mcp_memory::store::{Change, ListQuery, NewMemory, SearchQuery, Selection, Store, StoreError, TagFilter};
use mcp_memory::tenant::Tenant;
use mcp_memory::terms;
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
    let (org, workspace, user) = CALLERS[caller];
    Tenant::of(&Claims {
        sub: user.into(),
        org_id: org.into(),
        workspace_slug: workspace.into(),
        plan: Plan::Enterprise,
        role: Role::default(),
        scopes: vec![Scope::MemoryRead, Scope::MemoryWrite, Scope::MemoryDelete],
        exp: u64::MAX,
        iat: 0,
        jti: String::new(),
        aud: "mcp".into(),
    })
}

/// What the model knows of a memory.
#[derive(Debug, Clone)]
struct Known {
    owner: usize,
    shared: bool,
    content: String,
    tags: Vec<String>,
    /// Order of storing and changing.
    sequence: u64,
}

impl Known {
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
    ];
    prop::collection::vec(step, 1..50)
}

/// The store and the model, side by side.
struct Both {
    runtime: Runtime,
    store: SqliteStore,
    known: BTreeMap<String, Known>,
    ids: Vec<String>,
    sequence: u64,
    _folder: tempfile::TempDir,
}

impl Both {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = SqliteStore::open(&folder.path().join("memory.db")).unwrap();
        Self { runtime, store, known: BTreeMap::new(), ids: Vec::new(), sequence: 0, _folder: folder }
    }

    fn run(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Store { caller, words, tags, shared } => self.insert(*caller, words, tags, *shared),
            Step::Update { caller, which, words } => {
                let content = self.text(words);
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
        }
    }

    fn text(&self, words: &[usize]) -> String {
        let words: Vec<&str> = words.iter().map(|word| WORDS[*word]).collect();
        // Every content is its own, so that no two are taken for one.
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
            idempotency: None,
        };
        let inserted = self.runtime.block_on(self.store.insert(&tenant(caller), vec![new])).unwrap();
        prop_assert!(inserted[0].created);
        self.sequence += 1;
        self.ids.push(inserted[0].id.clone());
        self.known
            .insert(inserted[0].id.clone(), Known { owner: caller, shared, content, tags, sequence: self.sequence });
        Ok(())
    }

    fn id(&self, which: usize) -> Option<String> {
        (!self.ids.is_empty()).then(|| self.ids[which % self.ids.len()].clone())
    }

    /// What a change by `caller` must answer: nothing to see, not yours, or done.
    fn expected(&self, caller: usize, id: &str) -> Result<(), StoreError> {
        match self.known.get(id) {
            Some(known) if known.visible_to(caller) => {
                if CALLERS[known.owner].2 == CALLERS[caller].2 {
                    Ok(())
                } else {
                    Err(StoreError::NotYours(id.to_owned()))
                }
            }
            Some(_) | None => Err(StoreError::NotFound(id.to_owned())),
        }
    }

    fn change(&mut self, caller: usize, which: usize, change: Change) -> Result<(), TestCaseError> {
        let Some(id) = self.id(which) else { return Ok(()) };
        let answer = self.runtime.block_on(self.store.update(&tenant(caller), id.clone(), change.clone()));
        let expected = self.expected(caller, &id);
        prop_assert_eq!(answer.as_ref().map(|_| ()).map_err(Clone::clone), expected);
        if let (Ok(memory), Some(known)) = (answer, self.known.get_mut(&id)) {
            self.sequence += 1;
            known.sequence = self.sequence;
            known.content = change.content.unwrap_or_else(|| known.content.clone());
            known.shared = change.visibility.map_or(known.shared, |visibility| visibility == Visibility::Workspace);
            prop_assert_eq!(&memory.content, &known.content);
        }
        Ok(())
    }

    fn delete(&mut self, caller: usize, which: usize) -> Result<(), TestCaseError> {
        let Some(id) = self.id(which) else { return Ok(()) };
        let answer = self.runtime.block_on(self.store.delete(&tenant(caller), id.clone()));
        prop_assert_eq!(answer.clone(), self.expected(caller, &id));
        if answer.is_ok() {
            self.known.remove(&id);
        }
        Ok(())
    }

    fn delete_by_tag(&mut self, caller: usize, tag: usize) -> Result<(), TestCaseError> {
        let filter = filter(&[tag], false);
        let mine = |known: &Known| {
            known.visible_to(caller)
                && CALLERS[known.owner].2 == CALLERS[caller].2
                && known.tags.contains(&TAGS[tag].to_owned())
        };
        let expected = self.known.values().filter(|known| mine(known)).count() as u64;
        let counted = self.runtime.block_on(self.store.count_by_tag(&tenant(caller), filter.clone())).unwrap();
        prop_assert_eq!(counted, expected);
        let wrong = self.runtime.block_on(self.store.delete_by_tag(&tenant(caller), filter.clone(), expected + 1));
        prop_assert_eq!(wrong, Err(StoreError::SelectionChanged { actual: expected, expected: expected + 1 }));
        let gone = self.runtime.block_on(self.store.delete_by_tag(&tenant(caller), filter, expected)).unwrap();
        prop_assert_eq!(gone, expected);
        self.known.retain(|_, known| !mine(known));
        Ok(())
    }

    fn get(&self, caller: usize, which: usize) -> Result<(), TestCaseError> {
        let Some(id) = self.id(which) else { return Ok(()) };
        let answer =
            self.runtime.block_on(self.store.get(&tenant(caller), id.clone())).ok().map(|memory| memory.content);
        let expected = self.known.get(&id).filter(|known| known.visible_to(caller)).map(|known| known.content.clone());
        prop_assert_eq!(answer, expected);
        Ok(())
    }

    fn visible(&self, caller: usize) -> impl Iterator<Item = (&String, &Known)> {
        self.known.iter().filter(move |(_, known)| known.visible_to(caller))
    }

    /// Pages through a search; the model must find the same memories with the same scores.
    fn search(&self, caller: usize, words: &[usize], tags: TagFilter, page: usize) -> Result<(), TestCaseError> {
        let terms = terms::of_query(&words.iter().map(|word| WORDS[*word]).collect::<Vec<_>>().join(" "));
        let as_of = i64::MAX / 2;
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let query = SearchQuery { terms: terms.clone(), selection: selection(&tags), limit: page, as_of, after };
            let hits = self.runtime.block_on(self.store.search(&tenant(caller), query)).unwrap();
            after = hits.last().map(|hit| hit.rank);
            let ended = hits.len() < page;
            found.extend(hits.into_iter().map(|hit| (hit.memory.id, hit.rank.score)));
            if ended {
                break;
            }
        }
        let expected = self.model_search(caller, &terms, &tags);
        prop_assert_eq!(found.len(), expected.len(), "{:?} {:?}", found, expected);
        for ((id, score), (expected_id, expected_score)) in found.iter().zip(&expected) {
            prop_assert_eq!(id, expected_id);
            prop_assert!((score - expected_score).abs() < 1e-9);
        }
        Ok(())
    }

    fn model_search(&self, caller: usize, words: &[String], tags: &TagFilter) -> Vec<(String, f64)> {
        let texts: Vec<(&String, &Known, Vec<String>)> =
            self.visible(caller).map(|(id, known)| (id, known, terms::of(&known.content))).collect();
        let corpus =
            Corpus { documents: texts.len() as u64, terms: texts.iter().map(|(_, _, terms)| terms.len() as u64).sum() };
        let count = |terms: &[String], word: &String| terms.iter().filter(|term| *term == word).count() as u64;
        let mut hits: Vec<(&String, f64, u64)> = Vec::new();
        for (id, known, terms) in &texts {
            let mut relevance = 0.0;
            for word in words.iter().filter(|word| count(terms, word) > 0) {
                let containing = texts.iter().filter(|(_, _, terms)| count(terms, word) > 0).count() as u64;
                relevance += bm25(corpus, containing, count(terms, word), terms.len() as u64);
            }
            if relevance > 0.0 && selected(known, tags) {
                hits.push((id, with_recency(relevance, i64::MAX / 4), known.sequence));
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
            self.visible(caller).filter(|(_, known)| selected(known, &tags)).map(|(id, _)| id.clone()).collect();
        let mut sorted = listed.clone();
        sorted.sort();
        expected.sort();
        prop_assert_eq!(sorted, expected);
        Ok(())
    }

    fn stats(&self, caller: usize) -> Result<(), TestCaseError> {
        let stats = self.runtime.block_on(self.store.stats(&tenant(caller))).unwrap();
        let count = |shared: bool| self.visible(caller).filter(|(_, known)| known.shared == shared).count() as u64;
        let bytes: usize = self.visible(caller).map(|(_, known)| known.content.len()).sum();
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
    Selection { tags: tags.clone(), kind: None, created_from: None, created_before: None }
}

fn selected(known: &Known, filter: &TagFilter) -> bool {
    let carried = |tag: &String| known.tags.contains(tag);
    match filter.tag_match {
        TagMatch::Any => filter.tags.is_empty() || filter.tags.iter().any(carried),
        TagMatch::All => filter.tags.iter().all(carried),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_what_a_simple_model_says(steps in steps()) {
        let mut both = Both::new();
        for step in &steps {
            both.run(step)?;
        }
        for caller in 0..CALLERS.len() {
            for which in 0..both.ids.len() {
                both.get(caller, which)?;
            }
        }
    }
}

#[test]
fn a_filter_by_the_tags_of_the_service_never_widens_what_is_seen() {
    let mut both = Both::new();
    for caller in 0..CALLERS.len() {
        for shared in [false, true] {
            both.insert(caller, &[0], &[], shared).unwrap();
        }
    }
    let ask = |caller: usize, tags: &[&str], tag_match| {
        let tags = TagFilter { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), tag_match };
        let query = ListQuery { selection: selection(&tags), limit: 100, after: None };
        both.runtime.block_on(both.store.list(&tenant(caller), query)).unwrap().len()
    };
    assert_eq!(ask(0, &[], TagMatch::All), 3, "two of her own, one shared by bob");
    assert_eq!(ask(0, &["org:acme", "workspace:default"], TagMatch::All), 3);
    assert_eq!(ask(0, &["user:bob"], TagMatch::All), 1, "only what bob shares");
    assert_eq!(ask(0, &["org:zeta"], TagMatch::All), 0);
    assert_eq!(ask(0, &["workspace:lab"], TagMatch::All), 0);
    assert_eq!(ask(0, &["org:zeta", "user:zoe", "workspace:lab"], TagMatch::Any), 0);
}
