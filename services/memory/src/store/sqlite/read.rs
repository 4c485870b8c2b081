//! Reads. Each statement looks up the scopes of the tenant itself, because a cached scope number could belong to another tenant after a
//! restore. No row is filtered out after a query, because the query would then have read memories of other tenants.

use super::failure::Failure;
use crate::store::{ListPlace, ListQuery, Listed, Selection, Stats, StoreError, TagFilter, TagSelection};
use crate::tenant::Tenant;
use crate::time::time_text;
use mcp_contracts::memory::{Memory, TagCount, TagMatch, Visibility};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// Columns of a [`Row`], in order; [`SHARED`] is the last one.
const MEMORY_COLUMNS: &str = "sequence, coalesce(kept_id, id), scope, owner, created_us, updated_us, version, content_hash, kind, tags, metadata, content";
/// SQL condition on `memory m` that is true if parameter 4 is the id that clients see (an imported memory may keep its id).
pub(super) const WITH_ID: &str = "(m.kept_id = ?4 OR m.id = ?4 AND m.kept_id IS NULL)";
/// SQL expression that is true if the scope of a row is the whole workspace.
pub(super) const SHARED: &str = "(SELECT s.owner = '' FROM scope s WHERE s.id = scope)";
/// SQL query for the scopes that the tenant can read. Parameters 1 to 3 are those of [`identity`].
pub(super) const VISIBLE: &str = "(SELECT id FROM scope WHERE org = ?1 AND workspace = ?2 AND owner IN (?3, ''))";
/// Maximum number of tags in a reply of `memory_stats`.
// `MemoryStatsReply::tags` promises this number.
const TOP_TAGS: usize = 20;

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) sequence: i64,
    pub(super) id: Vec<u8>,
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

/// An SQL condition and its parameters.
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) values: Vec<SqlValue>,
}

pub(super) fn id_text(bytes: &[u8]) -> String {
    uuid::Uuid::from_slice(bytes).unwrap_or_default().to_string()
}

fn parse_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let json = |index: usize| row.get::<_, String>(index);
    Ok(Row {
        sequence: row.get(0)?,
        id: row.get(1)?,
        scope: row.get(2)?,
        owner: row.get(3)?,
        created_us: row.get(4)?,
        updated_us: row.get(5)?,
        version: row.get::<_, i64>(6)?.unsigned_abs(),
        content_hash: row.get(7)?,
        kind: row.get(8)?,
        // `write::add` wrote the JSON. If it is damaged, one field is lost and not the page.
        tags: serde_json::from_str(&json(9)?).unwrap_or_default(),
        metadata: serde_json::from_str(&json(10)?).unwrap_or_default(),
        content: row.get(11)?,
        shared: row.get(12)?,
    })
}

/// Returns an SQL condition that is true if the tenant (parameters 1 to 3) can read the scope `id`. `id` is an SQL expression.
// For statements that read one scope. `scope IN VISIBLE` builds temporary tables each time the statement runs, and SQLite allocates 20 pages
// (80 KiB) for each. When glibc returned that memory to the system, page faults doubled the CPU time of a search.
pub(super) fn is_visible(id: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM scope v WHERE v.id = {id} AND v.org = ?1 AND v.workspace = ?2 AND v.owner IN (?3, ''))"
    )
}

/// Returns the first three parameters of every statement: organisation, workspace and user.
pub(super) fn identity(tenant: &Tenant) -> Vec<SqlValue> {
    [tenant.org(), tenant.workspace(), tenant.user()].map(|text| SqlValue::from(text.to_owned())).to_vec()
}

/// Returns the rows of `memory m` that meet the condition `sql`, which must restrict `scope` to the scopes of the tenant.
fn rows(connection: &Connection, sql: &str, values: Vec<SqlValue>) -> rusqlite::Result<Vec<Row>> {
    connection
        .prepare_cached(&format!("SELECT {MEMORY_COLUMNS}, {SHARED} FROM memory m WHERE {sql}"))?
        .query_map(params_from_iter(values), parse_row)?
        .collect()
}

