//! Brings the tables of a service to the version of this release. Instances that start together take turns by an advisory lock.

use super::failure::PostgresOpenError;
use super::servers::Servers;
use super::target::PostgresTarget;
use super::{PostgresTransaction, Work};
use futures::FutureExt;
use tokio_postgres::{Client, Error, Transaction};

/// The lock of all migrations in a database: the letters `mcp`.
const LOCK: i64 = 0x006d_6370;
/// A migration waits longer for others than a call does.
// An instance that hangs in its migration must not hold the lock for ever.
const SESSION: &str = "SET lock_timeout = '120s'; SET statement_timeout = 0; SET client_min_messages = warning;
    SET idle_in_transaction_session_timeout = '60s'";
const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS mcp_version (service TEXT PRIMARY KEY, version INTEGER NOT NULL)";

/// The tables of a service in a database.
#[derive(Debug, Clone, Copy)]
pub struct PostgresSchema<'a> {
    /// Name of the service, under which its version is kept.
    pub service: &'static str,
    /// The first `n` migrations create version `n`. Never change a released migration.
    pub migrations: &'a [&'a str],
}

/// Runs the missing migrations, each in a transaction of its own.
pub(super) async fn run(target: &PostgresTarget, schema: &PostgresSchema<'_>) -> Result<(), PostgresOpenError> {
    let connecting = |error: Error| PostgresOpenError::connecting(target, &error);
    let (mut client, connection) = Servers::of(target, SESSION).connect().await.map_err(connecting)?;
    check_server(&client, target).await?;
    while migrate_once(&mut client, target, schema).await? {}
    // The connection ends with its client.
    drop(client);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "the connection of the migration ended with an error");
    }
    Ok(())
}

/// Fails if texts of all scripts cannot be stored, or if the role could read every row in spite of the policies.
async fn check_server(client: &Client, target: &PostgresTarget) -> Result<(), PostgresOpenError> {
    let sql = "SELECT rolsuper OR rolbypassrls, current_setting('server_encoding') FROM pg_roles WHERE rolname = current_user";
    let row = client.query_one(sql, &[]).await.map_err(|error| PostgresOpenError::connecting(target, &error))?;
    let (bypasses, encoding): (bool, String) = (row.get(0), row.get(1));
    if bypasses {
        return Err(PostgresOpenError::Bypass { place: target.place(), user: target.user().to_owned() });
    }
    if encoding != "UTF8" {
        return Err(PostgresOpenError::Encoding { place: target.place(), encoding });
    }
    Ok(())
}

/// Runs the next migration. Returns false if there is none.
async fn migrate_once(
    client: &mut Client,
    target: &PostgresTarget,
    schema: &PostgresSchema<'_>,
) -> Result<bool, PostgresOpenError> {
    let failed = |from: usize| move |error: Error| PostgresOpenError::migrating(target, from, &error);
    let transaction = client.transaction().await.map_err(failed(0))?;
    // Released with the transaction, also if this instance is killed.
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(failed(0))?;
    let version = version(&transaction, schema.service).await.map_err(failed(0))?;
    let newest = schema.migrations.len();
    if version > newest {
        return Err(PostgresOpenError::Newer { place: target.place(), version, newest });
    }
    let Some(migration) = schema.migrations.get(version) else { return Ok(false) };
    let step = async {
        transaction.batch_execute(VERSIONS).await?;
        transaction.batch_execute(migration).await?;
        let sql = "INSERT INTO mcp_version (service, version) VALUES ($1, $2) ON CONFLICT (service) DO UPDATE SET version = excluded.version";
        transaction.execute(sql, &[&schema.service, &(version as i32 + 1)]).await?;
        transaction.commit().await
    };
    step.await.map_err(failed(version))?;
    tracing::info!(version = version + 1, "the database was migrated");
    Ok(true)
}

async fn version(transaction: &Transaction<'_>, service: &str) -> Result<usize, Error> {
    let exists: bool = transaction.query_one("SELECT to_regclass('mcp_version') IS NOT NULL", &[]).await?.get(0);
    if !exists {
        return Ok(0);
    }
    let row = transaction.query_opt("SELECT version FROM mcp_version WHERE service = $1", &[&service]).await?;
    Ok(row.map_or(0, |row| row.get::<_, i32>(0).unsigned_abs() as usize))
}

/// Writes what is there already, to find out whether the database accepts writes.
pub(super) fn touch<'t>(transaction: &'t PostgresTransaction<'t>, service: &'static str) -> Work<'t, u64> {
    async move { transaction.execute("UPDATE mcp_version SET version = version WHERE service = $1", &[&service]).await }
        .boxed()
}
