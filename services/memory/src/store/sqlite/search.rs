//! Search: reads the places of the query's concepts from the index and returns the best memories. `crate::index::top` ranks them.
//!
//! A walk over pages ranks the memories as they were at its first page: its cursor has the statistics of that moment, memories that are newer
//! are left out, and a memory whose text was changed since is ranked by its earlier text.

use super::failure::Failure;
use super::{index, read};
use crate::index::forward;
use crate::index::top::{Top, UnblockedCandidate};
use crate::index::wanted::QueryTerms;
use crate::ranking::{self, Corpus};
use crate::store::ranked::{Earlier, ScopeIndex, containing, question};
use crate::store::{SearchHit, SearchQuery, SearchWalk, Selection, StoreError};
use crate::tenant::Tenant;
use crate::terms::Query;
use mcp_contracts::memory::{RESERVED_TAG_PREFIXES, TagMatch};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use std::collections::HashSet;
use std::sync::Arc;

/// Number of memories that the filter checks one by one, before it reads the numbers of all memories that it selects.
// A check takes 2 us. A filter that selects many memories needs few checks, and one that selects few has few numbers.
const SINGLE_CHECKS: usize = 256;

pub(super) fn search(connection: &Connection, tenant: &Tenant, query: &SearchQuery) -> Result<Vec<SearchHit>, Failure> {
    let (ids, corpus, forgotten) = scopes(connection, tenant)?;
    let concepts = &query.terms.concepts;
    let plain = QueryTerms::new(concepts.iter().map(|concept| concept.term.clone().into_bytes()));
    let scopes: Vec<ScopeIndex> =
        ids.iter().map(|id| read_scope(connection, *id, &query.terms, &plain)).collect::<rusqlite::Result<_>>()?;
    let walk = match &query.after {
        Some(after) => after.walk.clone(),
        None => Arc::new(first_page(connection, &scopes, corpus, concepts.len())?),
    };
    // Another number of concepts has a cursor of a release that splits texts in another way.
    if walk.changes < forgotten || walk.containing.len() != concepts.len() {
        return Err(StoreError::CursorExpired.into());
    }
    let mut earlier = Earlier::default();
    if query.after.is_some() {
        let digests = QueryTerms::new(concepts.iter().map(|concept| forward::digest(&concept.term).to_vec()));
        earlier = read_earlier(connection, &ids, walk.changes, &digests)?;
    }
    let mut top = Top::new(question(query, &walk, earlier.changed.clone()));
    let mut filter = Filter { connection, tenant, selection: &query.selection, checks: 0, selected: None };
    for scope in &scopes {
        for single in scope.recent.iter().filter(|single| !earlier.changed.contains(&single.memory)) {
            top.add(single, &mut |memory| filter.accept(memory))?;
        }
        top.add_lists(&scope.lists, scope.newest_day, &mut |memory| filter.accept(memory))?;
    }
    for single in &earlier.memories {
        // The memory may have moved to a scope that the tenant cannot see.
        top.add(single, &mut |memory| filter.check(memory))?;
    }
    // Only the memories of the page are read in full. All of them still exist, because a search reads one snapshot.
    let hit = |best: crate::index::top::Best| {
        let row = read::visible_row(connection, tenant, "sequence = ?4", SqlValue::from(best.rank.sequence))?;
        Ok(SearchHit { memory: read::memory(tenant, row), rank: best.rank, parts: best.parts, walk: Arc::clone(&walk) })
    };
    top.into_sorted().into_iter().map(hit).collect()
}

/// Returns the state that all pages of a walk rank.
fn first_page(
    connection: &Connection,
    scopes: &[ScopeIndex],
    corpus: Corpus,
    concepts: usize,
) -> rusqlite::Result<SearchWalk> {
    let changes = "SELECT seq FROM sqlite_sequence WHERE name = 'earlier'";
    Ok(SearchWalk {
        newest: read::newest(connection)?,
        changes: connection.prepare_cached(changes)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(0),
        corpus,
        containing: containing(scopes, concepts),
    })
}

/// Returns the scopes of the tenant, the counts of their memories, and the last change whose earlier text is forgotten.
fn scopes(connection: &Connection, tenant: &Tenant) -> rusqlite::Result<(Vec<i64>, Corpus, i64)> {
    let sql =
        "SELECT id, documents, terms, forgotten FROM scope WHERE org = ?1 AND workspace = ?2 AND owner IN (?3, '')";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(read::identity(tenant)))?;
    let (mut scopes, mut corpus, mut forgotten) = (Vec::new(), Corpus::default(), 0);
    while let Some(row) = rows.next()? {
        scopes.push(row.get(0)?);
        corpus.documents += row.get::<_, i64>(1)?.unsigned_abs();
        corpus.words += row.get::<_, i64>(2)?.unsigned_abs();
        forgotten = forgotten.max(row.get(3)?);
    }
    Ok((scopes, corpus, forgotten))
}

