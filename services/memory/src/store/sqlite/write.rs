//! Writes. Several writes share one transaction, which is not rolled back if one of them is refused. A refused write therefore returns before
//! it changes anything; only an insert of several memories needs a savepoint.

use super::failure::Failure;
use super::idempotency::{forget_replies, recall, remember};
use super::index;
use super::read::{self, Row, WITH_ID};
use super::storage;
use crate::store::kept::StoredResult;
use crate::store::text::{Text, Texts};
use crate::store::{Change, Inserted, NewMemory, StoreError};
use crate::tenant::Tenant;
use crate::terms::{self, Document};
use mcp_contracts::memory::{Memory, Visibility};
use rusqlite::types::Value as SqlValue;
use rusqlite::{OptionalExtension, Transaction, params, params_from_iter};
use std::collections::BTreeMap;
use uuid::Uuid;

type Result<T> = std::result::Result<T, Failure>;

/// Inserts all memories or none.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    allowed: u64,
    memories: &[NewMemory],
    texts: &Texts,
    now: i64,
) -> Result<Vec<Inserted>> {
    index::forget_old(transaction, now)?;
    let mut added: BTreeMap<i64, Counts> = BTreeMap::new();
    let mut insert_all = || {
        let insert = |(at, memory): (usize, &NewMemory)| {
            let text = texts.get(at, &memory.content);
            insert_one(transaction, tenant, allowed, memory, &text, now, &mut added)
        };
        memories.iter().enumerate().map(insert).collect::<Result<Vec<Inserted>>>()
    };
    // One memory is refused before it changes anything, so the usual case does without the cost of a savepoint.
    let inserted = if memories.len() == 1 { insert_all() } else { with_savepoint(transaction, insert_all) }?;
    // Once for each scope, so that the terms of all memories move into blocks together, and after the savepoint, which would keep a second copy of
    // each page that the move changes.
    for (scope, counts) in added {
        add_counts(transaction, scope, counts)?;
    }
    Ok(inserted)
}

/// Undoes what `work` has changed if it fails.
fn with_savepoint<T>(transaction: &Transaction<'_>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    transaction.execute_batch("SAVEPOINT many")?;
    let result = work();
    // Some failures, such as a full disk, end the transaction with all its savepoints. Then that failure is the one to report.
    if result.is_err() && transaction.is_autocommit() {
        return result;
    }
    let end = if result.is_ok() { "RELEASE many" } else { "ROLLBACK TO many; RELEASE many" };
    transaction.execute_batch(end)?;
    result
}

fn insert_one(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    allowed: u64,
    new: &NewMemory,
    text: &Text,
    now: i64,
    added: &mut BTreeMap<i64, Counts>,
) -> Result<Inserted> {
    if let Some(StoredResult::Inserted(inserted)) = recall(transaction, tenant, new.idempotency.as_ref())? {
        return Ok(inserted);
    }
    // Not created yet, because a memory that is refused must leave nothing.
    let existing = scope_of(transaction, tenant, tenant.user(), new.visibility)?;
    let content_hash = text.content_hash;
    let duplicate = match (new.id, existing) {
        (Some(id), _) => with_id(transaction, tenant, id, content_hash)?,
        (None, Some(scope)) => with_text(transaction, tenant, scope, content_hash)?,
        (None, None) => None,
    };
    let inserted = match duplicate {
        Some(duplicate) => duplicate,
        None => {
            storage::admit(transaction, tenant, allowed, new)?;
            let scope = match existing {
                Some(scope) => scope,
                None => create_scope(transaction, tenant, tenant.user(), new.visibility)?,
            };
            let id = new.id.unwrap_or_else(Uuid::now_v7);
            let created_us = new.created_us.map_or(now, |created| created.min(now));
            let row = Row {
                sequence: 0,
                id: id.as_bytes().to_vec(),
                scope,
                owner: tenant.user().to_owned(),
                created_us,
                updated_us: now,
                version: 1,
                content_hash: content_hash.to_vec(),
                kind: new.kind.clone(),
                tags: new.tags.clone(),
                metadata: new.metadata.clone(),
                content: new.content.clone(),
                shared: new.visibility == Visibility::Workspace,
            };
            added.entry(scope).or_default().add(add(transaction, &row, &text.document, new.id.is_some())?);
            Inserted { id: id.to_string(), created: true, version: 1, content_hash, created_us }
        }
    };
    // A duplicate is stored with the key as well, so that a repeated request returns the same memory even if it was changed since.
    remember(transaction, tenant, new.idempotency.as_ref(), &StoredResult::Inserted(inserted.clone()), now)?;
    Ok(inserted)
}

