//! Keeps the full-text index. The terms of a new memory are one row of `recent`; when a scope has [`RECENT`] such terms, they move into the
//! blocks of `posting` together, because a block that takes the places of several memories is written once. What a search reads is in `search`.

use crate::index::block::{self, Block, Posting};
use crate::index::forward;
use crate::ranking;
use crate::terms::{self, Document};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, params};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Least and greatest number of terms that a scope may have outside of blocks; a term counts once for each memory that has it.
// A search reads all of them: 65,536, which 2,000 short memories have, instead of 16,384 add 0.5 ms. The more of them move together, the fewer
// blocks and pages are written for each memory (decision 0042).
const RECENT: RangeInclusive<i64> = 16_384..=65_536;
/// Between them, one term in this number of words of the scope may be outside.
const WORDS: i64 = 16;
/// Minimum time for which the terms of an earlier text are kept, so that a search that began before the change can go on: one hour.
const EARLIER_US: i64 = 3_600_000_000;
/// Maximum number of earlier texts that one write removes.
// More than one, so that the table shrinks; few, so that no write takes long.
const REMOVED: i64 = 8;
/// Memories that a migration reads before it writes their terms.
const PORTION: usize = 1_000;

/// Returns the number of terms for which a memory counts towards [`RECENT`]. At least 1, so that memories without terms move as well.
pub(super) fn recent_terms(document: &Document) -> i64 {
    document.entries.len().max(1) as i64
}

/// Adds a memory. [`settle`] follows when the counts of its scope are written.
pub(super) fn add(
    transaction: &Transaction<'_>,
    scope: i64,
    memory: i64,
    created_us: i64,
    document: &Document,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO recent (scope, memory, length, day, words) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![scope, memory, document.words as i64, ranking::day(created_us), forward::plain(document)])?;
    Ok(())
}

/// Moves the terms of a scope with this number of words into blocks if it has enough of them outside.
pub(super) fn settle(transaction: &Transaction<'_>, scope: i64, recent: i64, words: i64) -> rusqlite::Result<()> {
    let allowed = (words / WORDS).clamp(*RECENT.start(), *RECENT.end());
    if recent >= allowed { move_to_blocks(transaction, scope) } else { Ok(()) }
}

/// Removes a memory with this content. Returns true if its terms were not in blocks.
pub(super) fn remove(
    transaction: &Transaction<'_>,
    scope: i64,
    memory: i64,
    document: &Document,
) -> rusqlite::Result<bool> {
    let mut statement = transaction.prepare_cached("DELETE FROM recent WHERE scope = ?1 AND memory = ?2")?;
    if statement.execute([scope, memory])? > 0 {
        return Ok(true);
    }
    let mut blocks = Blocks::of(transaction, scope)?;
    for entry in &document.entries {
        if let Some(block) = blocks.at(&entry.term, memory)? {
            blocks.write(&entry.term, Some(block.first), &block::removed(&block, memory))?;
        }
    }
    Ok(false)
}

/// Keeps the terms of a text that is about to change, as digests: no text remains.
pub(super) fn keep_earlier(
    transaction: &Transaction<'_>,
    scope: i64,
    memory: i64,
    created_us: i64,
    document: &Document,
    now: i64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO earlier (memory, scope, length, day, stored_us, words) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            memory,
            scope,
            document.words as i64,
            ranking::day(created_us),
            now,
            forward::digested(document)
        ])?;
    Ok(())
}

/// Removes the earlier texts of a memory that is deleted.
pub(super) fn forget(transaction: &Transaction<'_>, memory: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM earlier WHERE memory = ?1")?.execute([memory])?;
    Ok(())
}

