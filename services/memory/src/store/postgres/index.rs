//! Keeps the full-text index. As in SQLite, the terms of a new memory are one row of `memory_recent`; when a scope has enough of them, they move into
//! the blocks of `memory_posting` together. A move reads the blocks of all terms with one statement, and writes them with another.

use super::search::parse_block;
use crate::index::block::{Block, Posting};
use crate::index::{forward, merge};
use crate::ranking;
use crate::terms::Document;
use mcp_kit::database::postgres::{PostgresTransaction, pipelined};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use tokio_postgres::Error;

/// Least and greatest number of terms that a scope may have outside of blocks; a term counts once for each memory that has it.
// A search receives all of them: 16,384 are about 200 KiB. SQLite, which receives nothing, allows four times as many.
const RECENT: RangeInclusive<i64> = 8_192..=16_384;
/// Between them, one term in this number of words of the scope may be outside.
const WORDS: i64 = 16;
/// Terms whose blocks are read and written together.
const TERMS: usize = 2_048;

/// Returns by how much a memory brings its scope nearer to [`RECENT`]. Not less than 1, so that memories without terms move as well.
pub(super) fn recent_terms(document: &Document) -> i64 {
    document.entries.len().max(1) as i64
}

/// A memory whose terms are added, or whose earlier text is kept.
pub(super) struct Indexed<'a> {
    pub(super) scope: i64,
    pub(super) memory: i64,
    pub(super) created_us: i64,
    pub(super) document: &'a Document,
}

/// Adds memories. [`settle`] follows when the counts of their scopes are written.
pub(super) async fn add(transaction: &PostgresTransaction<'_>, memories: &[Indexed<'_>]) -> Result<(), Error> {
    let sql = "INSERT INTO memory_recent (scope, memory, length, day, words)
        SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])";
    let scopes: Vec<i64> = memories.iter().map(|new| new.scope).collect();
    let numbers: Vec<i64> = memories.iter().map(|new| new.memory).collect();
    let lengths: Vec<i64> = memories.iter().map(|new| new.document.words.cast_signed()).collect();
    let days: Vec<i64> = memories.iter().map(|new| ranking::day(new.created_us)).collect();
    let words: Vec<Vec<u8>> = memories.iter().map(|new| forward::plain(new.document)).collect();
    pipelined(transaction, &[(sql, &[&scopes, &numbers, &lengths, &days, &words])]).await?;
    Ok(())
}

/// Keeps the terms of a text that is about to change, as digests: no text remains.
pub(super) async fn keep_earlier(
    transaction: &PostgresTransaction<'_>,
    org: &str,
    change: i64,
    old: &Indexed<'_>,
    now: i64,
) -> Result<(), Error> {
    let sql = "INSERT INTO memory_earlier (org, id, memory, scope, length, day, stored_us, words) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let (length, day) = (old.document.words.cast_signed(), ranking::day(old.created_us));
    let words = forward::digested(old.document);
    pipelined(transaction, &[(sql, &[&org, &change, &old.memory, &old.scope, &length, &day, &now, &words])]).await?;
    Ok(())
}

/// Removes a memory with this content. Returns true if its terms were not in blocks.
pub(super) async fn remove(
    transaction: &PostgresTransaction<'_>,
    scope: i64,
    memory: i64,
    document: &Document,
) -> Result<bool, Error> {
    let recent = "DELETE FROM memory_recent WHERE scope = $1 AND memory = $2 RETURNING memory";
    if !pipelined(transaction, &[(recent, &[&scope, &memory])]).await?[0].is_empty() {
        return Ok(true);
    }
    // The block of each term that would hold the memory.
    let sql = "SELECT b.term, b.first, b.places, b.max_frequency, b.min_length, b.block FROM unnest($2::text[]) t (term)
        CROSS JOIN LATERAL (SELECT p.* FROM memory_posting p WHERE p.scope = $1 AND p.term = t.term COLLATE \"C\" AND p.first <= $3
            ORDER BY p.first DESC LIMIT 1) b";
    for entries in document.entries.chunks(TERMS) {
        let terms: Vec<&str> = entries.iter().map(|entry| &*entry.term).collect();
        let results = pipelined(transaction, &[(sql, &[&scope, &terms, &memory])]).await?;
        let mut changes = Vec::new();
        for record in &results[0] {
            changes.push((record.try_get(0)?, merge::remove(&parse_block(record, 1)?, memory)));
        }
        write(transaction, scope, &changes).await?;
    }
    Ok(false)
}

/// Moves the terms of a scope with this number of words into blocks if it has enough of them outside.
pub(super) async fn settle(
    transaction: &PostgresTransaction<'_>,
    scope: i64,
    recent: i64,
    words: i64,
) -> Result<(), Error> {
    let allowed = (words / WORDS).clamp(*RECENT.start(), *RECENT.end());
    if recent >= allowed { move_to_blocks(transaction, scope).await } else { Ok(()) }
}

/// A memory whose terms are not in blocks.
struct Recent {
    memory: i64,
    length: u64,
    day: i64,
    words: Vec<u8>,
}