fn read_scope(connection: &Connection, id: i64, query: &Query, wanted: &QueryTerms) -> rusqlite::Result<ScopeIndex> {
    let mut lists = Vec::with_capacity(query.concepts.len());
    for concept in &query.concepts {
        let sql = "SELECT first, places, max_frequency, min_length, block FROM posting WHERE scope = ?1 AND term = ?2 ORDER BY first";
        let mut statement = connection.prepare_cached(sql)?;
        lists.push(statement.query_map(params![id, concept.term], index::parse_block)?.collect::<Result<_, _>>()?);
    }
    let newest = "SELECT coalesce(max(created_us), 0) FROM memory WHERE scope = ?1";
    let newest_us: i64 = connection.prepare_cached(newest)?.query_row([id], |row| row.get(0))?;
    let sql = "SELECT memory, length, day, words FROM recent WHERE scope = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let (mut rows, mut recent) = (statement.query([id])?, Vec::new());
    while let Some(row) = rows.next()? {
        let single = single(wanted, row)?;
        if !single.matches.is_empty() {
            recent.push(single);
        }
    }
    Ok(ScopeIndex { newest_day: ranking::day(newest_us), lists, recent })
}

/// Reads a row of a memory: its number, its length, its day and its terms.
fn single(wanted: &QueryTerms, row: &rusqlite::Row<'_>) -> rusqlite::Result<UnblockedCandidate> {
    Ok(wanted.single(row.get(0)?, row.get(1)?, row.get(2)?, row.get_ref(3)?.as_blob()?))
}

fn read_earlier(
    connection: &Connection,
    scopes: &[i64],
    changes: i64,
    wanted: &QueryTerms,
) -> rusqlite::Result<Earlier> {
    let sql = "SELECT memory, length, day, words, id FROM earlier WHERE scope = ?1 AND id > ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows: Vec<(i64, UnblockedCandidate)> = Vec::new();
    for scope in scopes {
        let row = statement.query_map([*scope, changes], |row| Ok((row.get(4)?, single(wanted, row)?)))?;
        rows.extend(row.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    Ok(Earlier::of(rows))
}

/// The filter of a query.
struct Filter<'a> {
    connection: &'a Connection,
    tenant: &'a Tenant,
    selection: &'a Selection,
    checks: usize,
    /// Numbers of all memories that the filter selects.
    selected: Option<HashSet<i64>>,
}

impl Filter<'_> {
    /// Returns true if the filter selects a memory of the tenant's scopes.
    fn accept(&mut self, memory: i64) -> rusqlite::Result<bool> {
        if *self.selection == Selection::default() {
            return Ok(true);
        }
        if let Some(selected) = &self.selected {
            return Ok(selected.contains(&memory));
        }
        self.checks += 1;
        if self.checks > SINGLE_CHECKS {
            let selected = self.select()?;
            let is_selected = selected.contains(&memory);
            self.selected = Some(selected);
            return Ok(is_selected);
        }
        self.check(memory)
    }

    /// Returns true if the tenant can see the memory and the filter selects it.
    fn check(&self, memory: i64) -> rusqlite::Result<bool> {
        let condition = read::condition(self.selection, 5);
        let mut values = read::identity(self.tenant);
        values.push(memory.into());
        values.extend(condition.values);
        let visible = read::is_visible("m.scope");
        let sql =
            format!("SELECT EXISTS (SELECT 1 FROM memory m WHERE m.sequence = ?4 AND {visible}{})", condition.sql);
        self.connection.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get(0))
    }

    fn select(&self) -> rusqlite::Result<HashSet<i64>> {
        let condition = read::condition(self.selection, 5);
        let tags = &self.selection.tags;
        // A tag that every memory must have is read from its table, which has none of the service.
        let is_required = tags.tag_match == TagMatch::All || tags.tags.len() == 1;
        let is_stored = |tag: &&String| !RESERVED_TAG_PREFIXES.iter().any(|prefix| tag.starts_with(prefix));
        let required = tags.tags.iter().filter(|_| is_required).find(is_stored);
        let from = match required {
            Some(_) => format!(
                "tag d CROSS JOIN memory m ON m.sequence = d.memory WHERE d.tag = ?4 AND d.scope IN {} AND m.scope = d.scope",
                read::VISIBLE
            ),
            None => format!("memory m WHERE ?4 = '' AND m.scope IN {}", read::VISIBLE),
        };
        let mut values = read::identity(self.tenant);
        values.push(required.cloned().unwrap_or_default().into());
        values.extend(condition.values);
        let sql = format!("SELECT m.sequence FROM {from}{}", condition.sql);
        let mut statement = self.connection.prepare_cached(&sql)?;
        statement.query_map(params_from_iter(values), |row| row.get(0))?.collect()
    }
}
