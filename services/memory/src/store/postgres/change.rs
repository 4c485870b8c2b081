//! Changes and deletions of one memory. A refused one returns before it changes anything, because the writes of a group share a transaction.

use super::failure::Failure;
use super::idempotency::{self, Kept};
use super::identity::Caller;
use super::index::{self, Indexed};
use super::ledger::Ledger;
use super::read::{self, Row};
use super::rows::add_tags;
use super::scope::{Counts, scope_for_write};
use crate::store::kept::StoredResult;
use crate::store::quota::{self, ROW_BYTES};
use crate::store::text::{self, Text};
use crate::store::{Change, StoreError};
use crate::tenant::Tenant;
use crate::terms::Document;
use mcp_contracts::memory::{Memory, Visibility};
use mcp_kit::database::postgres::{PostgresTransaction, Values, pipelined};
use tokio_postgres::Error;

pub(super) async fn update(
    transaction: &PostgresTransaction<'_>,
    ledger: &mut Ledger,
    tenant: &Tenant,
    allowed: u64,
    id: &str,
    change: &Change,
) -> Result<Memory, Failure> {
    let mut old = None;
    if let Some(key) = &change.idempotency {
        old = idempotency::recall(transaction, tenant, key).await?;
        match old.as_ref().map(|kept| kept.recall(key)).transpose()?.flatten() {
            Some(StoredResult::Updated(memory)) => return Ok(memory),
            Some(StoredResult::Deleted) => return Err(StoreError::NotFound(id.to_owned()).into()),
            Some(StoredResult::Inserted(_)) | None => {}
        }
    }
    let before = writable_row(transaction, tenant, id).await?;
    if let Some(expected) = change.expected_version
        && expected != before.version
    {
        return Err(StoreError::VersionConflict { id: id.to_owned(), actual: before.version, expected }.into());
    }
    match quota::added_by_change(&before.content, &before.metadata, change) {
        0 => {}
        added => quota::check(ledger.used(), added, allowed)?,
    }
    // As the owner and not as the caller: an admin may make the memory of another user private.
    let owner = Caller::user(tenant, &before.owner);
    pipelined(transaction, &[owner.identity().set()]).await?;
    let (row, text) = changed(transaction, ledger, tenant, &before, change).await?;
    replace(transaction, ledger, tenant, &before, &row, text.as_ref()).await?;
    let memory_id = row.id;
    // Not read back: a memory that an admin makes private is no longer visible to the admin.
    let memory = row.into_memory(tenant);
    if let Some(key) = &change.idempotency {
        let kept = Kept::new(key.request, &StoredResult::Updated(memory.clone()), Some(memory_id));
        ledger.bytes += kept.bytes() - old.as_ref().map_or(0, Kept::bytes);
        pipelined(transaction, &[Caller::of(tenant).identity().set()]).await?;
        idempotency::remember(transaction, tenant, &[(key.key.as_bytes(), &kept)], ledger.now).await?;
    }
    Ok(memory)
}

/// Returns the changed row, and its text if that is new.
async fn changed(
    transaction: &PostgresTransaction<'_>,
    ledger: &Ledger,
    tenant: &Tenant,
    before: &Row,
    change: &Change,
) -> Result<(Row, Option<Text>), Error> {
    let mut row = before.clone();
    let text = match &change.content {
        Some(content) => Some(text::read(content).await),
        None => None,
    };
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
        row.scope = scope_for_write(transaction, tenant, &row.owner, visibility).await?;
        row.shared = visibility == Visibility::Workspace;
    }
    row.version += 1;
    // The clock may have been set back.
    row.updated_us = ledger.now.max(row.created_us);
    Ok((row, text))
}

/// Returns the row and sets the identity of the tenant. Fails if the tenant cannot see the row or may not change it.
async fn writable_row(transaction: &PostgresTransaction<'_>, tenant: &Tenant, id: &str) -> Result<Row, Failure> {
    let row = read::row(transaction, tenant, id).await?;
    if row.owner != tenant.user() && !tenant.is_admin() {
        return Err(StoreError::NotOwner(id.to_owned()).into());
    }
    Ok(row)
}

