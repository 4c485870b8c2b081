//! Spend of organisations on models by day. Money is reserved before a call and settled after it, so that concurrent calls cannot spend the same
//! budget twice, and a call whose end is unknown counts as spent.

use super::LlmError;
use futures::future::BoxFuture;
use jiff::civil::Date;
use jiff::tz::Offset;
use mcp_contracts::Plan;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the spend of `{org}` could not be {attempted}: {why}")]
pub struct SpendError {
    pub org: String,
    /// `reserved`, `settled` or `read`.
    pub attempted: &'static str,
    pub why: String,
}

pub trait SpendStore: Send + Sync + 'static {
    /// Adds `amount` to the spend of `org` on `day` in one step and returns true, unless the sum would exceed `limit`. Durable before it returns.
    fn reserve<'a>(
        &'a self,
        org: &'a str,
        day: Date,
        amount: u64,
        limit: u64,
    ) -> BoxFuture<'a, Result<bool, SpendError>>;

    /// Replaces a reservation by the real cost.
    fn settle<'a>(
        &'a self,
        org: &'a str,
        day: Date,
        reserved: u64,
        spent: u64,
    ) -> BoxFuture<'a, Result<(), SpendError>>;

    /// Includes reservations.
    fn spent<'a>(&'a self, org: &'a str, day: Date) -> BoxFuture<'a, Result<u64, SpendError>>;
}

#[derive(Clone)]
pub struct SpendLedger {
    store: Arc<dyn SpendStore>,
    budgets: [u64; 4],
    today: fn() -> Date,
}

impl fmt::Debug for SpendLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpendLedger").field("budgets", &self.budgets).finish_non_exhaustive()
    }
}

impl SpendLedger {
    /// Creates a ledger. `budgets` are micro-dollars a day, in the order of [`Plan::ALL`]; days are UTC.
    pub fn new(store: Arc<dyn SpendStore>, budgets: [u64; 4]) -> Self {
        Self { store, budgets, today: || Offset::UTC.to_datetime(jiff::Timestamp::now()).date() }
    }

    /// Replaces the clock.
    #[must_use]
    pub fn on(self, today: fn() -> Date) -> Self {
        Self { today, ..self }
    }

    pub fn budget(&self, plan: Plan) -> u64 {
        Plan::ALL.iter().position(|known| *known == plan).map_or(0, |index| self.budgets[index])
    }

    /// Includes reservations.
    pub async fn spent_today(&self, org: &str) -> Result<u64, SpendError> {
        self.store.spent(org, (self.today)()).await
    }

    /// Reserves money. If the store fails, no call is made, because the budget is unknown.
    pub(super) async fn reserve<'a>(
        &'a self,
        org: &'a str,
        plan: Plan,
        amount: u64,
    ) -> Result<Reservation<'a>, LlmError> {
        let day = (self.today)();
        match self.store.reserve(org, day, amount, self.budget(plan)).await {
            Ok(true) => Ok(Reservation { ledger: self, org, day, amount }),
            Ok(false) => Err(LlmError::Budget),
            Err(error) => {
                tracing::error!(orgId = org, %error, "no budget could be reserved");
                Err(LlmError::Unavailable("no budget could be reserved for it"))
            }
        }
    }
}

/// Money for one call. If it is dropped unsettled, it stays spent.
#[derive(Debug)]
pub(super) struct Reservation<'a> {
    ledger: &'a SpendLedger,
    org: &'a str,
    day: Date,
    amount: u64,
}

impl Reservation<'_> {
    /// Replaces the reserved amount by the spent one. If this fails, the reserved amount stays, so that no cost is missing.
    pub(super) async fn settle(self, spent: u64) {
        if let Err(error) = self.ledger.store.settle(self.org, self.day, self.amount, spent).await {
            tracing::error!(orgId = self.org, %error, "a reservation could not be settled");
        }
    }
}

/// Spend in memory; it is lost with the process.
#[derive(Debug, Default)]
pub struct MemorySpend {
    days: Mutex<BTreeMap<(Date, String), u64>>,
}

impl SpendStore for MemorySpend {
    fn reserve<'a>(
        &'a self,
        org: &'a str,
        day: Date,
        amount: u64,
        limit: u64,
    ) -> BoxFuture<'a, Result<bool, SpendError>> {
        let mut days = self.days.lock();
        // A call of yesterday may still be settled; older days are not needed.
        let oldest = day.yesterday().unwrap_or(day);
        days.retain(|(known, _), _| *known >= oldest);
        let spent = days.entry((day, org.to_owned())).or_default();
        let fits = spent.checked_add(amount).filter(|sum| *sum <= limit);
        if let Some(sum) = fits {
            *spent = sum;
        }
        Box::pin(std::future::ready(Ok(fits.is_some())))
    }

    fn settle<'a>(
        &'a self,
        org: &'a str,
        day: Date,
        reserved: u64,
        spent: u64,
    ) -> BoxFuture<'a, Result<(), SpendError>> {
        if let Some(sum) = self.days.lock().get_mut(&(day, org.to_owned())) {
            *sum = sum.saturating_sub(reserved).saturating_add(spent);
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn spent<'a>(&'a self, org: &'a str, day: Date) -> BoxFuture<'a, Result<u64, SpendError>> {
        let spent = self.days.lock().get(&(day, org.to_owned())).copied().unwrap_or(0);
        Box::pin(std::future::ready(Ok(spent)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use jiff::civil::date;

    #[test]
    fn reserved_money_cannot_be_reserved_again_and_released_money_can() {
        let store = MemorySpend::default();
        let day = date(2026, 11, 25);
        assert_eq!(block_on(store.reserve("acme", day, 60, 100)), Ok(true));
        assert_eq!(block_on(store.reserve("acme", day, 60, 100)), Ok(false));
        assert_eq!(block_on(store.reserve("other", day, 60, 100)), Ok(true));
        block_on(store.settle("acme", day, 60, 10)).unwrap();
        assert_eq!(block_on(store.spent("acme", day)), Ok(10));
        assert_eq!(block_on(store.reserve("acme", day, 90, 100)), Ok(true));
    }

    #[test]
    fn a_new_day_has_a_new_budget_and_old_days_are_forgotten() {
        let store = MemorySpend::default();
        assert_eq!(block_on(store.reserve("acme", date(2026, 11, 23), 100, 100)), Ok(true));
        assert_eq!(block_on(store.reserve("acme", date(2026, 11, 25), 100, 100)), Ok(true));
        assert_eq!(block_on(store.spent("acme", date(2026, 11, 23))), Ok(0));
    }

    #[test]
    fn a_sum_that_overflows_does_not_fit() {
        let store = MemorySpend::default();
        let day = date(2026, 11, 25);
        assert_eq!(block_on(store.reserve("acme", day, 1, u64::MAX)), Ok(true));
        assert_eq!(block_on(store.reserve("acme", day, u64::MAX, u64::MAX)), Ok(false));
    }
}
