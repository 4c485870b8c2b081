//! Writes the rows of new memories and their tags, many with one statement.

use super::ledger::Ledger;
use super::pending::{Insert, PendingRow};
use crate::store::NewMemory;
use crate::store::quota::ROW_BYTES;
use crate::tenant::Tenant;
use mcp_kit::database::postgres::{PostgresTransaction, Values, pipelined};
use tokio_postgres::Error;
use uuid::Uuid;

pub(super) async fn write(
    transaction: &PostgresTransaction<'_>,
    ledger: &Ledger,
    tenant: &Tenant,
    inserts: &[Insert<'_>],
    rows: &[PendingRow],
) -> Result<(), Error> {
    let sql = "INSERT INTO memory (org, owner, updated_us, version, sequence, id, scope, created_us, content_hash, kind, tags, metadata, content,
            copy)
        SELECT $1, $2, $3, 1, u.* FROM unnest($4::bigint[], $5::uuid[], $6::bigint[], $7::bigint[], $8::bytea[], $9::text[], $10::text[],
            $11::text[], $12::bytea[], $13::bigint[]) u";
    let new = |row: &PendingRow| &inserts[row.insert].memories[row.at];
    let sequences: Vec<i64> = rows.iter().map(|row| row.sequence).collect();
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let scopes: Vec<i64> = rows.iter().map(|row| row.scope).collect();
    let created: Vec<i64> = rows.iter().map(|row| row.created_us).collect();
    let hashes: Vec<&[u8]> = rows.iter().map(|row| &inserts[row.insert].texts[row.at].content_hash[..]).collect();
    let kinds: Vec<Option<&str>> = rows.iter().map(|row| new(row).kind.as_deref()).collect();
    let tags: Vec<String> = rows.iter().map(|row| tags_of(new(row))).collect();
    let metadata: Vec<String> = rows.iter().map(|row| metadata_of(new(row))).collect();
    let contents: Vec<&[u8]> = rows.iter().map(|row| new(row).content.as_bytes()).collect();
    // A memory that keeps its id may have the text of another one.
    let copies: Vec<i64> = rows.iter().map(|row| new(row).id.map_or(0, |_| row.sequence)).collect();
    let (org, user) = (tenant.org(), tenant.user());
    let values: Values<'_> = &[
        &org,
        &user,
        &ledger.now,
        &sequences,
        &ids,
        &scopes,
        &created,
        &hashes,
        &kinds,
        &tags,
        &metadata,
        &contents,
        &copies,
    ];
    pipelined(transaction, &[(sql, values)]).await?;
    Ok(())
}

pub(super) async fn write_tags(
    transaction: &PostgresTransaction<'_>,
    inserts: &[Insert<'_>],
    rows: &[PendingRow],
) -> Result<(), Error> {
    let mut places: Vec<(i64, i64, &str)> = Vec::new();
    for row in rows {
        let tags = &inserts[row.insert].memories[row.at].tags;
        places.extend(tags.iter().map(|tag| (row.scope, row.sequence, tag.as_str())));
    }
    add_tags(transaction, &places).await
}

/// Adds tags, each with its scope and its memory.
pub(super) async fn add_tags(transaction: &PostgresTransaction<'_>, places: &[(i64, i64, &str)]) -> Result<(), Error> {
    if places.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO memory_tag (scope, memory, tag) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[]) ON CONFLICT DO NOTHING";
    let scopes: Vec<i64> = places.iter().map(|(scope, ..)| *scope).collect();
    let memories: Vec<i64> = places.iter().map(|(_, memory, _)| *memory).collect();
    let tags: Vec<&str> = places.iter().map(|(.., tag)| *tag).collect();
    pipelined(transaction, &[(sql, &[&scopes, &memories, &tags])]).await?;
    Ok(())
}

fn tags_of(new: &NewMemory) -> String {
    serde_json::to_string(&new.tags).unwrap_or_default()
}

fn metadata_of(new: &NewMemory) -> String {
    serde_json::to_string(&new.metadata).unwrap_or_default()
}

/// Returns the bytes that a memory counts.
pub(super) fn bytes_of(new: &NewMemory) -> i64 {
    (new.content.len() + tags_of(new).len() + metadata_of(new).len()) as i64 + ROW_BYTES as i64
}