/// Writes a changed row. Index, tags and counts follow only if they changed. `text` is that of the row if it has a new content.
async fn replace(
    transaction: &PostgresTransaction<'_>,
    ledger: &mut Ledger,
    tenant: &Tenant,
    before: &Row,
    row: &Row,
    text: Option<&Text>,
) -> Result<(), Error> {
    let is_moved = before.scope != row.scope;
    if is_moved || before.tags != row.tags {
        remove_tags(transaction, before).await?;
        let places: Vec<_> = row.tags.iter().map(|tag| (row.scope, row.sequence, tag.as_str())).collect();
        add_tags(transaction, &places).await?;
    }
    let is_other = is_moved || before.content != row.content;
    if is_other {
        let document = text::read(&before.content).await.document;
        ledger.changes += 1;
        let old = indexed(before, &document);
        index::keep_earlier(transaction, tenant.org(), ledger.changes, &old, ledger.now).await?;
        remove_from_index(transaction, before, &document).await?;
        // Without a new content the memory only moves to another scope.
        let document = text.map_or(&document, |text| &text.document);
        index::add(transaction, &[indexed(row, document)]).await?;
        Counts::of(&row.content, document, true).write(transaction, row.scope).await?;
    }
    ledger.bytes += bytes_of(row) - bytes_of(before);
    let sql = "UPDATE memory SET scope = $3, updated_us = $4, version = $5, content_hash = $6, kind = $7, tags = $8, metadata = $9, content = $10,
        copy = CASE WHEN $11 THEN sequence ELSE copy END WHERE org = $1 AND sequence = $2";
    let ((tags, metadata), version) = (row.texts(), row.version.cast_signed());
    let (org, content) = (tenant.org(), row.content.as_bytes());
    let values: Values<'_> = &[
        &org,
        &row.sequence,
        &row.scope,
        &row.updated_us,
        &version,
        &row.content_hash,
        &row.kind,
        &tags,
        &metadata,
        &content,
        &is_other,
    ];
    pipelined(transaction, &[(sql, values)]).await?;
    Ok(())
}

pub(super) async fn delete(
    transaction: &PostgresTransaction<'_>,
    ledger: &mut Ledger,
    tenant: &Tenant,
    id: &str,
) -> Result<(), Failure> {
    let row = writable_row(transaction, tenant, id).await?;
    remove(transaction, ledger, tenant, &row).await?;
    Ok(())
}

/// Deletes those of the memories with these sequence numbers that still have their versions and are the user's own. Returns their number.
pub(super) async fn delete_portion(
    transaction: &PostgresTransaction<'_>,
    ledger: &mut Ledger,
    tenant: &Tenant,
    versions: &[(i64, i64)],
) -> Result<u64, Error> {
    let sql = read::visible("m.owner = $3 AND m.sequence = ANY($4)");
    let numbers: Vec<i64> = versions.iter().map(|(sequence, _)| *sequence).collect();
    let caller = Caller::of(tenant);
    let values: Values<'_> = &[&tenant.org(), &tenant.workspace(), &tenant.user(), &numbers];
    let results = pipelined(transaction, &[caller.identity().set(), (&sql, values)]).await?;
    let mut deleted = 0;
    for row in read::parse(&results[1])? {
        // A memory that was changed since the confirmation has another version.
        if versions.contains(&(row.sequence, row.version.cast_signed())) {
            remove(transaction, ledger, tenant, &row).await?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// Removes a row with its terms, its tags, its earlier texts, and its text in stored replies. Afterwards, row-level security uses the identity of
/// the organisation.
pub(super) async fn remove(
    transaction: &PostgresTransaction<'_>,
    ledger: &mut Ledger,
    tenant: &Tenant,
    row: &Row,
) -> Result<(), Error> {
    let earlier = "DELETE FROM memory_earlier WHERE org = $1 AND memory = $2";
    let memory = "DELETE FROM memory WHERE org = $1 AND sequence = $2";
    let (org, owner) = (tenant.org(), Caller::user(tenant, &row.owner));
    pipelined(
        transaction,
        &[owner.identity().set(), (earlier, &[&org, &row.sequence]), (memory, &[&org, &row.sequence])],
    )
    .await?;
    remove_tags(transaction, row).await?;
    remove_from_index(transaction, row, &text::read(&row.content).await.document).await?;
    ledger.bytes -= bytes_of(row);
    idempotency::forget_replies(transaction, ledger, row.id).await
}

async fn remove_tags(transaction: &PostgresTransaction<'_>, row: &Row) -> Result<(), Error> {
    let sql = "DELETE FROM memory_tag WHERE scope = $1 AND tag = ANY($2) AND memory = $3";
    pipelined(transaction, &[(sql, &[&row.scope, &row.tags, &row.sequence])]).await?;
    Ok(())
}

async fn remove_from_index(transaction: &PostgresTransaction<'_>, row: &Row, document: &Document) -> Result<(), Error> {
    let was_recent = index::remove(transaction, row.scope, row.sequence, document).await?;
    Counts::of(&row.content, document, was_recent).negated().write(transaction, row.scope).await
}

fn indexed<'a>(row: &Row, document: &'a Document) -> Indexed<'a> {
    Indexed { scope: row.scope, memory: row.sequence, created_us: row.created_us, document }
}

fn bytes_of(row: &Row) -> i64 {
    let (tags, metadata) = row.texts();
    (row.content.len() + tags.len() + metadata.len()) as i64 + ROW_BYTES as i64
}
