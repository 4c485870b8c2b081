//! Search: reads the places of the query's concepts and returns the best memories, as `sqlite::search` does. The only difference: the filter
//! checks many memories with one statement, because each statement costs a round trip to the server.

use super::condition::Condition;
use super::failure::Failure;
use super::identity::Caller;
use super::read::{self, VISIBLE};
use crate::index::block::Block;
use crate::index::forward;
use crate::index::top::{Best, Question, Top, UnblockedCandidate};
use crate::index::wanted::QueryTerms;
use crate::ranking::{self, Corpus};
use crate::store::ranked::{Earlier, ScopeIndex, containing, question};
use crate::store::{SearchHit, SearchQuery, SearchWalk, Selection, StoreError};
use crate::tenant::Tenant;
use mcp_kit::database::DatabaseError;
use mcp_kit::database::postgres::{PostgresTransaction, Values, pipelined};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_postgres::{Error, Row as Record};

/// Number of candidates that a filter is asked about first. Each time that too few of them are selected, there are four times as many.
const CANDIDATES: usize = 256;

const ORGANISATION: &str = "SELECT newest, changes FROM memory_organisation WHERE org = $1";
const SCOPES: &str = "SELECT s.id, s.documents, s.terms, s.forgotten,
    coalesce((SELECT max(m.created_us) FROM memory m WHERE m.scope = s.id AND m.org = $1), 0)
    FROM memory_scope s WHERE s.org = $1 AND s.workspace = $2 AND s.owner IN ($3, '')";

/// What a search reads, before it is ranked.
struct Material {
    scopes: Vec<ScopeIndex>,
    corpus: Corpus,
    /// The last change whose earlier text is forgotten.
    forgotten: i64,
    newest: i64,
    changes: i64,
    earlier: Earlier,
}

pub(super) async fn search(
    transaction: &PostgresTransaction<'_>,
    tenant: &Tenant,
    query: &SearchQuery,
) -> Result<Vec<SearchHit>, Failure> {
    let material = read_material(transaction, tenant, query).await?;
    let concepts = query.terms.concepts.len();
    let walk = query.after.as_ref().map_or_else(
        || {
            Arc::new(SearchWalk {
                newest: material.newest,
                changes: material.changes,
                corpus: material.corpus,
                containing: containing(&material.scopes, concepts),
            })
        },
        |after| after.walk.clone(),
    );
    // Another number of concepts has a cursor of a release that splits texts in another way.
    if walk.changes < material.forgotten || walk.containing.len() != concepts {
        return Err(StoreError::CursorExpired.into());
    }
    let question = question(query, &walk, material.earlier.changed.clone());
    let best = best(transaction, tenant, &query.selection, question, Arc::new(material)).await?;
    hits(transaction, tenant, best, &walk).await
}

/// Returns the best memories that the filter selects.
async fn best(
    transaction: &PostgresTransaction<'_>,
    tenant: &Tenant,
    selection: &Selection,
    question: Question,
    material: Arc<Material>,
) -> Result<Vec<Best>, Failure> {
    let limit = question.limit;
    // Without a filter, every ranked memory can be returned, except one that was changed: it may have moved to a scope that the tenant cannot read.
    let unfiltered = *selection == Selection::default() && material.earlier.memories.is_empty();
    let stop = StopOnDrop::default();
    let mut candidates = if unfiltered { limit } else { CANDIDATES.max(limit) };
    loop {
        let (asked, ranked) = (Question { limit: candidates, ..question.clone() }, Arc::clone(&material));
        // Ranking thousands of places takes milliseconds, for which it must not block a thread of the runtime.
        let stop = Arc::clone(&stop.0);
        let ranking = tokio::task::spawn_blocking(move || rank(asked, &ranked, stop));
        // An empty result would look like a search that found nothing.
        let mut best = ranking.await.map_err(|error| {
            StoreError::Database(DatabaseError::Failed(format!("the ranking ended early: {error}")))
        })?;
        if unfiltered {
            return Ok(best);
        }
        let is_complete = best.len() < candidates;
        let selected = selected(transaction, tenant, selection, &best).await?;
        best.retain(|best| selected.contains(&best.rank.sequence));
        if is_complete || best.len() >= limit {
            best.truncate(limit);
            return Ok(best);
        }
        candidates *= 4;
    }
}