/// Returns the user's memory with this text.
// Only a memory of the same owner is a duplicate: in the scope of a workspace, another owner may delete theirs at any time. An update can make
// two memories equal; the older one is returned then.
fn with_text(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    scope: i64,
    content_hash: [u8; 32],
) -> rusqlite::Result<Option<Inserted>> {
    let sql = "SELECT coalesce(kept_id, id), version, created_us FROM memory WHERE scope = ?1 AND content_hash = ?2 AND owner = ?3
               ORDER BY sequence LIMIT 1";
    transaction
        .prepare_cached(sql)?
        .query_row(params![scope, content_hash.as_slice(), tenant.user()], |row| {
            Ok(Inserted {
                id: read::id_text(&row.get::<_, Vec<u8>>(0)?),
                created: false,
                version: row.get::<_, i64>(1)?.unsigned_abs(),
                content_hash,
                created_us: row.get(2)?,
            })
        })
        .optional()
}

/// Returns the memory with an id that an import keeps, if the tenant can see it and it has the same text. Fails if the organisation has the id for
/// another memory. Other organisations are not looked at, so that the reply depends on none of them.
fn with_id(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    id: Uuid,
    content_hash: [u8; 32],
) -> Result<Option<Inserted>> {
    let sql = format!(
        "SELECT {} AND content_hash = ?5, version, created_us FROM memory m
         WHERE {WITH_ID} AND (SELECT s.org FROM scope s WHERE s.id = m.scope) = ?1",
        read::is_visible("m.scope")
    );
    let mut values = read::identity(tenant);
    values.extend([SqlValue::from(id.as_bytes().to_vec()), SqlValue::from(content_hash.to_vec())]);
    let existing = transaction
        .prepare_cached(&sql)?
        .query_row(params_from_iter(values), |row| {
            let version = row.get::<_, i64>(1)?.unsigned_abs();
            let inserted =
                Inserted { id: id.to_string(), created: false, version, content_hash, created_us: row.get(2)? };
            Ok((row.get::<_, bool>(0)?, inserted))
        })
        .optional()?;
    match existing {
        Some((false, _)) => Err(StoreError::IdInUse(id).into()),
        existing => Ok(existing.map(|(_, inserted)| inserted)),
    }
}

pub(super) fn update(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    allowed: u64,
    id: &str,
    change: &Change,
    text: &Texts,
    now: i64,
) -> Result<Memory> {
    match recall(transaction, tenant, change.idempotency.as_ref())? {
        Some(StoredResult::Updated(memory)) => return Ok(memory),
        Some(StoredResult::Deleted) => return Err(StoreError::NotFound(id.to_owned()).into()),
        Some(StoredResult::Inserted(_)) | None => {}
    }
    let mut row = writable_row(transaction, tenant, id)?;
    if let Some(expected) = change.expected_version
        && expected != row.version
    {
        return Err(StoreError::VersionConflict { id: id.to_owned(), actual: row.version, expected }.into());
    }
    let before = row.clone();
    storage::admit_change(transaction, tenant, allowed, &row, change)?;
    let text = change.content.as_ref().map(|content| text.get(0, content));
    if let (Some(content), Some(text)) = (&change.content, &text) {
        row.content_hash = text.content_hash.to_vec();
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
        // The scope of the owner and not of the caller: an admin may change the memory of another user.
        row.scope = scope_for_write(transaction, tenant, &row.owner, visibility)?;
        row.shared = visibility == Visibility::Workspace;
    }
    row.version += 1;
    // The clock may have been set back.
    row.updated_us = now.max(row.created_us);
    replace(transaction, &before, &row, text.as_deref(), now)?;
    // Not read back: a memory that an admin makes private is no longer visible to the admin.
    let memory = read::memory(tenant, row);
    remember(transaction, tenant, change.idempotency.as_ref(), &StoredResult::Updated(memory.clone()), now)?;
    Ok(memory)
}

pub(super) fn delete(transaction: &Transaction<'_>, tenant: &Tenant, id: &str) -> Result<()> {
    let row = writable_row(transaction, tenant, id)?;
    forget_replies(transaction, &row)?;
    Ok(remove(transaction, &row)?)
}

/// Deletes a memory of any owner.
pub(super) fn erase(transaction: &Transaction<'_>, sequence: i64) -> rusqlite::Result<()> {
    let Some(row) = read::any_row(transaction, sequence)? else { return Ok(()) };
    forget_replies(transaction, &row)?;
    remove(transaction, &row)
}

