//! How much may be repeated: each call pays a part of a token in, each repetition takes a whole one out. Whatever peers do, repetitions stay
//! a fixed share of calls, so that an outage is not made worse by those who suffer from it.

use std::time::Duration;

/// Calls that pay for one repetition.
pub const CALLS_PER_RETRY: u32 = 5;
/// Most repetitions that are saved up.
pub const MAX_SAVED_RETRIES: u32 = 10;
/// Longest wait before a repetition; who asks for a longer one is not asked again by the same workflow.
pub const MAX_RETRY_WAIT: Duration = Duration::from_millis(250);
/// The wait before a repetition is drawn from zero to this.
pub const RETRY_JITTER: Duration = Duration::from_millis(50);

/// The budget of one peer, in parts of a repetition.
#[derive(Debug)]
pub struct Budget {
    parts: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { parts: CALLS_PER_RETRY }
    }
}

impl Budget {
    /// A call begins.
    pub fn deposit(&mut self) {
        self.parts = (self.parts + 1).min(MAX_SAVED_RETRIES * CALLS_PER_RETRY);
    }

    /// Takes one repetition out; false where there is none.
    pub fn withdraw(&mut self) -> bool {
        let left = self.parts.checked_sub(CALLS_PER_RETRY);
        self.parts = left.unwrap_or(self.parts);
        left.is_some()
    }
}

/// How long to wait before a repetition, `random` from 0 to 1; `None` where the peer wants to be left alone for longer.
pub fn retry_delay(retry_after: Option<Duration>, random: f64) -> Option<Duration> {
    let wait = retry_after.unwrap_or_default() + RETRY_JITTER.mul_f64(random.clamp(0.0, 1.0));
    (wait <= MAX_RETRY_WAIT).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn repetitions_are_at_most_a_fifth_of_the_calls_and_one(calls in proptest::collection::vec(0u32..4, 1..400)) {
            let mut budget = Budget::default();
            let (mut made, mut repeated) = (0u32, 0u32);
            for wanted in calls {
                budget.deposit();
                made += 1;
                repeated += (0..wanted).filter(|_| budget.withdraw()).count() as u32;
                proptest::prop_assert!(repeated <= 1 + made / CALLS_PER_RETRY);
            }
        }

        #[test]
        fn a_wait_is_never_shorter_than_asked_and_never_long(random in 0.0f64..1.0, asked in 0u64..2_000) {
            let asked = Duration::from_millis(asked);
            match retry_delay(Some(asked), random) {
                Some(wait) => proptest::prop_assert!((asked..=MAX_RETRY_WAIT).contains(&wait)),
                None => proptest::prop_assert!(asked + RETRY_JITTER > MAX_RETRY_WAIT),
            }
            proptest::prop_assert!(retry_delay(None, random).is_some_and(|wait| wait <= RETRY_JITTER));
        }
    }
}
