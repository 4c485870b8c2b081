//! Search: finds the terms of the query in the full-text index and scores each memory that has at least one of them.

use super::read;
use crate::ranking::{self, Corpus};
use crate::store::{Rank, SearchHit, SearchQuery};
use crate::tenant::Tenant;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, params_from_iter};
use std::cmp::Ordering;
use std::collections::HashMap;

/// A memory with at least one of the terms.
struct Candidate {
    relevance: f64,
    created_us: i64,
    /// True if the filter of the query selects the memory.
    selected: bool,
}

/// One term in one memory.
struct Posting {
    sequence: i64,
    frequency: u64,
    length: u64,
    created_us: i64,
    selected: bool,
}

pub(super) fn search(
    connection: &Connection,
    tenant: &Tenant,
    query: &SearchQuery,
) -> rusqlite::Result<Vec<SearchHit>> {
    // Only the memories of the page are read in full. All of them still exist, because a search reads one snapshot.
    let hit = |rank: Rank| {
        let row = read::visible_row(connection, tenant, "sequence", SqlValue::from(rank.sequence))?;
        Ok(SearchHit { memory: read::memory(tenant, row), rank })
    };
    rank(connection, tenant, query)?.into_iter().map(hit).collect()
}

/// Returns the ranks of the page, best first.
fn rank(connection: &Connection, tenant: &Tenant, query: &SearchQuery) -> rusqlite::Result<Vec<Rank>> {
    let (scopes, corpus) = scopes(connection, tenant)?;
    let mut candidates: HashMap<i64, Candidate> = HashMap::new();
    // Always in the order of the query: the rounding of a sum depends on its order, and every page must get the same
    // scores.
    for term in &query.terms {
        let mut postings = Vec::new();
        for scope in &scopes {
            postings.extend(read_postings(connection, tenant, query, *scope, term)?);
        }
        // Memories that the filter or `as_of` excludes count as well, so that a filter does not change the scores of
        // the others.
        let containing = postings.len() as u64;
        for posting in postings {
            let candidate = candidates.entry(posting.sequence).or_insert(Candidate {
                relevance: 0.0,
                created_us: posting.created_us,
                selected: posting.selected,
            });
            candidate.relevance += ranking::bm25(corpus, containing, posting.frequency, posting.length);
        }
    }
    let mut ranks: Vec<Rank> = candidates
        .into_iter()
        .filter(|(_, candidate)| candidate.selected && candidate.created_us <= query.as_of)
        .map(|(sequence, candidate)| Rank {
            score: ranking::with_recency(candidate.relevance, query.as_of - candidate.created_us),
            sequence,
        })
        .filter(|rank| query.after.is_none_or(|after| compare(rank, &after) == Ordering::Greater))
        .collect();
    ranks.sort_unstable_by(compare);
    ranks.truncate(query.limit);
    Ok(ranks)
}

/// Orders hits: higher scores first, then newer memories.
fn compare(one: &Rank, other: &Rank) -> Ordering {
    other.score.total_cmp(&one.score).then(other.sequence.cmp(&one.sequence))
}

fn scopes(connection: &Connection, tenant: &Tenant) -> rusqlite::Result<(Vec<i64>, Corpus)> {
    let sql = "SELECT id, documents, terms FROM scope WHERE org = ?1 AND workspace = ?2 AND owner IN (?3, '')";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(read::identity(tenant)))?;
    let (mut scopes, mut corpus) = (Vec::new(), Corpus::default());
    while let Some(row) = rows.next()? {
        scopes.push(row.get(0)?);
        corpus.documents += row.get::<_, i64>(1)?.unsigned_abs();
        corpus.terms += row.get::<_, i64>(2)?.unsigned_abs();
    }
    Ok((scopes, corpus))
}

/// Reads the memories of `scope` that contain `term`.
fn read_postings(
    connection: &Connection,
    tenant: &Tenant,
    query: &SearchQuery,
    scope: i64,
    term: &str,
) -> rusqlite::Result<Vec<Posting>> {
    let condition = read::condition(&query.selection, 6);
    let mut values = read::identity(tenant);
    values.extend([SqlValue::from(format!("{scope}x{term}")), SqlValue::from(scope)]);
    values.extend(condition.values);
    // `CROSS JOIN` makes SQLite read the entries of the index first and then their rows. The term names the scope already; the condition on
    // the scope repeats it, so that an error in the index cannot show a memory of another tenant.
    let sql = format!(
        "SELECT w.doc, w.frequency, m.terms, m.created_us, (1{})
         FROM (SELECT doc, count(*) AS frequency FROM word_at WHERE term = ?4 GROUP BY doc) w
         CROSS JOIN memory m ON m.sequence = w.doc
         WHERE m.scope = ?5 AND {}",
        condition.sql,
        read::is_visible("?5")
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let posting = |row: &rusqlite::Row<'_>| {
        Ok(Posting {
            sequence: row.get(0)?,
            frequency: row.get::<_, i64>(1)?.unsigned_abs(),
            length: row.get::<_, i64>(2)?.unsigned_abs(),
            created_us: row.get(3)?,
            selected: row.get(4)?,
        })
    };
    statement.query_map(params_from_iter(values), posting)?.collect()
}