/// Deletes those of the memories with these sequence numbers that still have their versions and are the user's own. Returns their number.
pub(super) fn delete_portion(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    versions: &[(i64, i64)],
) -> rusqlite::Result<u64> {
    let mut deleted = 0;
    for (sequence, version) in versions {
        let row = read::visible_row(transaction, tenant, "sequence = ?4", SqlValue::from(*sequence)).optional()?;
        // A memory that was changed since the confirmation has another version.
        let confirmed = |row: &Row| row.owner == tenant.user() && row.version == version.unsigned_abs();
        if let Some(row) = row.filter(confirmed) {
            forget_replies(transaction, &row)?;
            remove(transaction, &row)?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// Returns the row. Fails if the tenant cannot see it or may not change it.
fn writable_row(transaction: &Transaction<'_>, tenant: &Tenant, id: &str) -> Result<Row> {
    let row = read::row(transaction, tenant, id)?;
    if row.owner != tenant.user() && !tenant.is_admin() {
        return Err(StoreError::NotOwner(id.to_owned()).into());
    }
    Ok(row)
}

/// Returns the scope of a memory of `user`, and creates it if the user or workspace has none yet.
fn scope_for_write(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    user: &str,
    visibility: Visibility,
) -> rusqlite::Result<i64> {
    match scope_of(transaction, tenant, user, visibility)? {
        Some(scope) => Ok(scope),
        None => create_scope(transaction, tenant, user, visibility),
    }
}

fn scope_of(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    user: &str,
    visibility: Visibility,
) -> rusqlite::Result<Option<i64>> {
    transaction
        .prepare_cached("SELECT id FROM scope WHERE org = ?1 AND workspace = ?2 AND owner = ?3")?
        .query_row(scope_key(tenant, user, visibility), |row| row.get(0))
        .optional()
}

fn create_scope(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    user: &str,
    visibility: Visibility,
) -> rusqlite::Result<i64> {
    transaction
        .prepare_cached("INSERT INTO scope (org, workspace, owner) VALUES (?1, ?2, ?3)")?
        .execute(scope_key(tenant, user, visibility))?;
    Ok(transaction.last_insert_rowid())
}

/// Returns organisation, workspace and owner of a scope.
fn scope_key<'a>(tenant: &'a Tenant, user: &'a str, visibility: Visibility) -> [&'a str; 3] {
    let owner = match visibility {
        Visibility::Private => user,
        Visibility::Workspace => "",
    };
    [tenant.org(), tenant.workspace(), owner]
}

/// Inserts a row under a new sequence number, with its terms and tags. If its id is a kept one, the row also gets an id that is unique in the file.
/// Returns what it adds to the counts of its scope.
fn add(transaction: &Transaction<'_>, row: &Row, document: &Document, is_kept: bool) -> rusqlite::Result<Counts> {
    // Version 7 begins with the time, so that new ids go to the end of their index.
    let id = if is_kept { Uuid::now_v7().as_bytes().to_vec() } else { row.id.clone() };
    let tags = serde_json::to_string(&row.tags).unwrap_or_default();
    let metadata = serde_json::to_string(&row.metadata).unwrap_or_default();
    transaction
        .prepare_cached(
            "INSERT INTO memory (id, scope, owner, created_us, updated_us, version, content_hash, kind, tags, metadata, content, terms, kept_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            id,
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
            document.words as i64,
            is_kept.then_some(&row.id),
        ])?;
    let sequence = transaction.last_insert_rowid();
    add_tags(transaction, row.scope, sequence, &row.tags)?;
    index::add(transaction, row.scope, sequence, row.created_us, document)?;
    Ok(Counts::of(row, document, true))
}

/// Writes a changed row. Index, tags and counts follow only if they changed. `text` is that of the row if it has a new content.
fn replace(
    transaction: &Transaction<'_>,
    before: &Row,
    row: &Row,
    text: Option<&Text>,
    now: i64,
) -> rusqlite::Result<()> {
    index::forget_old(transaction, now)?;
    let is_moved = before.scope != row.scope;
    if is_moved || before.tags != row.tags {
        remove_tags(transaction, before.scope, row.sequence, &before.tags)?;
        add_tags(transaction, row.scope, row.sequence, &row.tags)?;
    }
    let mut words: Option<u64> = None;
    if is_moved || before.content != row.content {
        let document = terms::of(&before.content);
        index::keep_earlier(transaction, before.scope, row.sequence, row.created_us, &document, now)?;
        remove_from_index(transaction, before, &document)?;
        // Without a new content the memory only moves to another scope.
        let document = text.map_or(&document, |text| &text.document);
        index::add(transaction, row.scope, row.sequence, row.created_us, document)?;
        add_counts(transaction, row.scope, Counts::of(row, document, true))?;
        words = Some(document.words);
    }
    transaction
        .prepare_cached(
            "UPDATE memory SET scope = ?2, updated_us = ?3, version = ?4, content_hash = ?5, kind = ?6, tags = ?7, metadata = ?8, content = ?9,
             terms = coalesce(?10, terms) WHERE sequence = ?1",
        )?
        .execute(params![
            row.sequence,
            row.scope,
            row.updated_us,
            row.version as i64,
            row.content_hash,
            row.kind,
            serde_json::to_string(&row.tags).unwrap_or_default(),
            serde_json::to_string(&row.metadata).unwrap_or_default(),
            row.content,
            words.map(u64::cast_signed),
        ])?;
    Ok(())
}

/// Removes a row with its terms and tags, and what is kept of its earlier texts.
fn remove(transaction: &Transaction<'_>, row: &Row) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM memory WHERE sequence = ?1")?.execute([row.sequence])?;
    remove_tags(transaction, row.scope, row.sequence, &row.tags)?;
    index::forget(transaction, row.sequence)?;
    remove_from_index(transaction, row, &terms::of(&row.content))
}

fn add_tags(transaction: &Transaction<'_>, scope: i64, sequence: i64, tags: &[String]) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO tag (scope, tag, memory) VALUES (?1, ?2, ?3)";
    for tag in tags {
        transaction.prepare_cached(sql)?.execute(params![scope, tag, sequence])?;
    }
    Ok(())
}

fn remove_tags(transaction: &Transaction<'_>, scope: i64, sequence: i64, tags: &[String]) -> rusqlite::Result<()> {
    let sql = "DELETE FROM tag WHERE scope = ?1 AND tag = ?2 AND memory = ?3";
    for tag in tags {
        transaction.prepare_cached(sql)?.execute(params![scope, tag, sequence])?;
    }
    Ok(())
}

fn remove_from_index(transaction: &Transaction<'_>, row: &Row, document: &Document) -> rusqlite::Result<()> {
    let was_recent = index::remove(transaction, row.scope, row.sequence, document)?;
    let Counts { documents, words, bytes, recent } = Counts::of(row, document, was_recent);
    let removed = Counts { documents: -documents, words: -words, bytes: -bytes, recent: -recent };
    change_counts(transaction, row.scope, removed)?;
    Ok(())
}

/// What memories are in the counts of their scope.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    documents: i64,
    words: i64,
    bytes: i64,
    /// Terms that are not in blocks.
    recent: i64,
}

