//! The retry budget: a call deposits a fifth of a retry, and a retry withdraws a whole one. Whatever peers do, a process makes at most one retry more
//! than a fifth of its calls, so that retries do not make an outage worse.

use std::time::Duration;

/// Number of calls that pay for one retry.
pub const CALLS_PER_RETRY: u32 = 5;
/// Maximum number of saved retries. With more, a burst of retries after a quiet hour would hit a peer that has just failed.
pub const MAX_SAVED_RETRIES: u32 = 10;
/// Maximum wait before a retry, jitter included. If a peer asks for a longer one, the workflow uses its fallback instead.
pub const MAX_RETRY_WAIT: Duration = Duration::from_millis(250);
/// Maximum jitter: a random time up to this is added to the wait, so that clients that failed together do not retry together.
pub const RETRY_JITTER: Duration = Duration::from_millis(50);

/// The saved retries, in fifths of a retry. A new process begins with one whole retry.
#[derive(Debug)]
pub struct Budget {
    // Whole numbers, so that no rounding error adds up over millions of calls.
    fifths: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { fifths: CALLS_PER_RETRY }
    }
}

impl Budget {
    pub fn deposit(&mut self) {
        self.fifths = (self.fifths + 1).min(MAX_SAVED_RETRIES * CALLS_PER_RETRY);
    }

    /// Returns false if the budget has no whole retry.
    pub fn withdraw(&mut self) -> bool {
        let rest = self.fifths.checked_sub(CALLS_PER_RETRY);
        self.fifths = rest.unwrap_or(self.fifths);
        rest.is_some()
    }
}

/// Returns the wait before a retry: the time that the peer asks for, and jitter by `random` (0 to 1). `None` if it exceeds [`MAX_RETRY_WAIT`].
pub fn retry_delay(retry_after: Option<Duration>, random: f64) -> Option<Duration> {
    let wait = retry_after.unwrap_or_default() + RETRY_JITTER.mul_f64(random.clamp(0.0, 1.0));
    (wait <= MAX_RETRY_WAIT).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn retries_are_at_most_a_fifth_of_the_calls_and_one(calls in proptest::collection::vec(0u32..4, 1..400)) {
            let mut budget = Budget::default();
            let (mut made, mut retried) = (0u32, 0u32);
            for wanted in calls {
                budget.deposit();
                made += 1;
                retried += (0..wanted).filter(|_| budget.withdraw()).count() as u32;
                proptest::prop_assert!(retried <= 1 + made / CALLS_PER_RETRY);
            }
        }

        #[test]
        fn a_wait_is_never_shorter_than_requested_and_never_long(random in 0.0f64..1.0, requested in 0u64..2_000) {
            let requested = Duration::from_millis(requested);
            match retry_delay(Some(requested), random) {
                Some(wait) => proptest::prop_assert!((requested..=MAX_RETRY_WAIT).contains(&wait)),
                None => proptest::prop_assert!(requested + RETRY_JITTER > MAX_RETRY_WAIT),
            }
            proptest::prop_assert!(retry_delay(None, random).is_some_and(|wait| wait <= RETRY_JITTER));
        }
    }
}
