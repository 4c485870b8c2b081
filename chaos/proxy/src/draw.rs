//! Random decisions without a generator of random numbers: each is a hash of the seed, the edge, the operation and its attempt. A decision does not
//! depend on the order in which operations arrive, so that a seed repeats the decisions of a run.

use parking_lot::Mutex;
use std::collections::HashMap;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Maximum number of distinct operations whose attempts are counted. With more, all counts restart at 0, so that memory stays bounded.
const MAX_COUNTED: usize = 65_536;

/// The source of randomness of one edge.
pub(crate) struct EdgeRandom {
    base: u64,
    attempts: Mutex<HashMap<u64, u32>>,
}

/// One attempt at an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct AttemptId {
    /// Hash of the request.
    pub(crate) key: u64,
    /// Number of equal requests on this edge before.
    pub(crate) attempt: u32,
}

impl EdgeRandom {
    pub(crate) fn new(seed: u64, edge: &str) -> Self {
        // With the name of the edge, so that two edges of a run do not fail in step.
        Self { base: xxh3_64_with_seed(edge.as_bytes(), seed), attempts: Mutex::default() }
    }

    /// Returns the identity of the next attempt at the operation that consists of these parts.
    pub(crate) fn identify(&self, parts: &[&[u8]]) -> AttemptId {
        // The length is part of the key, so that a byte cannot move from one part to the next unnoticed.
        let key = parts.iter().fold(0, |key, part| xxh3_64_with_seed(part, key ^ part.len() as u64));
        // The attempt is counted, so that a retry is decided anew. Otherwise a share of 0.5 would be a permanent
        // failure for half of the requests, which no retry survives.
        let mut attempts = self.attempts.lock();
        if attempts.len() >= MAX_COUNTED && !attempts.contains_key(&key) {
            attempts.clear();
        }
        let count = attempts.entry(key).or_default();
        let attempt = *count;
        *count = count.saturating_add(1);
        AttemptId { key, attempt }
    }

    /// Returns a number for `purpose` and an operation; equal arguments give equal numbers.
    pub(crate) fn number(&self, purpose: &str, operation: AttemptId) -> u64 {
        let mut bytes = [0; 28];
        bytes[..8].copy_from_slice(&self.base.to_le_bytes());
        bytes[8..16].copy_from_slice(&operation.key.to_le_bytes());
        bytes[16..20].copy_from_slice(&operation.attempt.to_le_bytes());
        // Without the purpose, all toxics with the same share would hit the same operations.
        bytes[20..].copy_from_slice(&xxh3_64(purpose.as_bytes()).to_le_bytes());
        xxh3_64(&bytes)
    }

    /// Returns true if the operation belongs to a random `share` of all.
    pub(crate) fn selects(&self, share: f64, purpose: &str, operation: AttemptId) -> bool {
        share >= 1.0 || unit(self.number(purpose, operation)) < share
    }
}

/// Maps a number to the range from 0 (inclusive) to 1 (exclusive), with the 53 bits that an `f64` holds.
pub(crate) fn unit(number: u64) -> f64 {
    (number >> 11) as f64 / (1_u64 << 53) as f64
}

/// One step of splitmix64.
pub(crate) fn next(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(seed: u64, edge: &str, order: impl Iterator<Item = u32>) -> Vec<u32> {
        let draw = EdgeRandom::new(seed, edge);
        let mut chosen: Vec<u32> = order
            .filter(|operation| draw.selects(0.5, "abort", draw.identify(&[b"POST", &operation.to_le_bytes()])))
            .collect();
        chosen.sort_unstable();
        chosen
    }

    #[test]
    fn a_seed_selects_the_same_operations_in_any_order() {
        assert_eq!(select(42, "memory", 0..400), select(42, "memory", (0..400).rev()));
        assert_ne!(select(42, "memory", 0..400), select(43, "memory", 0..400));
        assert_ne!(select(42, "memory", 0..400), select(42, "patterns", 0..400));
    }

    #[test]
    fn half_of_the_operations_are_selected_by_a_share_of_one_half() {
        let half = select(7, "memory", 0..4_000).len();
        assert!((1_800..2_200).contains(&half), "{half} of 4000");
        let draw = EdgeRandom::new(1, "memory");
        assert!(!draw.selects(0.0, "abort", draw.identify(&[b"a"])));
        assert!(draw.selects(1.0, "abort", draw.identify(&[b"a"])));
    }

    #[test]
    fn each_attempt_is_decided_independently() {
        let draw = EdgeRandom::new(42, "memory");
        let attempts: Vec<AttemptId> = (0..64).map(|_| draw.identify(&[b"the same"])).collect();
        assert_eq!(attempts.iter().map(|identity| identity.attempt).collect::<Vec<_>>(), (0..64).collect::<Vec<_>>());
        let hit = attempts.iter().filter(|identity| draw.selects(0.5, "abort", **identity)).count();
        assert!((10..54).contains(&hit), "{hit} of 64");
    }

    #[test]
    fn the_boundaries_of_parts_matter() {
        let draw = EdgeRandom::new(1, "memory");
        assert_ne!(draw.identify(&[b"ab", b"c"]).key, draw.identify(&[b"a", b"bc"]).key);
    }
}