impl Counts {
    fn of(row: &Row, document: &Document, is_recent: bool) -> Self {
        Self {
            documents: 1,
            words: document.words.cast_signed(),
            bytes: row.content.len() as i64,
            recent: if is_recent { index::recent_terms(document) } else { 0 },
        }
    }

    fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.words += other.words;
        self.bytes += other.bytes;
        self.recent += other.recent;
    }
}

/// Adds memories to the counts of their scope, whose terms move into blocks if there are enough of them.
fn add_counts(transaction: &Transaction<'_>, scope: i64, counts: Counts) -> rusqlite::Result<()> {
    let (recent, words) = change_counts(transaction, scope, counts)?;
    index::settle(transaction, scope, recent, words)
}

/// Returns the new number of terms that are not in blocks, and of all words of the scope. Not by triggers, because SQL cannot call `terms::of`.
// An earlier release counted one for each memory in `recent` instead of its terms. The count must not fall below 0 if such a memory is removed.
fn change_counts(transaction: &Transaction<'_>, scope: i64, counts: Counts) -> rusqlite::Result<(i64, i64)> {
    let Counts { documents, words, bytes, recent } = counts;
    transaction
        .prepare_cached(
            "UPDATE scope SET documents = documents + ?2, terms = terms + ?3, bytes = bytes + ?4, recent = max(0, recent + ?5) WHERE id = ?1",
        )?
        .execute([scope, documents, words, bytes, recent])?;
    // Not `RETURNING`, which builds a table in memory for its rows.
    let counted = "SELECT recent, terms FROM scope WHERE id = ?1";
    transaction.prepare_cached(counted)?.query_row([scope], |row| Ok((row.get(0)?, row.get(1)?)))
}
