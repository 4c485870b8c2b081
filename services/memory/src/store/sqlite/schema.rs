//! The tables of the store. A scope is a set of readers: one user in one workspace, or the whole workspace (`owner` is empty). Every row
//! carries its scope, and so does every entry of the full-text index, so that neither the cost nor the ranking of a search depends on what other
//! scopes hold (decisions 0009 and 0028).

use super::index;
use mcp_contracts::metric;
use mcp_kit::database::Schema;
use std::time::Duration;

pub const SCHEMA: Schema<'static> = Schema {
    // The letters `mcpm`.
    application_id: 0x6d63_706d,
    migrations: &[TABLES, MEMORY_BY_KIND, REPLY_BY_MEMORY, INDEX, super::storage::STORAGE, KEPT_ID],
    on_migration: |transaction, version| if version == INDEX_VERSION { index::rebuild(transaction) } else { Ok(()) },
    on_commit: record_commit,
};

// `AUTOINCREMENT`: the number of a deleted scope or memory is never used again, so that a cursor or a term of the index cannot come to mean
// another one. A memory keeps its `sequence`.
// `idempotency.reply` is the result that a repeated request gets.
// `word` and `word_at` were the index of versions 1 to 3.
// `documents`, `terms` and `bytes` are kept for each scope, because counting them would make every search and every `memory_stats` read all
// rows of the tenant. The statements of `write.rs` maintain them.
const TABLES: &str = "
CREATE TABLE scope (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    org TEXT NOT NULL,
    workspace TEXT NOT NULL,
    owner TEXT NOT NULL,
    documents INTEGER NOT NULL DEFAULT 0,
    terms INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (org, workspace, owner)
) STRICT;
CREATE TABLE memory (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    scope INTEGER NOT NULL REFERENCES scope (id),
    owner TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    terms INTEGER NOT NULL,
    updated_us INTEGER NOT NULL,
    version INTEGER NOT NULL,
    content_hash BLOB NOT NULL,
    kind TEXT,
    tags TEXT NOT NULL,
    metadata TEXT NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE INDEX memory_by_time ON memory (scope, created_us, sequence);
CREATE INDEX memory_by_hash ON memory (scope, content_hash);
CREATE TABLE tag (
    scope INTEGER NOT NULL,
    tag TEXT NOT NULL,
    memory INTEGER NOT NULL,
    PRIMARY KEY (scope, tag, memory)
) STRICT, WITHOUT ROWID;
CREATE TABLE idempotency (
    org TEXT NOT NULL,
    workspace TEXT NOT NULL,
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    request BLOB NOT NULL,
    reply TEXT NOT NULL,
    stored_us INTEGER NOT NULL,
    PRIMARY KEY (org, workspace, owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_time ON idempotency (stored_us);
CREATE VIRTUAL TABLE word USING fts5 (terms, content = '', contentless_delete = 1, tokenize = 'ascii');
CREATE VIRTUAL TABLE word_at USING fts5vocab (word, instance);
";

/// Index for lists of one kind, such as the action items of a retrospective, so that they read no other memories.
const MEMORY_BY_KIND: &str =
    "CREATE INDEX memory_by_kind ON memory (scope, kind, created_us, sequence) WHERE kind IS NOT NULL;";

/// Index of the kept replies that hold a whole memory, so that its deletion finds them.
const REPLY_BY_MEMORY: &str = "CREATE INDEX idempotency_by_memory ON idempotency (json_extract(reply, '$.Updated.id'))
    WHERE json_extract(reply, '$.Updated.id') IS NOT NULL;";

/// The full-text index as lists of places (decision 0028). `first` is the number of the first memory of a block. `recent` has the terms of new
/// memories until they are in blocks, and `earlier` the digests of the terms of texts that were changed within the last hour, for searches that
/// began before (decision 0029). `scope.forgotten` is the highest `earlier.id` that is gone.
// The counts are before the block, so that they are read without it. SQLite moves neither of them to another page, because a block has at most
// 1,000 bytes.
const INDEX: &str = "
DROP TABLE word_at;
DROP TABLE word;
ALTER TABLE scope ADD COLUMN recent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE scope ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
CREATE TABLE posting (
    scope INTEGER NOT NULL,
    term TEXT NOT NULL,
    first INTEGER NOT NULL,
    places INTEGER NOT NULL,
    max_frequency INTEGER NOT NULL,
    min_length INTEGER NOT NULL,
    block BLOB NOT NULL,
    PRIMARY KEY (scope, term, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE recent (
    scope INTEGER NOT NULL,
    memory INTEGER NOT NULL,
    length INTEGER NOT NULL,
    day INTEGER NOT NULL,
    words BLOB NOT NULL,
    PRIMARY KEY (scope, memory)
) STRICT, WITHOUT ROWID;
CREATE TABLE earlier (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    memory INTEGER NOT NULL,
    scope INTEGER NOT NULL,
    length INTEGER NOT NULL,
    day INTEGER NOT NULL,
    stored_us INTEGER NOT NULL,
    words BLOB NOT NULL
) STRICT;
CREATE INDEX earlier_by_memory ON earlier (memory);
CREATE INDEX earlier_by_scope ON earlier (scope, id);
CREATE INDEX earlier_by_time ON earlier (stored_us);
";
/// The version that [`INDEX`] creates.
const INDEX_VERSION: usize = 4;

/// The id that an imported memory kept, which is unique in its organisation and not in the file: `memory.id` is a new one then, and is never shown (decision
/// 0040). A release before it shows that one.
const KEPT_ID: &str = "
ALTER TABLE memory ADD COLUMN kept_id BLOB;
CREATE INDEX memory_by_kept_id ON memory (kept_id) WHERE kept_id IS NOT NULL;
";

fn record_commit(writes: usize, duration: Duration) {
    metrics::histogram!(metric::MEMORY_COMMIT_ROWS).record(writes as f64);
    metrics::histogram!(metric::MEMORY_COMMIT_SECONDS).record(duration);
}
