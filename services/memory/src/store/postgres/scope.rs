//! The scopes of a tenant and what is counted for each of them.

use super::index;
use crate::tenant::Tenant;
use crate::terms::Document;
use mcp_contracts::memory::Visibility;
use mcp_kit::database::postgres::{PostgresTransaction, Values, pipelined};
use tokio_postgres::{Error, Row};

/// Statement for [`Scopes::parse`].
pub(super) const SCOPES: &str =
    "SELECT id, owner FROM memory_scope WHERE org = $1 AND workspace = $2 AND owner IN ($3, '')";

pub(super) async fn create_scope(
    transaction: &PostgresTransaction<'_>,
    tenant: &Tenant,
    owner: &str,
) -> Result<i64, Error> {
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
    match (Scopes::parse(&results[0])?.of(visibility), visibility) {
        (0, Visibility::Private) => create_scope(transaction, tenant, user).await,
        (0, Visibility::Workspace) => create_scope(transaction, tenant, "").await,
        (scope, _) => Ok(scope),
    }
}

/// The scopes of the tenant; 0 if there is none yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scopes {
    pub(super) private: i64,
    pub(super) shared: i64,
}

impl Scopes {
    pub(super) fn parse(records: &[Row]) -> Result<Self, Error> {
        let mut scopes = Self::default();
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

    pub(super) fn of(self, visibility: Visibility) -> i64 {
        match visibility {
            Visibility::Private => self.private,
            Visibility::Workspace => self.shared,
        }
    }
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
    pub(super) fn of(content: &str, document: &Document, is_recent: bool) -> Self {
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

    pub(super) fn add(&mut self, other: Self) {
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
