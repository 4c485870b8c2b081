//! Latency: everything arrives later by a delay that varies. Bytes wait in a queue, so that a long reply is late once and not once for
//! each of its pieces, and their order stays.

use crate::draw::unit;
use crate::toxic::millis;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// The delay in the middle.
    #[serde(rename = "delay_ms", with = "millis")]
    pub delay: Duration,
    /// How far it may lie from the middle, evenly; below zero counts as zero.
    #[serde(rename = "jitter_ms", with = "millis", default)]
    pub jitter: Duration,
}

impl Latency {
    pub(crate) fn delay(&self, random: u64) -> Duration {
        (self.delay + self.jitter.mul_f64(2.0 * unit(random))).saturating_sub(self.jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_stays_in_its_range_even_where_the_jitter_is_greater() {
        let latency =
            |delay, jitter| Latency { delay: Duration::from_millis(delay), jitter: Duration::from_millis(jitter) };
        for random in (0..1_000).map(crate::draw::next) {
            let delay = latency(100, 20).delay(random);
            assert!(delay >= Duration::from_millis(80) && delay <= Duration::from_millis(120), "{delay:?}");
            assert!(latency(10, 50).delay(random) <= Duration::from_millis(60));
            assert_eq!(latency(10, 0).delay(random), Duration::from_millis(10));
        }
    }
}