/// Returns the row that meets the condition `sql` with `value` as parameter 4. Fails if the tenant can see no such row.
pub(super) fn visible_row(
    connection: &Connection,
    tenant: &Tenant,
    sql: &str,
    value: SqlValue,
) -> rusqlite::Result<Row> {
    let mut values = identity(tenant);
    values.push(value);
    // `sql` is a constant of the caller and never text of a client, so it may be part of the statement.
    rows(connection, &format!("{sql} AND {}", is_visible("m.scope")), values)?
        .pop()
        .ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// Returns the row with this sequence number, of any owner; for administration only.
pub(super) fn any_row(connection: &Connection, sequence: i64) -> rusqlite::Result<Option<Row>> {
    Ok(rows(connection, "sequence = ?1", vec![SqlValue::from(sequence)])?.pop())
}

pub(super) fn row(connection: &Connection, tenant: &Tenant, id: &str) -> Result<Row, Failure> {
    let not_found = || StoreError::NotFound(id.to_owned());
    // Built once, because it is the statement of nearly all reads and changes.
    static BY_ID: LazyLock<String> = LazyLock::new(|| {
        format!("SELECT {MEMORY_COLUMNS}, {SHARED} FROM memory m WHERE {WITH_ID} AND {}", is_visible("m.scope"))
    });
    let uuid = uuid::Uuid::try_parse(id).map_err(|_| not_found())?;
    let values = params![tenant.org(), tenant.workspace(), tenant.user(), uuid.as_bytes().as_slice()];
    let row = connection.prepare_cached(&BY_ID)?.query_row(values, parse_row).optional()?;
    Ok(row.ok_or_else(not_found)?)
}

pub(super) fn get(connection: &Connection, tenant: &Tenant, id: &str) -> Result<Memory, Failure> {
    row(connection, tenant, id).map(|row| memory(tenant, row))
}

/// Turns a row into a memory. Adds the tags of the service, which are not stored because they follow from scope and owner.
pub(super) fn memory(tenant: &Tenant, row: Row) -> Memory {
    let visibility = if row.shared { Visibility::Workspace } else { Visibility::Private };
    let mut tags = row.tags;
    tags.extend([
        format!("org:{}", tenant.org()),
        format!("user:{}", row.owner),
        format!("workspace:{}", tenant.workspace()),
    ]);
    tags.sort_unstable();
    Memory {
        id: id_text(&row.id),
        content: row.content,
        tags,
        kind: row.kind,
        metadata: row.metadata,
        visibility,
        version: row.version,
        created_at: time_text(row.created_us),
        updated_at: time_text(row.updated_us),
    }
}

/// Returns the conditions of a selection on `memory m`, each after an ` AND `. Their parameters are numbered from `first`.
pub(super) fn condition(selection: &Selection, first: usize) -> Condition {
    let mut condition = Condition { sql: String::new(), values: Vec::new() };
    let mut add = |comparison: &str, value: Option<SqlValue>| {
        if let Some(value) = value {
            condition.sql.push_str(&format!(" AND m.{comparison} ?{}", first + condition.values.len()));
            condition.values.push(value);
        }
    };
    add("kind =", selection.kind.clone().map(SqlValue::from));
    add("created_us >=", selection.created_from.map(SqlValue::from));
    add("created_us <", selection.created_before.map(SqlValue::from));
    add_tags(&mut condition, &selection.tags, first);
    condition
}

fn add_tags(condition: &mut Condition, filter: &TagFilter, first: usize) {
    if filter.tags.is_empty() {
        return;
    }
    let mut alternatives = Vec::new();
    for tag in &filter.tags {
        let parameter = first + condition.values.len();
        // Tags of the service are not stored, so they are compared with the columns from which they follow.
        let (sql, value) = match tag.split_once(':') {
            Some(("org", org)) => (format!("?{parameter} = ?1"), org),
            Some(("workspace", workspace)) => (format!("?{parameter} = ?2"), workspace),
            Some(("user", user)) => (format!("m.owner = ?{parameter}"), user),
            Some(_) | None => (
                format!(
                    "EXISTS (SELECT 1 FROM tag t WHERE t.scope = m.scope AND t.tag = ?{parameter} AND t.memory = m.sequence)"
                ),
                tag.as_str(),
            ),
        };
        alternatives.push(sql);
        condition.values.push(SqlValue::from(value.to_owned()));
    }
    let operator = match filter.tag_match {
        TagMatch::Any => " OR ",
        TagMatch::All => " AND ",
    };
    condition.sql.push_str(&format!(" AND ({})", alternatives.join(operator)));
}

/// Returns the sequence number of the newest memory of all tenants.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(sequence), 0) FROM memory";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// Returns a page of memories, newest first. Reads each scope alone and merges the two results: the index has the order of the list only
/// within one scope, so a query on both scopes would sort all rows of the tenant for each page.
pub(super) fn list(connection: &Connection, tenant: &Tenant, query: &ListQuery) -> rusqlite::Result<Vec<Listed>> {
    let newest = match query.after {
        Some(after) => after.newest,
        None => newest(connection)?,
    };
    let mut listed = Vec::new();
    for owner in [tenant.user(), ""] {
        // For the first page, the position is the end of time, so that every page uses the same statement.
        let (after_us, after_sequence) =
            query.after.map_or((i64::MAX, i64::MAX), |after| (after.created_us, after.sequence));
        let mut values = identity(tenant);
        values.extend([
            SqlValue::from(owner.to_owned()),
            after_us.into(),
            after_sequence.into(),
            (query.limit as i64).into(),
            newest.into(),
        ]);
        let condition = condition(&query.selection, 9);
        values.extend(condition.values);
        let sql = format!(
            "scope = (SELECT id FROM scope WHERE org = ?1 AND workspace = ?2 AND owner = ?4 AND owner IN (?3, ''))
             AND (created_us, sequence) < (?5, ?6) AND sequence <= ?8{} ORDER BY created_us DESC, sequence DESC LIMIT ?7",
            condition.sql
        );
        for row in rows(connection, &sql, values)? {
            let place = ListPlace { created_us: row.created_us, sequence: row.sequence, newest };
            listed.push(Listed { memory: memory(tenant, row), place });
        }
    }
    listed.sort_unstable_by_key(|listed| std::cmp::Reverse((listed.place.created_us, listed.place.sequence)));
    listed.truncate(query.limit);
    Ok(listed)
}

/// Returns the count and the digest of the user's own memories with these tags, to which a confirmation token is bound, and the sequence
/// number and version of each. Reads no content.
pub(super) fn own_by_tag(
    connection: &Connection,
    tenant: &Tenant,
    tags: &TagFilter,
) -> rusqlite::Result<(TagSelection, Vec<(i64, i64)>)> {
    let selection = Selection { tags: tags.clone(), ..Selection::default() };
    let condition = condition(&selection, 4);
    let mut values = identity(tenant);
    values.extend(condition.values);
    // Both scopes, because the user's memories can be private or shared.
    let sql = format!(
        "SELECT m.sequence, m.id, m.version FROM memory m WHERE scope IN {VISIBLE} AND m.owner = ?3{} ORDER BY m.sequence",
        condition.sql
    );
    let (mut versions, mut digest) = (Vec::new(), Sha256::new());
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        versions.push((row.get(0)?, row.get(2)?));
        // Ids have one length, so no two selections have the same bytes.
        digest.update(row.get_ref(1)?.as_blob()?);
        digest.update(row.get::<_, i64>(2)?.to_be_bytes());
    }
    let selection = TagSelection { count: versions.len() as u64, digest: digest.finalize().into() };
    Ok((selection, versions))
}

