//! Corruption: one bit of some bytes arrives changed; how many bytes there are stays.

use crate::draw::next;
use serde::{Deserialize, Serialize};

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corrupt {
    /// One byte in so many is changed; at least 1, which changes all.
    pub one_in: u64,
}

impl Corrupt {
    pub(crate) const fn problem(&self) -> Option<&'static str> {
        if self.one_in == 0 { Some("`one_in` must be at least 1") } else { None }
    }

    /// Changes bytes, each by its position counted from `position`; returns how many.
    pub(crate) fn change(&self, bytes: &mut [u8], position: u64, random: u64) -> u64 {
        let mut changed = 0;
        for (place, byte) in (position..).zip(bytes) {
            let chance = next(random ^ next(place));
            if chance.is_multiple_of(self.one_in) {
                *byte ^= 1 << (next(chance) % 8);
                changed += 1;
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_as_many_bytes_change_as_asked_and_always_the_same() {
        let corrupt = Corrupt { one_in: 100 };
        let mut bytes = vec![0_u8; 100_000];
        let changed = corrupt.change(&mut bytes, 0, 42);
        assert!((800..1_200).contains(&changed), "{changed}");
        assert_eq!(bytes.iter().filter(|byte| **byte != 0).count() as u64, changed);
        let mut pieces = vec![0_u8; 100_000];
        let (first, second) = pieces.split_at_mut(33_333);
        corrupt.change(first, 0, 42);
        corrupt.change(second, 33_333, 42);
        assert_eq!(pieces, bytes, "pieces change nothing");
        let mut other = vec![0_u8; 100_000];
        corrupt.change(&mut other, 0, 43);
        assert_ne!(other, bytes);
        let mut all = [7_u8; 10];
        assert_eq!(Corrupt { one_in: 1 }.change(&mut all, 0, 1), 10);
        assert!(all.iter().all(|byte| *byte != 7));
    }
}
