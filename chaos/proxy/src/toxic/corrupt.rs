//! Corruption: one bit of some bytes is flipped; the number of bytes stays the same.

use super::Kind;
use super::effect::{BytesInTransit, Effect, StreamPosition};
use crate::draw::next;
use bytes::BytesMut;
use serde::{Deserialize, Serialize};

pub(super) const KIND: Kind =
    Kind { name: "corrupt", about: "flips one bit of some bytes", example: r#"{ kind = "corrupt", one_in = 1000 }"# };

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corrupt {
    /// On average one byte in this number is changed; 1 changes every byte.
    pub one_in: u64,
}

impl Corrupt {
    /// Changes bytes and returns how many. Each byte is decided by its position, so that the result does not depend on the pieces in which
    /// the bytes arrive.
    fn change(&self, bytes: &mut [u8], position: u64, random: u64) -> usize {
        let mut changed = 0;
        for (place, byte) in (position..).zip(bytes) {
            let chance = next(random ^ next(place));
            if chance.is_multiple_of(self.one_in) {
                // A flipped bit always changes the byte; a random byte could be the same one.
                *byte ^= 1 << (next(chance) % 8);
                changed += 1;
            }
        }
        changed
    }
}

impl Effect for Corrupt {
    fn problem(&self) -> Option<&'static str> {
        (self.one_in == 0).then_some("`one_in` must be at least 1")
    }

    fn on_bytes(&self, in_transit: &mut BytesInTransit, place: StreamPosition) -> usize {
        let mut bytes = BytesMut::from(in_transit.bytes.as_ref());
        let changed = self.change(&mut bytes, place.position, place.random);
        in_transit.bytes = bytes.freeze();
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_changes_the_same_share_of_bytes_in_whatever_pieces_they_arrive() {
        let corrupt = Corrupt { one_in: 100 };
        let mut bytes = vec![0_u8; 100_000];
        let changed = corrupt.change(&mut bytes, 0, 42);
        assert!((800..1_200).contains(&changed), "{changed}");
        assert_eq!(bytes.iter().filter(|byte| **byte != 0).count(), changed);
        let mut pieces = vec![0_u8; 100_000];
        let (first, second) = pieces.split_at_mut(33_333);
        corrupt.change(first, 0, 42);
        corrupt.change(second, 33_333, 42);
        assert_eq!(pieces, bytes, "the pieces make no difference");
        let mut other = vec![0_u8; 100_000];
        corrupt.change(&mut other, 0, 43);
        assert_ne!(other, bytes);
        let mut all = [7_u8; 10];
        assert_eq!(Corrupt { one_in: 1 }.change(&mut all, 0, 1), 10);
        assert!(all.iter().all(|byte| *byte != 7));
    }
}
