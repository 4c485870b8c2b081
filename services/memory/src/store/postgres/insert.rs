//! Executes a group of inserts of one tenant: one round trip reads everything that they depend on, this module decides the outcome of each,
//! and a second round trip writes all of them.

use super::idempotency::{self, Kept, RECALL};
use super::identity::Caller;
use super::index::{self, Indexed};
use super::ledger::Ledger;
use super::pending::{Insert, PendingRow};
use super::read::VISIBLE;
use super::rows;
use super::scope::{Counts, SCOPES, Scopes, create_scope};
use crate::store::kept::StoredResult;
use crate::store::quota;
use crate::store::{Idempotency, Inserted, StoreError};
use crate::tenant::Tenant;
use mcp_contracts::memory::Visibility;
use mcp_kit::database::postgres::{PostgresTransaction, Values, pipelined};
use std::collections::{BTreeMap, HashMap};
use tokio_postgres::{Error, Row};
use uuid::Uuid;

type Outcome = Result<Vec<Inserted>, StoreError>;

/// A memory of the organisation with an id that an import keeps, and whether the tenant can see it.
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
    rows: Vec<PendingRow>,
    bytes: i64,
    newest: i64,
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

/// Reads the data that the inserts depend on. Afterwards, row-level security uses the identity of the tenant.
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
    let mut scopes = Scopes::parse(&results[1])?;
    if new().any(|new| new.visibility == Visibility::Private) && scopes.private == 0 {
        scopes.private = create_scope(transaction, tenant, user).await?;
    }
    if new().any(|new| new.visibility == Visibility::Workspace) && scopes.shared == 0 {
        scopes.shared = create_scope(transaction, tenant, "").await?;
    }
    Ok((scopes, plan))
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
                self.bytes += rows::bytes_of(new);
                self.rows.push(PendingRow { insert: number, at, sequence: self.newest, id, scope, created_us });
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

async fn write(
    transaction: &PostgresTransaction<'_>,
    ledger: &Ledger,
    tenant: &Tenant,
    inserts: &[Insert<'_>],
    plan: &Plan,
) -> Result<(), Error> {
    if !plan.rows.is_empty() {
        rows::write(transaction, ledger, tenant, inserts, &plan.rows).await?;
        rows::write_tags(transaction, inserts, &plan.rows).await?;
        let document = |row: &PendingRow| &inserts[row.insert].texts[row.at].document;
        let indexed = |row: &PendingRow| Indexed {
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