/// Ends a ranking whose caller has gone. It runs on a thread of its own, so it would use a core to its end, however many searches are abandoned.
#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn rank(question: Question, material: &Material, stop: Arc<AtomicBool>) -> Vec<Best> {
    let mut accept = |_| Ok::<_, Infallible>(true);
    let mut top = Top::new(question).until(stop);
    for scope in &material.scopes {
        for single in scope.recent.iter().filter(|single| !material.earlier.changed.contains(&single.memory)) {
            let Ok(()) = top.add(single, &mut accept);
        }
        let Ok(()) = top.add_lists(&scope.lists, scope.newest_day, &mut accept);
    }
    for single in &material.earlier.memories {
        let Ok(()) = top.add(single, &mut accept);
    }
    top.into_sorted()
}

/// Returns those of the candidates that the tenant can see and the filter selects.
async fn selected(
    transaction: &PostgresTransaction<'_>,
    tenant: &Tenant,
    selection: &Selection,
    candidates: &[Best],
) -> Result<HashSet<i64>, Error> {
    let numbers: Vec<i64> = candidates.iter().map(|best| best.rank.sequence).collect();
    let condition = Condition::of(selection, tenant, 5);
    let sql = format!(
        "SELECT m.sequence FROM memory m WHERE m.org = $1 AND m.scope IN {VISIBLE} AND m.sequence = ANY($4){}",
        condition.sql
    );
    let (org, workspace, user) = (tenant.org(), tenant.workspace(), tenant.user());
    let parameters = condition.parameters(&[&org, &workspace, &user, &numbers]);
    let results = pipelined(transaction, &[(&sql, &parameters)]).await?;
    results[0].iter().map(|record| record.try_get(0)).collect()
}

/// Reads the memories of the page in full.
async fn hits(
    transaction: &PostgresTransaction<'_>,
    tenant: &Tenant,
    best: Vec<Best>,
    walk: &Arc<SearchWalk>,
) -> Result<Vec<SearchHit>, Failure> {
    let numbers: Vec<i64> = best.iter().map(|best| best.rank.sequence).collect();
    let sql = read::visible("m.sequence = ANY($4)");
    let parameters: Values<'_> = &[&tenant.org(), &tenant.workspace(), &tenant.user(), &numbers];
    let results = pipelined(transaction, &[(&sql, parameters)]).await?;
    let rows = read::parse(&results[0])?.into_iter();
    let mut rows: HashMap<i64, read::Row> = rows.map(|row| (row.sequence, row)).collect();
    // All of them exist, because a search reads one snapshot.
    let hit = |best: Best| {
        let memory = rows.remove(&best.rank.sequence)?.into_memory(tenant);
        Some(SearchHit { memory, rank: best.rank, parts: best.parts, walk: Arc::clone(walk) })
    };
    Ok(best.into_iter().filter_map(hit).collect())
}

