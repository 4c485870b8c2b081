//! What each organisation spends on models per day, including reservations.

use super::{Store, StoreError};
use crate::llm::{SpendError, SpendStore};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::civil::Date;
use mcp_kit::database::Turn;
use rusqlite::{Connection, OptionalExtension, params};

pub struct Spend(pub Store);

fn amount(connection: &Connection, org: &str, day: &str) -> rusqlite::Result<u64> {
    let text = "SELECT amount FROM spend WHERE org = ?1 AND day = ?2";
    let amount: Option<i64> =
        connection.prepare_cached(text)?.query_row(params![org, day], |row| row.get(0)).optional()?;
    Ok(amount.map_or(0, i64::unsigned_abs))
}

fn set(connection: &Connection, org: &str, day: &str, amount: u64) -> rusqlite::Result<()> {
    let text = "INSERT INTO spend (org, day, amount) VALUES (?1, ?2, ?3) ON CONFLICT (org, day) DO UPDATE SET amount = excluded.amount";
    let amount = i64::try_from(amount).unwrap_or(i64::MAX);
    connection.prepare_cached(text)?.execute(params![org, day, amount]).map(drop)
}

fn failed(org: &str, attempted: &'static str) -> impl FnOnce(StoreError) -> SpendError {
    let org = org.to_owned();
    move |error| SpendError { org, attempted, why: error.to_string() }
}

impl SpendStore for Spend {
    fn reserve<'a>(&'a self, org: &'a str, day: Date, sum: u64, limit: u64) -> BoxFuture<'a, Result<bool, SpendError>> {
        let (owned, text) = (org.to_owned(), day.to_string());
        // A call that began yesterday may still have to be settled. Older days are not needed.
        let oldest = day.yesterday().unwrap_or(day).to_string();
        let work = self.0.database.write_for(Turn::of(org), move |transaction| {
            transaction.execute("DELETE FROM spend WHERE day < ?1", [&oldest])?;
            let wanted = amount(transaction, &owned, &text)?.saturating_add(sum);
            if wanted <= limit {
                set(transaction, &owned, &text, wanted)?;
            }
            Ok(wanted <= limit)
        });
        async move { work.await.map_err(failed(org, "reserved")) }.boxed()
    }

    fn settle<'a>(&'a self, org: &'a str, day: Date, held: u64, spent: u64) -> BoxFuture<'a, Result<(), SpendError>> {
        let (owned, text) = (org.to_owned(), day.to_string());
        let work = self.0.database.write_for(Turn::of(org), move |transaction| {
            let now = amount(transaction, &owned, &text)?;
            set(transaction, &owned, &text, now.saturating_sub(held).saturating_add(spent))
        });
        async move { work.await.map_err(failed(org, "settled")) }.boxed()
    }

    fn spent<'a>(&'a self, org: &'a str, day: Date) -> BoxFuture<'a, Result<u64, SpendError>> {
        let (owned, text) = (org.to_owned(), day.to_string());
        let work = self.0.database.read_for(org, move |connection| amount(connection, &owned, &text));
        async move { work.await.map_err(failed(org, "read")) }.boxed()
    }
}
