//! What organisations spend on models in a day. Money is reserved before a call and settled after it, so that calls at the same
//! time cannot spend the same budget twice, and a call that nobody heard the end of counts as spent.

use super::LlmError;
use futures::future::BoxFuture;
use jiff::civil::Date;
use jiff::tz::Offset;
use mcp_contracts::Plan;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A store of spend failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the spend of `{org}` could not be {attempted}: {why}")]
pub struct SpendError {
    /// Whose spend.
    pub org: String,
    /// What was attempted: `reserved`, `settled`, `read`.
    pub attempted: &'static str,
    /// Why it failed.
    pub why: String,
}

/// Keeps what organisations have spent, reservations included, by day.
pub trait SpendStore: Send + Sync + 'static {
    /// Adds `amount` to the spend of `org` on `day` unless the sum would pass `limit`, in one step, durable before it answers
    /// true.
    fn reserve<'a>(
        &'a self,
        org: &'a str,
        day: Date,
        amount: u64,
        limit: u64,
    ) -> BoxFuture<'a, Result<bool, SpendError>>;

    /// Replaces a reservation by what was really spent.
    fn settle<'a>(
        &'a self,
        org: &'a str,
        day: Date,
        reserved: u64,
        spent: u64,
    ) -> BoxFuture<'a, Result<(), SpendError>>;

    /// What `org` has spent on `day`, reservations included.
    fn spent<'a>(&'a self, org: &'a str, day: Date) -> BoxFuture<'a, Result<u64, SpendError>>;
}

/// Budgets by plan and a store of spend.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn SpendStore>,
    budgets: [u64; 4],
    today: fn() -> Date,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("budgets", &self.budgets).finish_non_exhaustive()
    }
}

impl Ledger {
    /// A ledger with the daily budgets of the plans in the order of [`Plan::ALL`], in micro-dollars; days are UTC.
    pub fn new(store: Arc<dyn SpendStore>, budgets: [u64; 4]) -> Self {
        Self { store, budgets, today: || Offset::UTC.to_datetime(jiff::Timestamp::now()).date() }
    }

    /// The same on days that `today` tells.
    #[must_use]
    pub fn on(self, today: fn() -> Date) -> Self {
        Self { today, ..self }
    }

    /// What an organisation on `plan` may spend in a day.
    pub fn budget(&self, plan: Plan) -> u64 {
        Plan::ALL.iter().position(|known| *known == plan).map_or(0, |index| self.budgets[index])
    }

    /// What `org` has spent today, reservations included.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn spent_today(&self, org: &str) -> Result<u64, SpendError> {
        self.store.spent(org, (self.today)()).await
    }

    /// Sets money aside. Without the store's word there is no call: a budget that cannot be read is not a budget.
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
                Err(LlmError::Unavailable("its budget could not be reserved"))
            }
        }
    }
}

/// Money set aside for one call. Dropped unsettled, it stays spent.
#[derive(Debug)]
pub(super) struct Reservation<'a> {
    ledger: &'a Ledger,
    org: &'a str,
    day: Date,
    amount: u64,
}

impl Reservation<'_> {
    /// Replaces it by what was spent; where that fails the reservation stands, which is on the safe side.
    pub(super) async fn settle(self, spent: u64) {
        if let Err(error) = self.ledger.store.settle(self.org, self.day, self.amount, spent).await {
            tracing::error!(orgId = self.org, %error, "a reservation stands although its call has ended");
        }
    }
}

/// Spend of one process; it ends with it.
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
        // a call that began yesterday may still be settled today; what is older is history
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
    fn what_is_reserved_cannot_be_reserved_again_and_what_is_released_can() {
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
    fn a_sum_past_every_number_does_not_fit() {
        let store = MemorySpend::default();
        let day = date(2026, 11, 25);
        assert_eq!(block_on(store.reserve("acme", day, 1, u64::MAX)), Ok(true));
        assert_eq!(block_on(store.reserve("acme", day, u64::MAX, u64::MAX)), Ok(false));
    }
}
