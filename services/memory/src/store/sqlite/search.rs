//! Search: the words of the query are looked up in the full-text index with the scope inside each term, then scored over what
//! the tenant can see. A memory is a hit if it has at least one of the words.

use super::error::explain;
use super::read::{self, MEMORY_COLUMNS, VISIBLE};
use crate::ranking::{self, Corpus};
use crate::store::{Found, Rank, SearchQuery, StoreError};
use crate::tenant::Tenant;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, params_from_iter};
use std::cmp::Ordering;
use std::collections::HashMap;

/// A text that has at least one of the words.
struct Candidate {
    relevance: f64,
    created_us: i64,
    selected: bool,
}

/// One word in one text.
struct Posting {
    sequence: i64,
    frequency: u64,
    length: u64,
    created_us: i64,
    selected: bool,
}

pub(super) fn search(connection: &Connection, tenant: &Tenant, query: &SearchQuery) -> Result<Vec<Found>, StoreError> {
    let ranks = rank(connection, tenant, query).map_err(|error| explain(&error))?;
    let mut found = Vec::with_capacity(ranks.len());
    for rank in ranks {
        let mut values = read::identity(tenant);
        values.push(SqlValue::from(rank.sequence));
        let text =
            format!("SELECT {MEMORY_COLUMNS}, {} FROM memory WHERE sequence = ?4 AND scope IN {VISIBLE}", read::SHARED);
        let row = connection
            .prepare_cached(&text)
            .and_then(|mut statement| statement.query_row(params_from_iter(values), read::row_of))
            .map_err(|error| explain(&error))?;
        found.push(Found { memory: read::memory(tenant, row), rank });
    }
    Ok(found)
}

/// The places of the page, best first.
fn rank(connection: &Connection, tenant: &Tenant, query: &SearchQuery) -> rusqlite::Result<Vec<Rank>> {
    let (scopes, corpus) = scopes(connection, tenant)?;
    let mut candidates: HashMap<i64, Candidate> = HashMap::new();
    for term in &query.terms {
        let mut postings = Vec::new();
        for scope in &scopes {
            postings.extend(look_up(connection, tenant, query, *scope, term)?);
        }
        let containing = postings.len() as u64;
        for posting in postings {
            let gain = ranking::bm25(corpus, containing, posting.frequency, posting.length);
            let candidate = candidates.entry(posting.sequence).or_insert(Candidate {
                relevance: 0.0,
                created_us: posting.created_us,
                selected: posting.selected,
            });
            candidate.relevance += gain;
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

/// Better first: higher score, then newer.
fn compare(one: &Rank, other: &Rank) -> Ordering {
    other.score.total_cmp(&one.score).then(other.sequence.cmp(&one.sequence))
}

fn scopes(connection: &Connection, tenant: &Tenant) -> rusqlite::Result<(Vec<i64>, Corpus)> {
    let text = "SELECT id, documents, terms FROM scope WHERE org = ?1 AND workspace = ?2 AND owner IN (?3, '')";
    let mut statement = connection.prepare_cached(text)?;
    let mut rows = statement.query(params_from_iter(read::identity(tenant)))?;
    let (mut scopes, mut corpus) = (Vec::new(), Corpus::default());
    while let Some(row) = rows.next()? {
        scopes.push(row.get(0)?);
        corpus.documents += row.get::<_, i64>(1)?.unsigned_abs();
        corpus.terms += row.get::<_, i64>(2)?.unsigned_abs();
    }
    Ok((scopes, corpus))
}

/// Every text of `scope` with `term`; the statement holds the scope to the tenant once more.
fn look_up(
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
    let text = format!(
        "SELECT w.doc, w.frequency, m.terms, m.created_us, (1{})
         FROM (SELECT doc, count(*) AS frequency FROM word_at WHERE term = ?4 GROUP BY doc) w
         CROSS JOIN memory m ON m.sequence = w.doc
         WHERE m.scope = ?5 AND m.scope IN {VISIBLE}",
        condition.text
    );
    let mut statement = connection.prepare_cached(&text)?;
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
