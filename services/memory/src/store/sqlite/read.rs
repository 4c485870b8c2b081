//! Reads. The scopes of the tenant are looked up inside each statement, so that no cached number can ever stand for
//! somebody else's scope, and nothing is filtered afterwards.

use super::error::explain;
use crate::store::{ListQuery, Listed, Selection, Stats, StoreError, TagFilter};
use crate::tenant::Tenant;
use mcp_contracts::memory::{Memory, TagCount, TagMatch, Visibility};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use serde_json::{Map, Value};

/// Columns of a [`Row`], in order.
pub(super) const MEMORY_COLUMNS: &str =
    "sequence, id, scope, owner, created_us, updated_us, version, content_hash, kind, tags, metadata, content";
/// Tells whether a row's scope is the whole workspace.
pub(super) const SHARED: &str = "(SELECT s.owner = '' FROM scope s WHERE s.id = scope)";
/// The scopes that the tenant of the first three parameters can read.
pub(super) const VISIBLE: &str = "(SELECT id FROM scope WHERE org = ?1 AND workspace = ?2 AND owner IN (?3, ''))";
/// Most tags in `memory_stats`.
const TOP_TAGS: usize = 20;

/// A row of the table.
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

/// A condition and its parameters, which follow the three of [`VISIBLE`].
pub(super) struct Condition {
    pub(super) text: String,
    pub(super) values: Vec<SqlValue>,
}

pub(super) fn id_text(bytes: &[u8]) -> String {
    uuid::Uuid::from_slice(bytes).unwrap_or_default().to_string()
}

pub(super) fn row_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let json = |index: usize| -> rusqlite::Result<String> { row.get(index) };
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
        tags: serde_json::from_str(&json(9)?).unwrap_or_default(),
        metadata: serde_json::from_str(&json(10)?).unwrap_or_default(),
        content: row.get(11)?,
        shared: row.get(12)?,
    })
}

/// The tenant as the first three parameters.
pub(super) fn identity(tenant: &Tenant) -> Vec<SqlValue> {
    [tenant.org(), tenant.workspace(), tenant.user()].map(|text| SqlValue::from(text.to_owned())).to_vec()
}

/// Parses an id; a text that is none cannot name a memory.
fn id_bytes(id: &str) -> Result<Vec<u8>, StoreError> {
    uuid::Uuid::try_parse(id).map(|id| id.as_bytes().to_vec()).map_err(|_| StoreError::NotFound(id.to_owned()))
}

pub(super) fn row(connection: &Connection, tenant: &Tenant, id: &str) -> Result<Row, StoreError> {
    let mut values = identity(tenant);
    values.push(SqlValue::from(id_bytes(id)?));
    let text = format!("SELECT {MEMORY_COLUMNS}, {SHARED} FROM memory WHERE id = ?4 AND scope IN {VISIBLE}");
    let found = connection
        .prepare_cached(&text)
        .and_then(|mut statement| statement.query_row(params_from_iter(values), row_of).optional())
        .map_err(|error| explain(&error))?;
    found.ok_or_else(|| StoreError::NotFound(id.to_owned()))
}

pub(super) fn get(connection: &Connection, tenant: &Tenant, id: &str) -> Result<Memory, StoreError> {
    row(connection, tenant, id).map(|row| memory(tenant, row))
}

/// A memory as its readers see it: with the tags of the service.
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

fn time_text(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).unwrap_or_default().to_string()
}

/// The conditions of a selection on the table `m`; parameters are numbered from `first`.
pub(super) fn condition(selection: &Selection, first: usize) -> Condition {
    let mut condition = Condition { text: String::new(), values: Vec::new() };
    let mut add = |text: String, value: SqlValue| {
        condition.text.push_str(" AND ");
        condition.text.push_str(&text.replace("??", &format!("?{}", first + condition.values.len())));
        condition.values.push(value);
    };
    if let Some(kind) = &selection.kind {
        add("m.kind = ??".to_owned(), SqlValue::from(kind.clone()));
    }
    if let Some(from) = selection.created_from {
        add("m.created_us >= ??".to_owned(), SqlValue::from(from));
    }
    if let Some(before) = selection.created_before {
        add("m.created_us < ??".to_owned(), SqlValue::from(before));
    }
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
        // The tags of the service are not stored with each row: they follow from its scope and its owner.
        let (text, value) = match tag.split_once(':') {
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
        alternatives.push(text);
        condition.values.push(SqlValue::from(value.to_owned()));
    }
    let joint = match filter.tag_match {
        TagMatch::Any => " OR ",
        TagMatch::All => " AND ",
    };
    condition.text.push_str(&format!(" AND ({})", alternatives.join(joint)));
}

