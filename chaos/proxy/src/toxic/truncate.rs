//! Truncation: so many bytes pass, then the connection ends. Always on, it counts the bytes of a direction from when the toxic was added
//! or the connection opened; drawn for a share of the operations, those of the operation.

use crate::toxic::Ending;
use serde::{Deserialize, Serialize};

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truncate {
    /// How many bytes pass.
    pub bytes: u64,
    /// How the connection ends.
    #[serde(default)]
    pub ending: Ending,
}

impl Truncate {
    /// How many of `arriving` bytes still pass when `passed` have passed before; `None` means all, and more may come.
    pub(crate) fn room(&self, passed: u64, arriving: usize) -> Option<usize> {
        let room = self.bytes.saturating_sub(passed);
        usize::try_from(room).ok().filter(|room| *room < arriving)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_so_many_bytes_pass() {
        let truncate = Truncate { bytes: 1_000, ending: Ending::Close };
        assert_eq!(truncate.room(0, 1_000), None);
        assert_eq!(truncate.room(0, 1_001), Some(1_000));
        assert_eq!(truncate.room(999, 5), Some(1));
        assert_eq!(truncate.room(1_000, 1), Some(0));
        assert_eq!(truncate.room(5_000, 1), Some(0));
    }
}
