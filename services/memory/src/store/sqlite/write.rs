//! What each write does inside the transaction of its batch. Every statement is confined to the scopes of the tenant.

use super::read::{self, MEMORY_COLUMNS, Row};
use crate::store::{Change, Idempotency, Inserted, NewMemory, StoreError, TagFilter};
use crate::tenant::Tenant;
use crate::terms;
use mcp_contracts::memory::{Memory, Visibility};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// How long an idempotency key is remembered, in microseconds: a day.
const KEY_LIFETIME_US: i64 = 86_400_000_000;
/// Most expired keys that one write clears away.
const CLEARED_KEYS: i64 = 8;

/// A write.
pub(super) enum Write {
    Insert(Tenant, Vec<NewMemory>),
    Update(Tenant, String, Change),
    Delete(Tenant, String),
    DeleteByTag(Tenant, TagFilter, u64),
}

/// Its answer.
pub(super) enum Written {
    Inserted(Vec<Inserted>),
    Updated(Box<Memory>),
    Deleted(u64),
}

pub(super) enum WriteError {
    /// An answer to the caller; nothing was changed.
    Refused(StoreError),
    /// Trouble of the database; the transaction is void.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

type Result<T> = std::result::Result<T, WriteError>;

/// Runs one write at the time `now`, microseconds since the epoch.
pub(super) fn run(transaction: &Transaction<'_>, write: &Write, now: i64) -> Result<Written> {
    match write {
        Write::Insert(tenant, memories) if memories.len() == 1 => {
            insert(transaction, tenant, &memories[0], now).map(|inserted| Written::Inserted(vec![inserted]))
        }
        Write::Insert(tenant, memories) => all_or_none(transaction, || {
            memories.iter().map(|memory| insert(transaction, tenant, memory, now)).collect()
        })
        .map(Written::Inserted),
        Write::Update(tenant, id, change) => {
            update(transaction, tenant, id, change, now).map(|memory| Written::Updated(Box::new(memory)))
        }
        Write::Delete(tenant, id) => {
            let row = own_row(transaction, tenant, id)?;
            remove(transaction, &row)?;
            Ok(Written::Deleted(1))
        }
        Write::DeleteByTag(tenant, tags, expected) => {
            delete_by_tag(transaction, tenant, tags, *expected).map(Written::Deleted)
        }
    }
}

fn all_or_none<T>(transaction: &Transaction<'_>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    transaction.execute_batch("SAVEPOINT many")?;
    let result = work();
    let end = if result.is_ok() { "RELEASE many" } else { "ROLLBACK TO many; RELEASE many" };
    transaction.execute_batch(end)?;
    result
}

/// A reply that an idempotency key brings back.
#[derive(Serialize, Deserialize)]
enum Remembered {
    Inserted { id: String, version: u64, content_hash: [u8; 32], created_us: i64 },
    Updated(Memory),
}

fn insert(transaction: &Transaction<'_>, tenant: &Tenant, new: &NewMemory, now: i64) -> Result<Inserted> {
    if let Some(Remembered::Inserted { id, version, content_hash, created_us }) =
        recall(transaction, tenant, new.idempotency.as_ref())?
    {
        return Ok(Inserted { id, created: false, version, content_hash, created_us });
    }
    let scope = scope_for_write(transaction, tenant, new.visibility)?;
    let content_hash: [u8; 32] = Sha256::digest(&new.content).into();
    let same = transaction
        .prepare_cached(
            "SELECT id, version, created_us FROM memory WHERE scope = ?1 AND content_hash = ?2 AND owner = ?3 ORDER BY sequence LIMIT 1",
        )?
        .query_row(params![scope, content_hash.as_slice(), tenant.user()], |row| {
            Ok((read::id_text(&row.get::<_, Vec<u8>>(0)?), row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })
        .optional()?;
    let inserted = match same {
        Some((id, version, created_us)) => {
            Inserted { id, created: false, version: version.unsigned_abs(), content_hash, created_us }
        }
        None => {
            let id = uuid::Uuid::now_v7();
            let row = Row {
                sequence: 0,
                id: id.as_bytes().to_vec(),
                scope,
                owner: tenant.user().to_owned(),
                created_us: now,
                updated_us: now,
                version: 1,
                content_hash: content_hash.to_vec(),
                kind: new.kind.clone(),
                tags: new.tags.clone(),
                metadata: new.metadata.clone(),
                content: new.content.clone(),
                shared: new.visibility == Visibility::Workspace,
            };
            add(transaction, &row)?;
            Inserted { id: id.to_string(), created: true, version: 1, content_hash, created_us: now }
        }
    };
    let remembered = Remembered::Inserted {
        id: inserted.id.clone(),
        version: inserted.version,
        content_hash,
        created_us: inserted.created_us,
    };
    remember(transaction, tenant, new.idempotency.as_ref(), &remembered, now)?;
    Ok(inserted)
}

fn update(transaction: &Transaction<'_>, tenant: &Tenant, id: &str, change: &Change, now: i64) -> Result<Memory> {
    if let Some(Remembered::Updated(memory)) = recall(transaction, tenant, change.idempotency.as_ref())? {
        return Ok(memory);
    }
    let old = own_row(transaction, tenant, id)?;
    if let Some(expected) = change.expected_version
        && expected != old.version
    {
        return Err(StoreError::VersionConflict { id: id.to_owned(), actual: old.version, expected }.into());
    }
    remove(transaction, &old)?;
    let mut row = old;
    if let Some(content) = &change.content {
        row.content_hash = Sha256::digest(content).to_vec();
        row.content.clone_from(content);
    }
    if let Some(tags) = &change.tags {
        row.tags.clone_from(tags);
    }
    if let Some(kind) = &change.kind {
        row.kind = Some(kind.clone());
    }
    if let Some(metadata) = &change.metadata {
        row.metadata.clone_from(metadata);
    }
    if let Some(visibility) = change.visibility {
        row.scope = scope_for_write_of(transaction, tenant, &row.owner, visibility)?;
    }
    row.version += 1;
    row.updated_us = now.max(row.created_us);
    add(transaction, &row)?;
    let memory = read::get(transaction, tenant, id)?;
    remember(transaction, tenant, change.idempotency.as_ref(), &Remembered::Updated(memory.clone()), now)?;
    Ok(memory)
}

fn delete_by_tag(transaction: &Transaction<'_>, tenant: &Tenant, tags: &TagFilter, expected: u64) -> Result<u64> {
    let rows = read::own_by_tag(transaction, tenant, tags)?;
    let actual = rows.len() as u64;
    if actual != expected {
        return Err(StoreError::SelectionChanged { actual, expected }.into());
    }
    for row in &rows {
        remove(transaction, row)?;
    }
    Ok(actual)
}

/// The row if the tenant sees it and may change it.
fn own_row(transaction: &Transaction<'_>, tenant: &Tenant, id: &str) -> Result<Row> {
    let row = read::row(transaction, tenant, id)?;
    if row.owner != tenant.user() && !tenant.is_admin() {
        return Err(StoreError::NotYours(id.to_owned()).into());
    }
    Ok(row)
}

fn scope_for_write(transaction: &Transaction<'_>, tenant: &Tenant, visibility: Visibility) -> Result<i64> {
    scope_for_write_of(transaction, tenant, tenant.user(), visibility)
}

fn scope_for_write_of(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    user: &str,
    visibility: Visibility,
) -> Result<i64> {
    let owner = match visibility {
        Visibility::Private => user,
        Visibility::Workspace => "",
    };
    let known = transaction
        .prepare_cached("SELECT id FROM scope WHERE org = ?1 AND workspace = ?2 AND owner = ?3")?
        .query_row([tenant.org(), tenant.workspace(), owner], |row| row.get(0))
        .optional()?;
    if let Some(scope) = known {
        return Ok(scope);
    }
    transaction.prepare_cached("INSERT INTO scope (org, workspace, owner) VALUES (?1, ?2, ?3)")?.execute([
        tenant.org(),
        tenant.workspace(),
        owner,
    ])?;
    Ok(transaction.last_insert_rowid())
}

/// Adds a row, its words and its tags. `row.sequence` is given by the table.
fn add(transaction: &Transaction<'_>, row: &Row) -> Result<()> {
    let words = terms::of(&row.content);
    let tags = serde_json::to_string(&row.tags).unwrap_or_default();
    let metadata = serde_json::to_string(&row.metadata).unwrap_or_default();
    transaction
        .prepare_cached(&format!(
            "INSERT INTO memory ({MEMORY_COLUMNS}, terms) VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
        ))?
        .execute(params![
            row.id,
            row.scope,
            row.owner,
            row.created_us,
            row.updated_us,
            row.version as i64,
            row.content_hash,
            row.kind,
            tags,
            metadata,
            row.content,
            words.len() as i64,
        ])?;
    let sequence = transaction.last_insert_rowid();
    let mut indexed = String::with_capacity(row.content.len() + words.len() * 8);
    for word in &words {
        let _ = write!(indexed, "{}x{word} ", row.scope);
    }
    transaction
        .prepare_cached("INSERT INTO word (rowid, terms) VALUES (?1, ?2)")?
        .execute(params![sequence, indexed])?;
    for tag in &row.tags {
        transaction
            .prepare_cached("INSERT OR IGNORE INTO tag (scope, tag, memory) VALUES (?1, ?2, ?3)")?
            .execute(params![row.scope, tag, sequence])?;
    }
    count(transaction, row.scope, 1, words.len() as i64, row.content.len() as i64)
}

/// Takes a row away, with its words and its tags.
fn remove(transaction: &Transaction<'_>, row: &Row) -> Result<()> {
    transaction.prepare_cached("DELETE FROM memory WHERE sequence = ?1")?.execute([row.sequence])?;
    transaction.prepare_cached("DELETE FROM word WHERE rowid = ?1")?.execute([row.sequence])?;
    for tag in &row.tags {
        transaction
            .prepare_cached("DELETE FROM tag WHERE scope = ?1 AND tag = ?2 AND memory = ?3")?
            .execute(params![row.scope, tag, row.sequence])?;
    }
    let words = terms::of(&row.content).len();
    count(transaction, row.scope, -1, -(words as i64), -(row.content.len() as i64))
}

fn count(transaction: &Transaction<'_>, scope: i64, documents: i64, terms: i64, bytes: i64) -> Result<()> {
    transaction
        .prepare_cached(
            "UPDATE scope SET documents = documents + ?2, terms = terms + ?3, bytes = bytes + ?4 WHERE id = ?1",
        )?
        .execute([scope, documents, terms, bytes])?;
    Ok(())
}

fn recall(transaction: &Transaction<'_>, tenant: &Tenant, key: Option<&Idempotency>) -> Result<Option<Remembered>> {
    let Some(Idempotency { key, request }) = key else { return Ok(None) };
    let known: Option<(Vec<u8>, String)> = transaction
        .prepare_cached(
            "SELECT request, reply FROM idempotency WHERE org = ?1 AND workspace = ?2 AND owner = ?3 AND key = ?4",
        )?
        .query_row([tenant.org(), tenant.workspace(), tenant.user(), key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match known {
        None => Ok(None),
        Some((known, reply)) if known == request => Ok(serde_json::from_str(&reply).ok()),
        Some(_) => Err(StoreError::IdempotencyConflict(key.clone()).into()),
    }
}

fn remember(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    key: Option<&Idempotency>,
    reply: &Remembered,
    now: i64,
) -> Result<()> {
    let Some(Idempotency { key, request }) = key else { return Ok(()) };
    transaction
        .prepare_cached(
            "DELETE FROM idempotency WHERE (org, workspace, owner, key) IN
             (SELECT org, workspace, owner, key FROM idempotency WHERE stored_us < ?1 LIMIT ?2)",
        )?
        .execute([now - KEY_LIFETIME_US, CLEARED_KEYS])?;
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO idempotency (org, workspace, owner, key, request, reply, stored_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            tenant.org(),
            tenant.workspace(),
            tenant.user(),
            key,
            request.as_slice(),
            serde_json::to_string(reply).unwrap_or_default(),
            now
        ])?;
    Ok(())
}