/// The newest first, from one scope after the other and then merged: each is in the order of an index.
pub(super) fn list(connection: &Connection, tenant: &Tenant, query: &ListQuery) -> Result<Vec<Listed>, StoreError> {
    let mut listed = Vec::new();
    for owner in [tenant.user(), ""] {
        let (after_us, after_sequence) = query.after.unwrap_or((i64::MAX, i64::MAX));
        let mut values = identity(tenant);
        values.extend([
            SqlValue::from(owner.to_owned()),
            after_us.into(),
            after_sequence.into(),
            (query.limit as i64).into(),
        ]);
        let condition = condition(&query.selection, 8);
        values.extend(condition.values);
        let text = format!(
            "SELECT {MEMORY_COLUMNS}, {SHARED} FROM memory m
             WHERE scope = (SELECT id FROM scope WHERE org = ?1 AND workspace = ?2 AND owner = ?4 AND owner IN (?3, ''))
             AND (created_us, sequence) < (?5, ?6){} ORDER BY created_us DESC, sequence DESC LIMIT ?7",
            condition.text
        );
        for row in rows(connection, &text, values)? {
            let place = (row.created_us, row.sequence);
            listed.push(Listed { memory: memory(tenant, row), place });
        }
    }
    listed.sort_unstable_by_key(|listed| std::cmp::Reverse(listed.place));
    listed.truncate(query.limit);
    Ok(listed)
}

/// The caller's own memories with these tags.
pub(super) fn own_by_tag(connection: &Connection, tenant: &Tenant, tags: &TagFilter) -> Result<Vec<Row>, StoreError> {
    let selection = Selection { tags: tags.clone(), kind: None, created_from: None, created_before: None };
    let condition = condition(&selection, 4);
    let mut values = identity(tenant);
    values.extend(condition.values);
    let text = format!(
        "SELECT {MEMORY_COLUMNS}, {SHARED} FROM memory m WHERE scope IN {VISIBLE} AND m.owner = ?3{}",
        condition.text
    );
    rows(connection, &text, values)
}

fn rows(connection: &Connection, text: &str, values: Vec<SqlValue>) -> Result<Vec<Row>, StoreError> {
    let read = || {
        connection
            .prepare_cached(text)?
            .query_map(params_from_iter(values), row_of)?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    read().map_err(|error| explain(&error))
}

pub(super) fn stats(connection: &Connection, tenant: &Tenant) -> Result<Stats, StoreError> {
    stats_of(connection, tenant).map_err(|error| explain(&error))
}

fn stats_of(connection: &Connection, tenant: &Tenant) -> rusqlite::Result<Stats> {
    let mut stats = Stats::default();
    let text = "SELECT owner, documents, bytes FROM scope WHERE org = ?1 AND workspace = ?2 AND owner IN (?3, '')";
    let mut statement = connection.prepare_cached(text)?;
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
    let text = format!(
        "SELECT tag, count(*) FROM tag WHERE scope IN {VISIBLE} GROUP BY tag ORDER BY 2 DESC, 1 LIMIT {TOP_TAGS}"
    );
    let mut statement = connection.prepare_cached(&text)?;
    let counted =
        |row: &rusqlite::Row<'_>| Ok(TagCount { tag: row.get(0)?, count: row.get::<_, i64>(1)?.unsigned_abs() });
    stats.tags = statement.query_map(params_from_iter(identity(tenant)), counted)?.collect::<rusqlite::Result<_>>()?;
    let text = format!("SELECT min(created_us), max(created_us) FROM memory WHERE scope IN {VISIBLE}");
    let ends: (Option<i64>, Option<i64>) = connection
        .prepare_cached(&text)?
        .query_row(params_from_iter(identity(tenant)), |row| Ok((row.get(0)?, row.get(1)?)))?;
    stats.span = ends.0.zip(ends.1);
    Ok(stats)
}