async fn move_to_blocks(transaction: &PostgresTransaction<'_>, scope: i64) -> Result<(), Error> {
    let read = "DELETE FROM memory_recent WHERE scope = $1 RETURNING memory, length, day, words";
    let count = "UPDATE memory_scope SET recent = 0 WHERE id = $1";
    let results = pipelined(transaction, &[(read, &[&scope]), (count, &[&scope])]).await?;
    let mut memories = Vec::new();
    for record in &results[0] {
        let length = record.try_get::<_, i64>(1)?.unsigned_abs();
        memories.push(Recent {
            memory: record.try_get(0)?,
            length,
            day: record.try_get(2)?,
            words: record.try_get(3)?,
        });
    }
    memories.sort_unstable_by_key(|recent| recent.memory);
    let mut places: Vec<(&str, Posting<'_>)> = Vec::new();
    for &Recent { memory, length, day, ref words } in &memories {
        for word in forward::words(words) {
            let term = std::str::from_utf8(word.term).unwrap_or_default();
            places.push((term, Posting { memory, frequency: word.frequency, length, day, forms: word.forms }));
        }
    }
    // The sort is stable: the places of a term stay in the order of their memories.
    places.sort_by_key(|(term, _)| *term);
    let terms: Vec<&[(&str, Posting<'_>)]> = places.chunk_by(|(one, _), (other, _)| one == other).collect();
    for terms in terms.chunks(TERMS) {
        add_to_blocks(transaction, scope, terms).await?;
    }
    Ok(())
}

/// Adds the places of some terms, each with the places of one term.
async fn add_to_blocks(
    transaction: &PostgresTransaction<'_>,
    scope: i64,
    terms: &[&[(&str, Posting<'_>)]],
) -> Result<(), Error> {
    // The block that would hold the first place of a term, and those after it: the last block, unless an old memory was changed.
    let sql = "SELECT p.term, p.first, p.places, p.max_frequency, p.min_length, p.block
        FROM unnest($2::text[], $3::bigint[]) t (term, memory)
        CROSS JOIN LATERAL (SELECT q.* FROM memory_posting q WHERE q.scope = $1 AND q.term = t.term COLLATE \"C\"
            AND q.first >= coalesce((SELECT max(f.first) FROM memory_posting f
                WHERE f.scope = $1 AND f.term = t.term COLLATE \"C\" AND f.first <= t.memory), 0)) p
        ORDER BY p.term, p.first";
    let names: Vec<&str> = terms.iter().map(|places| places[0].0).collect();
    let firsts: Vec<i64> = terms.iter().map(|places| places[0].1.memory).collect();
    let results = pipelined(transaction, &[(sql, &[&scope, &names, &firsts])]).await?;
    let mut blocks: HashMap<&str, Vec<Block>> = HashMap::new();
    for record in &results[0] {
        blocks.entry(record.try_get(0)?).or_default().push(parse_block(record, 1)?);
    }
    let mut changes = Vec::with_capacity(terms.len());
    for places in terms {
        let of_term: Vec<Posting<'_>> = places.iter().map(|(_, place)| *place).collect();
        changes.push((places[0].0, merge::add(blocks.remove(places[0].0).unwrap_or_default(), &of_term)));
    }
    write(transaction, scope, &changes).await
}

/// Writes the changed blocks of some terms.
async fn write(
    transaction: &PostgresTransaction<'_>,
    scope: i64,
    changes: &[(&str, merge::Change)],
) -> Result<(), Error> {
    let delete = "DELETE FROM memory_posting p USING unnest($2::text[], $3::bigint[]) r (term, first)
        WHERE p.scope = $1 AND p.term = r.term COLLATE \"C\" AND p.first = r.first";
    let upsert = "INSERT INTO memory_posting (scope, term, first, places, max_frequency, min_length, block)
        SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[])
        ON CONFLICT (scope, term, first) DO UPDATE SET places = excluded.places, max_frequency = excluded.max_frequency,
            min_length = excluded.min_length, block = excluded.block";
    let removed = || changes.iter().flat_map(|(term, change)| change.removed.iter().map(move |first| (*term, *first)));
    let (removed_terms, removed_firsts): (Vec<&str>, Vec<i64>) = removed().unzip();
    let written = || changes.iter().flat_map(|(term, change)| change.written.iter().map(move |block| (*term, block)));
    let terms: Vec<&str> = written().map(|(term, _)| term).collect();
    let firsts: Vec<i64> = written().map(|(_, block)| block.first).collect();
    let numbers = |of: fn(&Block) -> u64| written().map(|(_, block)| of(block).cast_signed()).collect::<Vec<i64>>();
    let (places, frequencies, lengths) =
        (numbers(|block| block.places), numbers(|block| block.max_frequency), numbers(|block| block.min_length));
    let bytes: Vec<&[u8]> = written().map(|(_, block)| &*block.bytes).collect();
    if !removed_terms.is_empty() {
        pipelined(transaction, &[(delete, &[&scope, &removed_terms, &removed_firsts])]).await?;
    }
    if !terms.is_empty() {
        pipelined(transaction, &[(upsert, &[&scope, &terms, &firsts, &places, &frequencies, &lengths, &bytes])])
            .await?;
    }
    Ok(())
}
