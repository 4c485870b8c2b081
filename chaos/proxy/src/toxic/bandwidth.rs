//! Bandwidth: bytes arrive at a limited rate, in pieces of about ten milliseconds.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Pieces in a second.
const PIECES_PER_SECOND: u64 = 100;

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bandwidth {
    /// The rate; at least 1.
    pub bytes_per_second: u64,
}

impl Bandwidth {
    pub(crate) const fn problem(&self) -> Option<&'static str> {
        if self.bytes_per_second == 0 {
            Some("`bytes_per_second` must be at least 1; `hang` lets nothing pass")
        } else {
            None
        }
    }

    /// The largest piece that passes at once.
    pub(crate) fn piece(&self) -> usize {
        usize::try_from(self.bytes_per_second / PIECES_PER_SECOND).unwrap_or(usize::MAX).max(1)
    }

    /// How long `bytes` take.
    pub(crate) fn duration(&self, bytes: usize) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_of_a_second_take_a_second() {
        for rate in [1, 99, 500_000, 1 << 30] {
            let bandwidth = Bandwidth { bytes_per_second: rate };
            let pieces = rate as f64 / bandwidth.piece() as f64;
            let second = bandwidth.duration(bandwidth.piece()).as_secs_f64() * pieces;
            assert!((second - 1.0).abs() < 1e-3, "{rate}: {second}");
        }
        assert!(Bandwidth { bytes_per_second: 0 }.problem().is_some());
    }
}
