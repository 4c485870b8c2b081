//! Inserts of one tenant, all of a group at a time: one trip reads what they depend on, the outcome of each is decided here, and one trip writes all of
//! them.

use super::idempotency::{self, Kept, RECALL};
use super::identity::Caller;
use super::index::{self, Indexed};
use super::ledger::Ledger;
use super::read::VISIBLE;
use crate::store::kept::StoredResult;
use crate::store::quota::{self, ROW_BYTES};
use crate::store::text::Text;
use crate::store::{Idempotency, Inserted, NewMemory, StoreError};
use crate::tenant::Tenant;
use mcp_contracts::memory::Visibility;
use mcp_kit::database::postgres::{PostgresTransaction, Values, pipelined};
use std::collections::{BTreeMap, HashMap};
use tokio_postgres::{Error, Row};
use uuid::Uuid;

type Outcome = Result<Vec<Inserted>, StoreError>;

/// An insert of one call.
pub(super) struct Insert<'a> {
    pub(super) memories: &'a [NewMemory],
    /// In the order of the memories.
    pub(super) texts: &'a [Text],
    /// Bytes that the plan of the caller allows.
    pub(super) allowed: u64,
}

/// What a memory of the organisation with a kept id is for the tenant.
#[derive(Debug, Clone)]
struct WithId {
    is_visible: bool,
    inserted: Inserted,
}

/// What the inserts depend on and what they store, while they are decided.
#[derive(Debug, Clone, Default)]
struct Plan {
    kept: HashMap<Vec<u8>, Kept>,
    /// Keys whose result is new.
    new_keys: Vec<Vec<u8>>,
    by_text: HashMap<(i64, [u8; 32]), Inserted>,
    by_id: HashMap<Uuid, WithId>,
    rows: Vec<New>,
    bytes: i64,
    newest: i64,
}

/// A memory to store: its insert, its number in it, and what the store adds.
#[derive(Debug, Clone)]
struct New {
    insert: usize,
    at: usize,
    sequence: i64,
    id: Uuid,
    scope: i64,
    created_us: i64,
}

