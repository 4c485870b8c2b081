//! Reads. Each statement names the scopes of the tenant itself, and the policies confine it a second time.

use super::condition::Condition;
use super::failure::Failure;
use super::identity::Caller;
use crate::store::{ListPlace, ListQuery, Listed, Selection, Stats, StoreError, TagFilter, TagSelection};
use crate::tenant::Tenant;
use crate::time::time_text;
use mcp_contracts::memory::{Memory, TagCount, Visibility};
use mcp_kit::database::postgres::{PostgresTransaction, Values, pipelined};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::cmp::Reverse;
use tokio_postgres::{Error, Row as Record};
use uuid::Uuid;

/// Columns of a [`Row`], in order.
const COLUMNS: &str = "m.sequence, m.id, m.scope, m.owner, m.created_us, m.updated_us, m.version, m.content_hash, m.kind, m.tags, m.metadata, m.content,
    (SELECT s.owner = '' FROM memory_scope s WHERE s.id = m.scope)";
/// SQL query for the scopes that the tenant can read. Parameters 1 to 3 are organisation, workspace and user.
pub(super) const VISIBLE: &str =
    "(SELECT v.id FROM memory_scope v WHERE v.org = $1 AND v.workspace = $2 AND v.owner IN ($3, ''))";
/// Maximum number of tags in a reply of `memory_stats`.
// `MemoryStatsReply::tags` promises this number.
const TOP_TAGS: usize = 20;

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) sequence: i64,
    pub(super) id: Uuid,
    pub(super) scope: i64,
    pub(super) owner: String,
    pub(super) created_us: i64,
    pub(super) updated_us: i64,
    pub(super) version: u64,
    pub(super) content_hash: Vec<u8>,
    pub(super) kind: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) metadata: Map<String, Value>,
    pub(super) content: String,
    pub(super) shared: bool,
}

impl Row {
    fn parse(record: &Record) -> Result<Self, Error> {
        let content: Vec<u8> = record.try_get(11)?;
        Ok(Self {
            sequence: record.try_get(0)?,
            id: record.try_get(1)?,
            scope: record.try_get(2)?,
            owner: record.try_get(3)?,
            created_us: record.try_get(4)?,
            updated_us: record.try_get(5)?,
            version: record.try_get::<_, i64>(6)?.unsigned_abs(),
            content_hash: record.try_get(7)?,
            kind: record.try_get(8)?,
            // The store wrote the JSON. If it is damaged, one field is lost and not the page.
            tags: serde_json::from_str(record.try_get(9)?).unwrap_or_default(),
            metadata: serde_json::from_str(record.try_get(10)?).unwrap_or_default(),
            content: String::from_utf8_lossy(&content).into_owned(),
            shared: record.try_get(12)?,
        })
    }

    /// Returns the JSON texts of the tags and of the metadata, as they are stored.
    pub(super) fn texts(&self) -> (String, String) {
        (
            serde_json::to_string(&self.tags).unwrap_or_default(),
            serde_json::to_string(&self.metadata).unwrap_or_default(),
        )
    }

    /// Turns a row into a memory. Adds the tags of the service, which are not stored because they follow from scope and owner.
    pub(super) fn into_memory(self, tenant: &Tenant) -> Memory {
        let mut tags = self.tags;
        tags.extend([
            format!("org:{}", tenant.org()),
            format!("user:{}", self.owner),
            format!("workspace:{}", tenant.workspace()),
        ]);
        tags.sort_unstable();
        Memory {
            id: self.id.to_string(),
            content: self.content,
            tags,
            kind: self.kind,
            metadata: self.metadata,
            visibility: if self.shared { Visibility::Workspace } else { Visibility::Private },
            version: self.version,
            created_at: time_text(self.created_us),
            updated_at: time_text(self.updated_us),
        }
    }
}

pub(super) fn parse(records: &[Record]) -> Result<Vec<Row>, Error> {
    records.iter().map(Row::parse).collect()
}

