//! A group of writes of one organisation in one transaction.

use super::change;
use super::failure::commit_refusal;
use super::insert;
use super::ledger::Ledger;
use super::pending::Insert;
use crate::store::text::Text;
use crate::store::{Change, Inserted, NewMemory, StoreError};
use crate::tenant::Tenant;
use mcp_contracts::memory::Memory;
use mcp_kit::database::DatabaseError;
use mcp_kit::database::postgres::PostgresTransaction;
use std::collections::HashMap;
use std::sync::Arc;
use tokio_postgres::Error;

/// A write of one caller.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) tenant: Tenant,
    /// Bytes that the plan of the caller allows.
    pub(super) allowed: u64,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Insert {
        memories: Vec<NewMemory>,
        texts: Vec<Text>,
    },
    Update {
        id: String,
        change: Change,
    },
    Delete {
        id: String,
    },
    /// Sequence numbers and versions.
    DeletePortion(Vec<(i64, i64)>),
}

/// What a write has done.
#[derive(Debug, Clone)]
pub(super) enum Written {
    Inserted(Vec<Inserted>),
    Updated(Memory),
    Deleted(u64),
}

impl Written {
    // A write has the outcome of its kind, so the other arms are never taken.
    pub(super) fn inserted(self) -> Result<Vec<Inserted>, StoreError> {
        match self {
            Self::Inserted(inserted) => Ok(inserted),
            Self::Updated(_) | Self::Deleted(_) => Err(DatabaseError::Unconfirmed.into()),
        }
    }

    pub(super) fn updated(self) -> Result<Memory, StoreError> {
        match self {
            Self::Updated(memory) => Ok(memory),
            Self::Inserted(_) | Self::Deleted(_) => Err(DatabaseError::Unconfirmed.into()),
        }
    }

    pub(super) fn deleted(self) -> Result<u64, StoreError> {
        match self {
            Self::Deleted(number) => Ok(number),
            Self::Inserted(_) | Self::Updated(_) => Err(DatabaseError::Unconfirmed.into()),
        }
    }
}

/// Returns the outcome of each write. A refused one has changed nothing.
pub(super) async fn apply(
    transaction: &PostgresTransaction<'_>,
    org: &str,
    writes: &[Arc<Write>],
) -> Result<Vec<Result<Written, StoreError>>, Error> {
    let mut ledger = Ledger::lock(transaction, org).await?;
    let mut outcomes: HashMap<usize, Result<Written, StoreError>> = HashMap::with_capacity(writes.len());
    // Callers that wait at the same time have no order among them, so the inserts of each tenant run together.
    for (tenant, numbers) in inserts_by_tenant(writes) {
        let inserts: Vec<Insert<'_>> = numbers.iter().filter_map(|number| as_insert(&writes[*number])).collect();
        let inserted = insert::run(transaction, &mut ledger, tenant, &inserts).await?;
        outcomes.extend(numbers.into_iter().zip(inserted.into_iter().map(|outcome| outcome.map(Written::Inserted))));
    }
    for (number, write) in writes.iter().enumerate() {
        if let Some(outcome) = change_one(transaction, &mut ledger, write).await? {
            outcomes.insert(number, outcome);
        }
    }
    ledger.write(transaction).await?;
    Ok((0..writes.len()).filter_map(|number| outcomes.remove(&number)).collect())
}

fn inserts_by_tenant(writes: &[Arc<Write>]) -> Vec<(&Tenant, Vec<usize>)> {
    let mut tenants: Vec<(&Tenant, Vec<usize>)> = Vec::new();
    for (number, write) in writes.iter().enumerate() {
        if !matches!(write.kind, Kind::Insert { .. }) {
            continue;
        }
        match tenants.iter_mut().find(|(tenant, _)| **tenant == write.tenant) {
            Some((_, numbers)) => numbers.push(number),
            None => tenants.push((&write.tenant, vec![number])),
        }
    }
    tenants
}

fn as_insert(write: &Write) -> Option<Insert<'_>> {
    match &write.kind {
        Kind::Insert { memories, texts } => Some(Insert { memories, texts, allowed: write.allowed }),
        Kind::Update { .. } | Kind::Delete { .. } | Kind::DeletePortion(_) => None,
    }
}

async fn change_one(
    transaction: &PostgresTransaction<'_>,
    ledger: &mut Ledger,
    write: &Write,
) -> Result<Option<Result<Written, StoreError>>, Error> {
    let (tenant, allowed) = (&write.tenant, write.allowed);
    let outcome = match &write.kind {
        Kind::Insert { .. } => return Ok(None),
        Kind::Update { id, change } => {
            let updated = change::update(transaction, ledger, tenant, allowed, id, change).await;
            commit_refusal(updated)?.map(Written::Updated)
        }
        Kind::Delete { id } => {
            let deleted = change::delete(transaction, ledger, tenant, id).await;
            commit_refusal(deleted)?.map(|()| Written::Deleted(1))
        }
        Kind::DeletePortion(versions) => {
            Ok(Written::Deleted(change::delete_portion(transaction, ledger, tenant, versions).await?))
        }
    };
    Ok(Some(outcome))
}