/// Removes some earlier texts that are older than [`EARLIER_US`]. A search that needs them has expired then.
pub(super) fn forget_old(transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<()> {
    let oldest = now - EARLIER_US;
    // Asked first, because nearly every write finds none, and the deletion builds two tables in memory.
    let exists = "SELECT EXISTS (SELECT 1 FROM earlier WHERE stored_us < ?1)";
    if !transaction.prepare_cached(exists)?.query_row([oldest], |row| row.get::<_, bool>(0))? {
        return Ok(());
    }
    let mut statement = transaction.prepare_cached(
        "DELETE FROM earlier WHERE id IN (SELECT id FROM earlier WHERE stored_us < ?1 ORDER BY id LIMIT ?2) RETURNING id, scope",
    )?;
    let removed = statement.query_map([oldest, REMOVED], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (id, scope) in removed.collect::<rusqlite::Result<Vec<(i64, i64)>>>()? {
        transaction
            .prepare_cached("UPDATE scope SET forgotten = max(forgotten, ?2) WHERE id = ?1")?
            .execute([scope, id])?;
    }
    Ok(())
}

/// Writes the index of all memories of a file whose release had none like this.
pub(super) fn rebuild(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let total: i64 = transaction.query_row("SELECT count(*) FROM memory", [], |row| row.get(0))?;
    let (mut last, mut done) = (i64::MIN, 0);
    loop {
        let sql =
            "SELECT scope, sequence, created_us, content FROM memory WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
        let mut statement = transaction.prepare_cached(sql)?;
        let mut rows = statement.query(params![last, PORTION as i64])?;
        let mut scopes: BTreeMap<i64, Vec<UnblockedMemory>> = BTreeMap::new();
        let mut words: Vec<(i64, u64)> = Vec::new();
        while let Some(row) = rows.next()? {
            let document = terms::of(row.get_ref(3)?.as_str()?);
            let (memory, length, day) = (row.get(1)?, document.words, ranking::day(row.get(2)?));
            words.push((memory, length));
            let recent = UnblockedMemory { memory, length, day, words: forward::plain(&document) };
            scopes.entry(row.get(0)?).or_default().push(recent);
        }
        let Some((memory, _)) = words.last() else { break };
        last = *memory;
        for (scope, memories) in &scopes {
            add_to_blocks(transaction, *scope, memories)?;
        }
        for (memory, length) in &words {
            let set = "UPDATE memory SET terms = ?2 WHERE sequence = ?1";
            transaction.prepare_cached(set)?.execute([*memory, length.cast_signed()])?;
        }
        done += words.len();
        tracing::info!(done, total, "memories are indexed");
    }
    let set = "UPDATE scope SET terms = (SELECT coalesce(sum(m.terms), 0) FROM memory m WHERE m.scope = scope.id)";
    transaction.execute(set, [])?;
    Ok(())
}

/// A memory whose terms are not in blocks.
struct UnblockedMemory {
    memory: i64,
    length: u64,
    day: i64,
    words: Vec<u8>,
}

fn move_to_blocks(transaction: &Transaction<'_>, scope: i64) -> rusqlite::Result<()> {
    let recent = |row: &rusqlite::Row<'_>| {
        let length = row.get::<_, i64>(1)?.unsigned_abs();
        Ok(UnblockedMemory { memory: row.get(0)?, length, day: row.get(2)?, words: row.get(3)? })
    };
    let memories: Vec<UnblockedMemory> = transaction
        .prepare_cached("SELECT memory, length, day, words FROM recent WHERE scope = ?1 ORDER BY memory")?
        .query_map([scope], recent)?
        .collect::<Result<_, _>>()?;
    add_to_blocks(transaction, scope, &memories)?;
    transaction.prepare_cached("DELETE FROM recent WHERE scope = ?1")?.execute([scope])?;
    transaction.prepare_cached("UPDATE scope SET recent = 0 WHERE id = ?1")?.execute([scope])?;
    Ok(())
}

/// Adds the terms of memories, which are in order of their numbers.
fn add_to_blocks(transaction: &Transaction<'_>, scope: i64, memories: &[UnblockedMemory]) -> rusqlite::Result<()> {
    let mut places: Vec<(&str, Posting<'_>)> = Vec::new();
    for &UnblockedMemory { memory, length, day, ref words } in memories {
        for word in forward::words(words) {
            let term = std::str::from_utf8(word.term).unwrap_or_default();
            places.push((term, Posting { memory, frequency: word.frequency, length, day, forms: word.forms }));
        }
    }
    // By term, so that each block is written once, and neighbours in the table one after the other. The sort is stable: the places of a term
    // stay in the order of their memories.
    places.sort_by_key(|(term, _)| *term);
    let mut blocks = Blocks::of(transaction, scope)?;
    for places in places.chunk_by(|(one, _), (other, _)| one == other) {
        let of_term: Vec<Posting<'_>> = places.iter().map(|(_, place)| *place).collect();
        blocks.add(places[0].0, &of_term)?;
    }
    Ok(())
}

/// The blocks of a scope, with the statements that read and write one.
// A move writes thousands of blocks. The statements are looked up once for all of them.
struct Blocks<'a> {
    connection: &'a Connection,
    scope: i64,
    read: CachedStatement<'a>,
    write: CachedStatement<'a>,
}

impl<'a> Blocks<'a> {
    fn of(connection: &'a Connection, scope: i64) -> rusqlite::Result<Self> {
        let read = connection.prepare_cached(
            "SELECT first, places, max_frequency, min_length, block FROM posting
             WHERE scope = ?1 AND term = ?2 AND first <= ?3 ORDER BY first DESC LIMIT 1",
        )?;
        let write = connection.prepare_cached(
            "INSERT OR REPLACE INTO posting (scope, term, first, places, max_frequency, min_length, block) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        Ok(Self { connection, scope, read, write })
    }

    /// Returns the block that would hold the memory.
    fn at(&mut self, term: &str, memory: i64) -> rusqlite::Result<Option<Block>> {
        self.read.query_row(params![self.scope, term, memory], parse_block).optional()
    }

    fn add(&mut self, term: &str, places: &[Posting<'_>]) -> rusqlite::Result<()> {
        let mut places = places;
        while let Some(first) = places.first() {
            let last = self.at(term, i64::MAX)?;
            // The last block, unless a memory that is older than it was changed.
            let (block, end) = match last {
                Some(last) if last.first > first.memory => {
                    let next = "SELECT first FROM posting WHERE scope = ?1 AND term = ?2 AND first > ?3 ORDER BY first LIMIT 1";
                    let values = params![self.scope, term, first.memory];
                    let next: i64 = self.connection.prepare_cached(next)?.query_row(values, |row| row.get(0))?;
                    (self.at(term, first.memory)?, places.partition_point(|place| place.memory < next))
                }
                last => (last, places.len()),
            };
            let (these, rest) = places.split_at(end);
            let replaced = block.as_ref().map(|block| block.first);
            let blocks = block.map_or_else(|| block::blocks(these), |block| block::added(block, these));
            self.write(term, replaced, &blocks)?;
            places = rest;
        }
        Ok(())
    }

    /// Writes blocks in place of the one that began with the memory `replaced`.
    fn write(&mut self, term: &str, replaced: Option<i64>, blocks: &[Block]) -> rusqlite::Result<()> {
        if let Some(replaced) = replaced.filter(|replaced| blocks.iter().all(|block| block.first != *replaced)) {
            self.connection
                .prepare_cached("DELETE FROM posting WHERE scope = ?1 AND term = ?2 AND first = ?3")?
                .execute(params![self.scope, term, replaced])?;
        }
        for Block { first, places, max_frequency, min_length, bytes } in blocks {
            let [places, frequency, length] = [*places, *max_frequency, *min_length].map(u64::cast_signed);
            self.write.execute(params![self.scope, term, first, places, frequency, length, bytes])?;
        }
        Ok(())
    }
}

pub(super) fn parse_block(row: &rusqlite::Row<'_>) -> rusqlite::Result<Block> {
    let number = |column: usize| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Block {
        first: row.get(0)?,
        places: number(1)?,
        max_frequency: number(2)?,
        min_length: number(3)?,
        bytes: row.get(4)?,
    })
}