/// Returns the statement for the rows of the tenant that meet the condition `sql`, whose parameters begin with number 4.
pub(super) fn visible(sql: &str) -> String {
    // `sql` is a constant of the caller and never text of a client, so it may be part of the statement.
    format!("SELECT {COLUMNS} FROM memory m WHERE m.org = $1 AND m.scope IN {VISIBLE} AND {sql}")
}

/// Sets the identity of the tenant, and returns the row with this id.
pub(super) async fn row(transaction: &PostgresTransaction<'_>, tenant: &Tenant, id: &str) -> Result<Row, Failure> {
    let not_found = || StoreError::NotFound(id.to_owned());
    let uuid = Uuid::try_parse(id).map_err(|_| not_found())?;
    Ok(owned_row(transaction, tenant, uuid).await?.ok_or_else(not_found)?)
}

/// Sets the identity of the tenant, and returns the row with this id if there is one.
pub(super) async fn owned_row(
    transaction: &PostgresTransaction<'_>,
    tenant: &Tenant,
    id: Uuid,
) -> Result<Option<Row>, Error> {
    let sql = visible("m.id = $4");
    let caller = Caller::of(tenant);
    let values: Values<'_> = &[&tenant.org(), &tenant.workspace(), &tenant.user(), &id];
    Ok(parse(&pipelined(transaction, &[caller.identity().set(), (&sql, values)]).await?[1])?.pop())
}

pub(super) async fn get(transaction: &PostgresTransaction<'_>, tenant: &Tenant, id: &str) -> Result<Memory, Failure> {
    Ok(row(transaction, tenant, id).await?.into_memory(tenant))
}

/// Returns a page of memories, newest first. Reads each scope alone and merges the two results, because the index has the order of the list only
/// within one scope.
pub(super) async fn list(
    transaction: &PostgresTransaction<'_>,
    tenant: &Tenant,
    query: &ListQuery,
) -> Result<Vec<Listed>, Error> {
    let caller = Caller::of(tenant);
    let newest = match query.after {
        Some(after) => after.newest,
        None => newest(transaction, tenant).await?,
    };
    // For the first page, the position is the end of time, so that every page uses the same statement.
    let (after_us, after_sequence) =
        query.after.map_or((i64::MAX, i64::MAX), |after| (after.created_us, after.sequence));
    let limit = query.limit as i64;
    let condition = Condition::of(&query.selection, tenant, 9);
    let sql = format!(
        "SELECT {COLUMNS} FROM memory m WHERE m.org = $1
             AND m.scope = (SELECT s.id FROM memory_scope s WHERE s.org = $1 AND s.workspace = $2 AND s.owner = $4 AND s.owner IN ($3, ''))
             AND (m.created_us, m.sequence) < ($5, $6) AND m.sequence <= $8{} ORDER BY m.created_us DESC, m.sequence DESC LIMIT $7",
        condition.sql
    );
    let (org, workspace, user) = (tenant.org(), tenant.workspace(), tenant.user());
    let parameters =
        |owner| condition.parameters(&[&org, &workspace, &user, owner, &after_us, &after_sequence, &limit, &newest]);
    let (own, shared) = (parameters(&user), parameters(&""));
    let results = pipelined(transaction, &[caller.identity().set(), (&sql, &own), (&sql, &shared)]).await?;
    let mut listed = Vec::new();
    for row in parse(&results[1])?.into_iter().chain(parse(&results[2])?) {
        let place = ListPlace { created_us: row.created_us, sequence: row.sequence, newest };
        listed.push(Listed { memory: row.into_memory(tenant), place });
    }
    listed.sort_unstable_by_key(|listed| Reverse((listed.place.created_us, listed.place.sequence)));
    listed.truncate(query.limit);
    Ok(listed)
}

/// Returns the number of the newest memory of the organisation.
async fn newest(transaction: &PostgresTransaction<'_>, tenant: &Tenant) -> Result<i64, Error> {
    let sql = "SELECT newest FROM memory_organisation WHERE org = $1";
    let results = pipelined(transaction, &[Caller::of(tenant).identity().set(), (sql, &[&tenant.org()])]).await?;
    results[1].first().map_or(Ok(0), |record| record.try_get(0))
}

