//! The list of revocations in Redis: a set of entries, sorted by expiry, and a random mark. Each change replaces the mark, so that instances see
//! that the list has changed.

use super::{Entries, Revocation};
use crate::auth::MAX_CLOCK_SKEW_SECS;
use crate::provider::MAX_LIFETIME_SECS;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;

const LIST: &str = "mcp:revoked";
const MARK: &str = "mcp:revoked:mark";
/// Maximum number of entries. Every instance reads all of them and keeps them in memory.
pub(super) const MAX_ENTRIES: u64 = 10_000;
/// Lifetime of the list after its last change: no token lives longer.
const KEEP_SECS: u64 = MAX_LIFETIME_SECS + MAX_CLOCK_SKEW_SECS;

pub(super) async fn mark(connection: &mut MultiplexedConnection) -> RedisResult<Option<String>> {
    redis::cmd("GET").arg(MARK).query_async(connection).await
}

/// Returns the entries that have not expired.
pub(super) async fn read(connection: &mut MultiplexedConnection, now: u64) -> RedisResult<Entries> {
    // `(` excludes entries that expire at `now`; `write` removes these.
    let mut range = redis::cmd("ZRANGEBYSCORE");
    range.arg(LIST).arg(format!("({now}")).arg("+inf").arg("WITHSCORES");
    let stored: Vec<(String, f64)> = range.query_async(connection).await?;
    let number = stored.len();
    let entry = |(text, expiry): (String, f64)| Some((serde_json::from_str(&text).ok()?, expiry as u64));
    let entries: Entries = stored.into_iter().filter_map(entry).collect();
    if entries.len() < number {
        // A newer release may have written other kinds of entries.
        tracing::warn!(
            unread = number - entries.len(),
            "the list of revocations has entries that this release cannot read"
        );
    }
    Ok(entries)
}

/// Adds entries, removes expired ones and sets a new mark, which is returned.
pub(super) async fn write(connection: &mut MultiplexedConnection, entries: &Entries, now: u64) -> RedisResult<String> {
    let mark = uuid::Uuid::new_v4().to_string();
    let mut change = redis::pipe();
    change.atomic();
    if !entries.is_empty() {
        // `GT`: revoking something again never shortens its revocation.
        let add = change.cmd("ZADD").arg(LIST).arg("GT");
        for (entry, expiry) in entries {
            add.arg(*expiry).arg(text(entry));
        }
        add.ignore();
    }
    change.cmd("ZREMRANGEBYSCORE").arg(LIST).arg("-inf").arg(now).ignore();
    change.cmd("EXPIRE").arg(LIST).arg(KEEP_SECS).ignore();
    change.cmd("SET").arg(MARK).arg(&mark).arg("EX").arg(KEEP_SECS).ignore();
    change.exec_async(connection).await?;
    Ok(mark)
}

fn text(entry: &Revocation) -> String {
    serde_json::to_string(entry).expect("texts and numbers are JSON")
}