async fn read_material(
    transaction: &PostgresTransaction<'_>,
    tenant: &Tenant,
    query: &SearchQuery,
) -> Result<Material, Error> {
    let terms: Vec<&str> = query.terms.concepts.iter().map(|concept| &*concept.term).collect();
    let postings = format!(
        "SELECT p.scope, p.term, p.first, p.places, p.max_frequency, p.min_length, p.block FROM memory_posting p
         WHERE p.scope IN {VISIBLE} AND p.term = ANY($4) ORDER BY p.scope, p.term, p.first"
    );
    let recent =
        format!("SELECT r.memory, r.length, r.day, r.words, r.scope FROM memory_recent r WHERE r.scope IN {VISIBLE}");
    let earlier = format!(
        "SELECT e.memory, e.length, e.day, e.words, e.id FROM memory_earlier e WHERE e.org = $1 AND e.scope IN {VISIBLE} AND e.id > $4"
    );
    let (org, workspace, user) = (tenant.org(), tenant.workspace(), tenant.user());
    // A first page needs no earlier text, and no change has this number.
    let changes = query.after.as_ref().map_or(i64::MAX, |after| after.walk.changes);
    let results = pipelined(
        transaction,
        &[
            Caller::of(tenant).identity().set(),
            (ORGANISATION, &[&org]),
            (SCOPES, &[&org, &workspace, &user]),
            (&postings, &[&org, &workspace, &user, &terms]),
            (&recent, &[&org, &workspace, &user]),
            (&earlier, &[&org, &workspace, &user, &changes]),
        ],
    )
    .await?;
    let (newest, changes) =
        results[1].first().map_or(Ok((0, 0)), |record| Ok::<_, Error>((record.try_get(0)?, record.try_get(1)?)))?;
    let mut material = Material {
        scopes: Vec::new(),
        corpus: Corpus::default(),
        forgotten: 0,
        newest,
        changes,
        earlier: Earlier::default(),
    };
    read_scopes(&mut material, query, &results)?;
    let digests = QueryTerms::new(terms.iter().map(|term| forward::digest(term).to_vec()));
    let change = |record: &Record| Ok::<_, Error>((record.try_get(4)?, single(&digests, record)?));
    material.earlier = Earlier::of(results[5].iter().map(change).collect::<Result<_, _>>()?);
    Ok(material)
}

/// Sorts counts, blocks and new memories by scope.
fn read_scopes(material: &mut Material, query: &SearchQuery, results: &[Vec<Record>]) -> Result<(), Error> {
    let concepts = &query.terms.concepts;
    let mut scopes: BTreeMap<i64, ScopeIndex> = BTreeMap::new();
    for record in &results[2] {
        let newest_day = ranking::day(record.try_get(4)?);
        let index = ScopeIndex { newest_day, lists: vec![Vec::new(); concepts.len()], recent: Vec::new() };
        scopes.insert(record.try_get(0)?, index);
        material.corpus.documents += record.try_get::<_, i64>(1)?.unsigned_abs();
        material.corpus.words += record.try_get::<_, i64>(2)?.unsigned_abs();
        material.forgotten = material.forgotten.max(record.try_get(3)?);
    }
    let places: HashMap<&str, usize> = concepts.iter().enumerate().map(|(at, concept)| (&*concept.term, at)).collect();
    for record in &results[3] {
        let (scope, term): (i64, &str) = (record.try_get(0)?, record.try_get(1)?);
        if let (Some(scope), Some(concept)) = (scopes.get_mut(&scope), places.get(term)) {
            scope.lists[*concept].push(parse_block(record, 2)?);
        }
    }
    let plain = QueryTerms::new(concepts.iter().map(|concept| concept.term.clone().into_bytes()));
    for record in &results[4] {
        let single = single(&plain, record)?;
        if let Some(scope) = scopes.get_mut(&record.try_get(4)?).filter(|_| !single.matches.is_empty()) {
            scope.recent.push(single);
        }
    }
    material.scopes = scopes.into_values().collect();
    Ok(())
}

/// Reads a row of a memory: its number, its length, its day and its terms.
fn single(wanted: &QueryTerms, record: &Record) -> Result<UnblockedCandidate, Error> {
    Ok(wanted.single(record.try_get(0)?, record.try_get(1)?, record.try_get(2)?, record.try_get(3)?))
}

/// Reads a block, whose columns begin at this number.
pub(super) fn parse_block(record: &Record, from: usize) -> Result<Block, Error> {
    let number = |column: usize| record.try_get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Block {
        first: record.try_get(from)?,
        places: number(from + 1)?,
        max_frequency: number(from + 2)?,
        min_length: number(from + 3)?,
        bytes: record.try_get(from + 4)?,
    })
}
