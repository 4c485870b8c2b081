//! Latency: everything arrives later, by a delay that may vary. Bytes wait in a queue: a long reply is delayed once, not once for each of
//! its pieces, and the order never changes.

use super::effect::{BytesInTransit, Effect, StreamPosition};
use super::{Kind, Moment, millis};
use crate::draw::unit;
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) const KIND: Kind = Kind {
    name: "latency",
    about: "delays everything; with `jitter_ms` by a random time around the mean",
    example: r#"{ kind = "latency", delay_ms = 3, jitter_ms = 2 }"#,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// The mean delay.
    #[serde(rename = "delay_ms", with = "millis")]
    pub delay: Duration,
    /// Largest difference from the mean, distributed evenly; a delay below 0 becomes 0.
    #[serde(rename = "jitter_ms", with = "millis", default)]
    pub jitter: Duration,
}

impl Effect for Latency {
    fn on_bytes(&self, in_transit: &mut BytesInTransit, _place: StreamPosition) -> usize {
        in_transit.bytes.len()
    }

    fn delay(&self, _moment: Moment, random: u64) -> Duration {
        // Added before it is subtracted, because a `Duration` cannot be negative. In noxious the unsigned difference wraps
        // if the jitter exceeds the delay, and the connection hangs.
        (self.delay + self.jitter.mul_f64(2.0 * unit(random))).saturating_sub(self.jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_stays_in_its_range_even_if_the_jitter_is_greater() {
        let delay = |delay, jitter, random| {
            let latency = Latency { delay: Duration::from_millis(delay), jitter: Duration::from_millis(jitter) };
            latency.delay(Moment::Reply, random)
        };
        for random in (0..1_000).map(crate::draw::next) {
            let within = Duration::from_millis(80)..=Duration::from_millis(120);
            assert!(within.contains(&delay(100, 20, random)), "{:?}", delay(100, 20, random));
            assert!(delay(10, 50, random) <= Duration::from_millis(60));
            assert_eq!(delay(10, 0, random), Duration::from_millis(10));
        }
    }
}
