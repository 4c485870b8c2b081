//! The bytes that each organisation stores, and the bound of its plan. Triggers count them, so that an older release that shares the file counts as well.

use super::failure::Failure;
use super::read::Row;
use crate::store::{Change, NewMemory, quota};
use crate::tenant::Tenant;
use rusqlite::{Connection, OptionalExtension};

// The upserts must not become `INSERT OR IGNORE` with an update: SQLite gives the statements of a trigger the conflict clause of the
// statement that fires it, and an older release writes `idempotency` with `INSERT OR REPLACE`.
// 512 is `quota::ROW_BYTES`.
pub(super) const STORAGE: &str = "
CREATE TABLE storage (org TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO storage SELECT org, sum(bytes) FROM (
    SELECT s.org AS org, 512 + octet_length(m.content) + octet_length(m.tags) + octet_length(m.metadata) AS bytes FROM memory m JOIN scope s ON s.id = m.scope
    UNION ALL SELECT org, 512 + octet_length(reply) FROM idempotency
) GROUP BY org;
CREATE TRIGGER memory_stored AFTER INSERT ON memory BEGIN
    INSERT INTO storage SELECT org, 512 + octet_length(NEW.content) + octet_length(NEW.tags) + octet_length(NEW.metadata) FROM scope WHERE id = NEW.scope
        ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER memory_removed AFTER DELETE ON memory BEGIN
    UPDATE storage SET bytes = bytes - 512 - octet_length(OLD.content) - octet_length(OLD.tags) - octet_length(OLD.metadata)
        WHERE org = (SELECT org FROM scope WHERE id = OLD.scope);
END;
CREATE TRIGGER memory_changed AFTER UPDATE OF content, tags, metadata ON memory BEGIN
    UPDATE storage SET bytes = bytes + octet_length(NEW.content) + octet_length(NEW.tags) + octet_length(NEW.metadata)
            - octet_length(OLD.content) - octet_length(OLD.tags) - octet_length(OLD.metadata)
        WHERE org = (SELECT org FROM scope WHERE id = OLD.scope);
END;
CREATE TRIGGER reply_stored AFTER INSERT ON idempotency BEGIN
    INSERT INTO storage SELECT NEW.org, 512 + octet_length(NEW.reply) WHERE true ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER reply_removed AFTER DELETE ON idempotency BEGIN
    UPDATE storage SET bytes = bytes - 512 - octet_length(OLD.reply) WHERE org = OLD.org;
END;
CREATE TRIGGER reply_changed AFTER UPDATE OF reply ON idempotency BEGIN
    UPDATE storage SET bytes = bytes + octet_length(NEW.reply) - octet_length(OLD.reply) WHERE org = OLD.org;
END;
";

/// Returns the bytes that the tenant's organisation stores.
pub(super) fn stored(connection: &Connection, tenant: &Tenant) -> rusqlite::Result<u64> {
    let bytes: Option<i64> = connection
        .prepare_cached("SELECT bytes FROM storage WHERE org = ?1")?
        .query_row([tenant.org()], |row| row.get(0))
        .optional()?;
    Ok(bytes.unwrap_or_default().max(0).unsigned_abs())
}

/// Fails if the organisation may not store this memory as well.
pub(super) fn admit(connection: &Connection, tenant: &Tenant, allowed: u64, new: &NewMemory) -> Result<(), Failure> {
    admit_bytes(connection, tenant, allowed, quota::added_by(new))
}

/// Fails if a change needs more than the organisation may store. One that does not grow the memory is always admitted.
pub(super) fn admit_change(
    connection: &Connection,
    tenant: &Tenant,
    allowed: u64,
    old: &Row,
    change: &Change,
) -> Result<(), Failure> {
    match quota::added_by_change(&old.content, &old.metadata, change) {
        0 => Ok(()),
        added => admit_bytes(connection, tenant, allowed, added),
    }
}

fn admit_bytes(connection: &Connection, tenant: &Tenant, allowed: u64, added: u64) -> Result<(), Failure> {
    Ok(quota::check(stored(connection, tenant)?, added, allowed)?)
}