/// Returns the outcome of each insert. Each stores all of its memories or none.
pub(super) async fn run(
    transaction: &PostgresTransaction<'_>,
    ledger: &mut Ledger,
    tenant: &Tenant,
    inserts: &[Insert<'_>],
) -> Result<Vec<Outcome>, Error> {
    let (scopes, mut plan) = prepare(transaction, ledger, tenant, inserts).await?;
    let mut outcomes = Vec::with_capacity(inserts.len());
    for (number, insert) in inserts.iter().enumerate() {
        // One memory is refused before it changes the plan, so the usual case does without a copy.
        let before = (insert.memories.len() > 1).then(|| plan.clone());
        let outcome: Outcome =
            (0..insert.memories.len()).map(|at| plan.insert(&scopes, ledger.now, insert, number, at)).collect();
        if outcome.is_err()
            && let Some(before) = before
        {
            plan = before;
        }
        outcomes.push(outcome);
    }
    write(transaction, ledger, tenant, inserts, &plan).await?;
    (ledger.bytes, ledger.newest) = (plan.bytes, plan.newest);
    Ok(outcomes)
}

/// The scopes of the tenant.
#[derive(Debug, Clone, Copy, Default)]
struct Scopes {
    private: i64,
    shared: i64,
}

impl Scopes {
    fn of(self, visibility: Visibility) -> i64 {
        match visibility {
            Visibility::Private => self.private,
            Visibility::Workspace => self.shared,
        }
    }
}

/// Reads what the inserts depend on, and leaves the identity of the tenant set.
async fn prepare(
    transaction: &PostgresTransaction<'_>,
    ledger: &Ledger,
    tenant: &Tenant,
    inserts: &[Insert<'_>],
) -> Result<(Scopes, Plan), Error> {
    let by_text = format!(
        "SELECT scope, content_hash, id, version, created_us FROM memory
         WHERE org = $1 AND scope IN {VISIBLE} AND owner = $3 AND content_hash = ANY($4) ORDER BY sequence DESC"
    );
    let by_id = "SELECT m.id, m.content_hash, m.version, m.created_us, s.workspace = $2 AND s.owner IN ($3, '')
        FROM memory m JOIN memory_scope s ON s.id = m.scope WHERE m.org = $1 AND m.id = ANY($4)";
    let new = || inserts.iter().flat_map(|insert| insert.memories);
    let keys: Vec<&[u8]> = new().filter_map(|new| Some(new.idempotency.as_ref()?.key.as_bytes())).collect();
    let hashes: Vec<&[u8]> =
        inserts.iter().flat_map(|insert| insert.texts).map(|text| &text.content_hash[..]).collect();
    let ids: Vec<Uuid> = new().filter_map(|new| new.id).collect();
    let (org, workspace, user) = (tenant.org(), tenant.workspace(), tenant.user());
    let mut plan = Plan { bytes: ledger.bytes, newest: ledger.newest, ..Plan::default() };
    if !ids.is_empty() {
        // Of the whole organisation, in which an id is unique.
        let caller = Caller::organisation(org);
        let values: Values<'_> = &[&org, &workspace, &user, &ids];
        let results = pipelined(transaction, &[caller.identity().set(), (by_id, values)]).await?;
        plan.by_id = results[1].iter().map(with_id).collect::<Result<_, _>>()?;
    }
    let caller = Caller::of(tenant);
    let results = pipelined(
        transaction,
        &[
            caller.identity().set(),
            (SCOPES, &[&org, &workspace, &user]),
            (&by_text, &[&org, &workspace, &user, &hashes]),
            (RECALL, &[&org, &workspace, &user, &keys]),
        ],
    )
    .await?;
    for record in &results[2] {
        let content_hash = hash(record.try_get(1)?);
        let inserted = Inserted {
            id: record.try_get::<_, Uuid>(2)?.to_string(),
            created: false,
            version: record.try_get::<_, i64>(3)?.unsigned_abs(),
            content_hash,
            created_us: record.try_get(4)?,
        };
        // The oldest comes last and stays.
        plan.by_text.insert((record.try_get(0)?, content_hash), inserted);
    }
    plan.kept = idempotency::parse(&results[3])?;
    let mut scopes = parse_scopes(&results[1])?;
    if new().any(|new| new.visibility == Visibility::Private) && scopes.private == 0 {
        scopes.private = create_scope(transaction, tenant, user).await?;
    }
    if new().any(|new| new.visibility == Visibility::Workspace) && scopes.shared == 0 {
        scopes.shared = create_scope(transaction, tenant, "").await?;
    }
    Ok((scopes, plan))
}

const SCOPES: &str = "SELECT id, owner FROM memory_scope WHERE org = $1 AND workspace = $2 AND owner IN ($3, '')";

fn parse_scopes(records: &[Row]) -> Result<Scopes, Error> {
    let mut scopes = Scopes::default();
    for record in records {
        let id = record.try_get(0)?;
        if record.try_get::<_, &str>(1)?.is_empty() {
            scopes.shared = id;
        } else {
            scopes.private = id;
        }
    }
    Ok(scopes)
}

async fn create_scope(transaction: &PostgresTransaction<'_>, tenant: &Tenant, owner: &str) -> Result<i64, Error> {
    let sql = "INSERT INTO memory_scope (org, workspace, owner) VALUES ($1, $2, $3) RETURNING id";
    let results = pipelined(transaction, &[(sql, &[&tenant.org(), &tenant.workspace(), &owner])]).await?;
    results[0][0].try_get(0)
}

/// Returns the scope of a memory of `user`, whose identity is set, and creates it if there is none yet.
pub(super) async fn scope_for_write(
    transaction: &PostgresTransaction<'_>,
    tenant: &Tenant,
    user: &str,
    visibility: Visibility,
) -> Result<i64, Error> {
    let results = pipelined(transaction, &[(SCOPES, &[&tenant.org(), &tenant.workspace(), &user])]).await?;
    match (parse_scopes(&results[0])?.of(visibility), visibility) {
        (0, Visibility::Private) => create_scope(transaction, tenant, user).await,
        (0, Visibility::Workspace) => create_scope(transaction, tenant, "").await,
        (scope, _) => Ok(scope),
    }
}

fn with_id(record: &Row) -> Result<(Uuid, WithId), Error> {
    let id: Uuid = record.try_get(0)?;
    let inserted = Inserted {
        id: id.to_string(),
        created: false,
        version: record.try_get::<_, i64>(2)?.unsigned_abs(),
        content_hash: hash(record.try_get(1)?),
        created_us: record.try_get(3)?,
    };
    Ok((id, WithId { is_visible: record.try_get(4)?, inserted }))
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().unwrap_or_default()
}

impl Plan {
    fn insert(
        &mut self,
        scopes: &Scopes,
        now: i64,
        insert: &Insert<'_>,
        number: usize,
        at: usize,
    ) -> Result<Inserted, StoreError> {
        let (new, content_hash) = (&insert.memories[at], insert.texts[at].content_hash);
        let key = new.idempotency.as_ref();
        if let Some(key) = key
            && let Some(kept) = self.kept.get(key.key.as_bytes())
            && let Some(StoredResult::Inserted(inserted)) = kept.recall(key)?
        {
            return Ok(inserted);
        }
        let scope = scopes.of(new.visibility);
        let duplicate = match new.id {
            Some(id) => self.with_id(id, content_hash)?,
            None => self.by_text.get(&(scope, content_hash)).cloned(),
        };
        let inserted = match duplicate {
            Some(duplicate) => duplicate,
            None => {
                quota::check(self.bytes.max(0).unsigned_abs(), quota::added_by(new), insert.allowed)?;
                let id = new.id.unwrap_or_else(Uuid::now_v7);
                let created_us = new.created_us.map_or(now, |created| created.min(now));
                self.newest += 1;
                self.bytes += bytes_of(new);
                self.rows.push(New { insert: number, at, sequence: self.newest, id, scope, created_us });
                let inserted = Inserted { id: id.to_string(), created: true, version: 1, content_hash, created_us };
                let again = Inserted { created: false, ..inserted.clone() };
                self.by_id.insert(id, WithId { is_visible: true, inserted: again.clone() });
                self.by_text.entry((scope, content_hash)).or_insert(again);
                inserted
            }
        };
        // A duplicate is stored with the key as well, so that a repeated request returns the same memory even if it was changed since.
        if let Some(key) = key {
            self.keep(key, &inserted);
        }
        Ok(inserted)
    }

    /// Returns the memory with an id that an import keeps, if the tenant can see it and it has the same text.
    fn with_id(&self, id: Uuid, content_hash: [u8; 32]) -> Result<Option<Inserted>, StoreError> {
        match self.by_id.get(&id) {
            Some(with_id) if with_id.is_visible && with_id.inserted.content_hash == content_hash => {
                Ok(Some(with_id.inserted.clone()))
            }
            Some(_) => Err(StoreError::IdInUse(id)),
            None => Ok(None),
        }
    }

    fn keep(&mut self, key: &Idempotency, inserted: &Inserted) {
        let (name, kept) =
            (key.key.as_bytes().to_vec(), Kept::new(key.request, &StoredResult::Inserted(inserted.clone()), None));
        self.bytes += kept.bytes();
        if let Some(old) = self.kept.insert(name.clone(), kept) {
            self.bytes -= old.bytes();
        }
        if !self.new_keys.contains(&name) {
            self.new_keys.push(name);
        }
    }
}

fn tags_of(new: &NewMemory) -> String {
    serde_json::to_string(&new.tags).unwrap_or_default()
}

fn metadata_of(new: &NewMemory) -> String {
    serde_json::to_string(&new.metadata).unwrap_or_default()
}

fn bytes_of(new: &NewMemory) -> i64 {
    (new.content.len() + tags_of(new).len() + metadata_of(new).len()) as i64 + ROW_BYTES as i64
}

async fn write(
    transaction: &PostgresTransaction<'_>,
    ledger: &Ledger,
    tenant: &Tenant,
    inserts: &[Insert<'_>],
    plan: &Plan,
) -> Result<(), Error> {
    if !plan.rows.is_empty() {
        write_rows(transaction, ledger, tenant, inserts, &plan.rows).await?;
        write_tags(transaction, inserts, &plan.rows).await?;
        let document = |row: &New| &inserts[row.insert].texts[row.at].document;
        let indexed = |row: &New| Indexed {
            scope: row.scope,
            memory: row.sequence,
            created_us: row.created_us,
            document: document(row),
        };
        index::add(transaction, &plan.rows.iter().map(indexed).collect::<Vec<_>>()).await?;
        // Once for each scope, so that the terms of all memories move into blocks together.
        let mut added: BTreeMap<i64, Counts> = BTreeMap::new();
        for row in &plan.rows {
            let content = &inserts[row.insert].memories[row.at].content;
            added.entry(row.scope).or_default().add(Counts::of(content, document(row), true));
        }
        for (scope, counts) in added {
            counts.write(transaction, scope).await?;
        }
    }
    let results: Vec<(&[u8], &Kept)> = plan.new_keys.iter().map(|key| (&**key, &plan.kept[key])).collect();
    idempotency::remember(transaction, tenant, &results, ledger.now).await
}

async fn write_rows(
    transaction: &PostgresTransaction<'_>,
    ledger: &Ledger,
    tenant: &Tenant,
    inserts: &[Insert<'_>],
    rows: &[New],
) -> Result<(), Error> {
    let sql = "INSERT INTO memory (org, owner, updated_us, version, sequence, id, scope, created_us, content_hash, kind, tags, metadata, content,
            copy)
        SELECT $1, $2, $3, 1, u.* FROM unnest($4::bigint[], $5::uuid[], $6::bigint[], $7::bigint[], $8::bytea[], $9::text[], $10::text[],
            $11::text[], $12::bytea[], $13::bigint[]) u";
    let new = |row: &New| &inserts[row.insert].memories[row.at];
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

async fn write_tags(transaction: &PostgresTransaction<'_>, inserts: &[Insert<'_>], rows: &[New]) -> Result<(), Error> {
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

/// What memories are in the counts of their scope.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    documents: i64,
    words: i64,
    bytes: i64,
    /// Terms that are not in blocks.
    recent: i64,
}

impl Counts {
    pub(super) fn of(content: &str, document: &crate::terms::Document, is_recent: bool) -> Self {
        Self {
            documents: 1,
            words: document.words.cast_signed(),
            bytes: content.len() as i64,
            recent: if is_recent { index::recent_terms(document) } else { 0 },
        }
    }

    pub(super) fn negated(self) -> Self {
        Self { documents: -self.documents, words: -self.words, bytes: -self.bytes, recent: -self.recent }
    }

    fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.words += other.words;
        self.bytes += other.bytes;
        self.recent += other.recent;
    }

    /// Adds the counts to those of a scope, whose terms move into blocks if there are enough of them.
    pub(super) async fn write(self, transaction: &PostgresTransaction<'_>, scope: i64) -> Result<(), Error> {
        let sql = "UPDATE memory_scope SET documents = documents + $2, terms = terms + $3, bytes = bytes + $4, recent = greatest(0, recent + $5)
            WHERE id = $1 RETURNING recent, terms";
        let values: Values<'_> = &[&scope, &self.documents, &self.words, &self.bytes, &self.recent];
        let results = pipelined(transaction, &[(sql, values)]).await?;
        match results[0].first() {
            // Only an insert brings a scope nearer to a move.
            Some(record) if self.recent > 0 => {
                index::settle(transaction, scope, record.try_get(0)?, record.try_get(1)?).await
            }
            Some(_) | None => Ok(()),
        }
    }
}