/// Returns the count and the digest of the user's own memories with these tags, to which a confirmation token is bound, and the sequence
/// number and version of each. Reads no content.
pub(super) async fn own_by_tag(
    transaction: &PostgresTransaction<'_>,
    tenant: &Tenant,
    tags: &TagFilter,
) -> Result<(TagSelection, Vec<(i64, i64)>), Error> {
    let selection = Selection { tags: tags.clone(), ..Selection::default() };
    let condition = Condition::of(&selection, tenant, 4);
    // Both scopes, because the user's memories can be private or shared.
    let sql = format!(
        "SELECT m.sequence, m.id, m.version FROM memory m WHERE m.org = $1 AND m.scope IN {VISIBLE} AND m.owner = $3{} ORDER BY m.sequence",
        condition.sql
    );
    let (org, workspace, user) = (tenant.org(), tenant.workspace(), tenant.user());
    let parameters = condition.parameters(&[&org, &workspace, &user]);
    let results = pipelined(transaction, &[Caller::of(tenant).identity().set(), (&sql, &parameters)]).await?;
    let (mut versions, mut digest) = (Vec::new(), Sha256::new());
    for record in &results[1] {
        let (sequence, id, version): (i64, Uuid, i64) = (record.try_get(0)?, record.try_get(1)?, record.try_get(2)?);
        versions.push((sequence, version));
        // Ids have one length, so no two selections have the same bytes.
        digest.update(id.as_bytes());
        digest.update(version.to_be_bytes());
    }
    Ok((TagSelection { count: versions.len() as u64, digest: digest.finalize().into() }, versions))
}

/// Returns the counts of what the tenant can see, and the bytes that its organisation stores.
pub(super) async fn stats(transaction: &PostgresTransaction<'_>, tenant: &Tenant) -> Result<Stats, Error> {
    let (org, workspace, user) = (tenant.org(), tenant.workspace(), tenant.user());
    let scopes =
        "SELECT owner, documents, bytes FROM memory_scope WHERE org = $1 AND workspace = $2 AND owner IN ($3, '')";
    let tags = format!(
        "SELECT tag, count(*) FROM memory_tag WHERE scope IN {VISIBLE} GROUP BY tag ORDER BY 2 DESC, 1 LIMIT {TOP_TAGS}"
    );
    let span = format!("SELECT min(created_us), max(created_us) FROM memory WHERE org = $1 AND scope IN {VISIBLE}");
    let stored = "SELECT bytes FROM memory_organisation WHERE org = $1";
    let results = pipelined(
        transaction,
        &[
            Caller::of(tenant).identity().set(),
            (scopes, &[&org, &workspace, &user]),
            (&tags, &[&org, &workspace, &user]),
            (&span, &[&org, &workspace, &user]),
            (stored, &[&org]),
        ],
    )
    .await?;
    let mut stats = Stats::default();
    for record in &results[1] {
        let (owner, documents, bytes): (&str, i64, i64) = (record.try_get(0)?, record.try_get(1)?, record.try_get(2)?);
        let count = if owner.is_empty() { &mut stats.shared } else { &mut stats.private };
        *count = documents.unsigned_abs();
        stats.bytes += bytes.unsigned_abs();
    }
    for record in &results[2] {
        stats.tags.push(TagCount { tag: record.try_get(0)?, count: record.try_get::<_, i64>(1)?.unsigned_abs() });
    }
    if let Some(record) = results[3].first() {
        let ends: (Option<i64>, Option<i64>) = (record.try_get(0)?, record.try_get(1)?);
        stats.span = ends.0.zip(ends.1);
    }
    if let Some(record) = results[4].first() {
        stats.stored = record.try_get::<_, i64>(0)?.max(0).unsigned_abs();
    }
    Ok(stats)
}
