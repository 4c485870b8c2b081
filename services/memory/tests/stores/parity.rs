//! Both stores give the same hits in the same order with the same scores, to the last bit.

use crate::factory::{self, Kind, TestStore};
use mcp_contracts::memory::Visibility;
use mcp_contracts::{Claims, Plan, Role, Scope};
use mcp_memory::store::{Change, NewMemory, SearchHit, SearchQuery, Selection, TagFilter};
use mcp_memory::tenant::Tenant;
use mcp_memory::terms;
use serde_json::Value;

const LIMIT: usize = 10;
/// Pages of each question.
const PAGES: usize = 3;
const DAY_US: i64 = 86_400_000_000;
const AS_OF: i64 = 1_800_000_000_000_000;

/// A memory in the order of the insertions, and all bits of its score and of its parts.
type Hit = (usize, u64, Vec<u64>);

fn tenant(user: &str) -> Tenant {
    Tenant::of(&Claims {
        sub: user.into(),
        org_id: "acme".into(),
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

fn lines(name: &str) -> Vec<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/corpora/memory").join(name);
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn memory(number: usize, text: &str) -> NewMemory {
    NewMemory {
        content: text.to_owned(),
        tags: if number.is_multiple_of(3) { vec!["third".into()] } else { Vec::new() },
        kind: None,
        metadata: serde_json::Map::new(),
        visibility: if number.is_multiple_of(4) { Visibility::Workspace } else { Visibility::Private },
        // Of many ages, so that recency counts.
        created_us: Some(AS_OF - number as i64 % 400 * DAY_US / 4),
        id: None,
        idempotency: None,
    }
}

/// Stores the labelled memories of two users, so that some are in blocks and some are not, and one in ten was changed.
async fn fill(store: &TestStore) -> Vec<String> {
    let (mut ids, memories) = (Vec::new(), lines("memories.jsonl"));
    for (part, memories) in memories.chunks(100).enumerate() {
        let user = if part % 3 == 2 { "bob" } else { "ann" };
        let text = |(at, memory): (usize, &Value)| memory_of(part * 100 + at, memory);
        let new: Vec<NewMemory> = memories.iter().enumerate().map(text).collect();
        ids.extend(store.insert(&tenant(user), new).await.unwrap().into_iter().map(|inserted| inserted.id));
        if part == 3 {
            store.settle();
        }
    }
    for (number, id) in ids.iter().enumerate().filter(|(number, _)| number % 10 == 0) {
        let user = if number / 100 % 3 == 2 { "bob" } else { "ann" };
        let content = format!("{} (changed)", memories[number]["text"].as_str().unwrap());
        let change = Change { content: Some(content), ..Change::default() };
        store.update(&tenant(user), id.clone(), change).await.unwrap();
    }
    ids
}

fn memory_of(number: usize, memory: &Value) -> NewMemory {
    self::memory(number, memory["text"].as_str().unwrap())
}

/// Returns the pages of each question, with and without a filter.
async fn answers(kind: Kind) -> Vec<Vec<Hit>> {
    let store = TestStore::open(kind).await;
    let ids = fill(&store).await;
    let mut answers = Vec::new();
    for question in lines("questions.jsonl") {
        for tags in [TagFilter::default(), TagFilter { tags: vec!["third".into()], ..TagFilter::default() }] {
            let selection = Selection { tags, ..Selection::default() };
            let terms = terms::of_query(question["question"].as_str().unwrap());
            let mut after = None;
            for _ in 0..PAGES {
                let (terms, selection) = (terms.clone(), selection.clone());
                let query = SearchQuery { terms, selection, limit: LIMIT, as_of: AS_OF, after };
                let hits = store.search(&tenant("ann"), query).await.unwrap();
                after = hits.last().map(SearchHit::place);
                answers.push(hits.iter().map(|hit| bits(hit, &ids)).collect());
                if after.is_none() {
                    break;
                }
            }
        }
    }
    store.close().await;
    answers
}

fn bits(hit: &SearchHit, ids: &[String]) -> Hit {
    let number = ids.iter().position(|id| *id == hit.memory.id).unwrap();
    (number, hit.rank.score.to_bits(), hit.parts.iter().map(|part| part.to_bits()).collect())
}

#[test]
fn both_stores_rank_the_labelled_questions_alike_to_the_last_bit() {
    let runtime = factory::runtime();
    let (sqlite, postgres) = (runtime.block_on(answers(Kind::Sqlite)), runtime.block_on(answers(Kind::Postgres)));
    assert_eq!(sqlite.len(), postgres.len());
    let hits: usize = sqlite.iter().map(Vec::len).sum();
    assert!(hits > 5_000, "{hits} hits compare little");
    for (number, (sqlite, postgres)) in sqlite.iter().zip(&postgres).enumerate() {
        assert_eq!(sqlite, postgres, "page {number}");
    }
}
