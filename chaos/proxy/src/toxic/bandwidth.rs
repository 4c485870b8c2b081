//! Bandwidth: bytes arrive at a limited rate.

use super::Kind;
use super::effect::{BytesInTransit, Effect, QueuedItem, ReleaseTime, StreamPosition};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) const KIND: Kind = Kind {
    name: "bandwidth",
    about: "limits the rate at which bytes arrive",
    example: r#"{ kind = "bandwidth", bytes_per_second = 1048576 }"#,
};

/// Pieces of about 10 ms each. Much smaller ones could not be timed: tokio's timer has a resolution of 1 ms.
const PIECES_PER_SECOND: u64 = 100;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bandwidth {
    /// At least 1.
    pub bytes_per_second: u64,
}

impl Bandwidth {
    fn piece(&self) -> usize {
        usize::try_from(self.bytes_per_second / PIECES_PER_SECOND).unwrap_or(usize::MAX).max(1)
    }

    fn duration(&self, bytes: usize) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64)
    }
}

impl Effect for Bandwidth {
    fn problem(&self) -> Option<&'static str> {
        (self.bytes_per_second == 0).then_some("`bytes_per_second` must be at least 1; to let nothing pass, use `hang`")
    }

    fn on_bytes(&self, in_transit: &mut BytesInTransit, _place: StreamPosition) -> usize {
        in_transit.max_piece = in_transit.max_piece.min(self.piece());
        in_transit.bytes.len()
    }

    fn schedule(&self, waiting: QueuedItem, release: &mut ReleaseTime) {
        // From the time at which the rate has room again and not from now, so that late timers do not lower the rate.
        let start = release.free_at.map_or(release.due, |free_at| release.due.max(free_at));
        release.due = start + self.duration(waiting.bytes);
        release.free_at = Some(release.due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_of_one_second_take_one_second() {
        for rate in [1, 99, 500_000, 1 << 30] {
            let bandwidth = Bandwidth { bytes_per_second: rate };
            let pieces = rate as f64 / bandwidth.piece() as f64;
            let second = bandwidth.duration(bandwidth.piece()).as_secs_f64() * pieces;
            assert!((second - 1.0).abs() < 1e-3, "{rate}: {second}");
        }
        assert!(Bandwidth { bytes_per_second: 0 }.problem().is_some());
    }
}