pub(super) fn stats(connection: &Connection, tenant: &Tenant) -> rusqlite::Result<Stats> {
    let mut stats = Stats::default();
    let sql = "SELECT owner, documents, bytes FROM scope WHERE org = ?1 AND workspace = ?2 AND owner IN (?3, '')";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(identity(tenant)))?;
    while let Some(row) = rows.next()? {
        let (owner, documents, bytes): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if owner.is_empty() {
            stats.shared = documents.unsigned_abs();
        } else {
            stats.private = documents.unsigned_abs();
        }
        stats.bytes += bytes.unsigned_abs();
    }
    let sql = format!(
        "SELECT tag, count(*) FROM tag WHERE scope IN {VISIBLE} GROUP BY tag ORDER BY 2 DESC, 1 LIMIT {TOP_TAGS}"
    );
    let count =
        |row: &rusqlite::Row<'_>| Ok(TagCount { tag: row.get(0)?, count: row.get::<_, i64>(1)?.unsigned_abs() });
    stats.tags = connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(identity(tenant)), count)?
        .collect::<Result<_, _>>()?;
    let sql = format!("SELECT min(created_us), max(created_us) FROM memory WHERE scope IN {VISIBLE}");
    let ends: (Option<i64>, Option<i64>) = connection
        .prepare_cached(&sql)?
        .query_row(params_from_iter(identity(tenant)), |row| Ok((row.get(0)?, row.get(1)?)))?;
    stats.span = ends.0.zip(ends.1);
    Ok(stats)
}
