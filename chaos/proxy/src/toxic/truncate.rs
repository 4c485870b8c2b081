//! Truncation: lets a number of bytes pass, then ends the connection. An unconditional rule counts the bytes of a direction from the time when
//! the rule was added or the connection opened; a rule with a share or a filter counts the bytes of each drawn operation.

use super::effect::{BytesInTransit, Effect, StreamPosition};
use super::{Ending, Kind};
use serde::{Deserialize, Serialize};

pub(super) const KIND: Kind = Kind {
    name: "truncate",
    about: "ends the connection after a number of bytes",
    example: r#"{ kind = "truncate", bytes = 1500, ending = "reset" }"#,
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truncate {
    /// Number of bytes that pass.
    pub bytes: u64,
    #[serde(default)]
    pub ending: Ending,
}

impl Effect for Truncate {
    fn on_bytes(&self, in_transit: &mut BytesInTransit, place: StreamPosition) -> usize {
        let arriving = in_transit.bytes.len();
        let room = usize::try_from(self.bytes.saturating_sub(place.passed)).unwrap_or(usize::MAX);
        // Bytes that pass are not hit: a rule that never cuts proves nothing (decision 0015).
        if room >= arriving {
            return 0;
        }
        in_transit.cut_after(room, self.ending);
        arriving - room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn exactly_the_configured_number_of_bytes_passes() {
        let truncate = Truncate { bytes: 1_000, ending: Ending::Close };
        let pass = |passed, arriving| {
            let mut in_transit = BytesInTransit::new(Bytes::from(vec![7; arriving]));
            let cut = truncate.on_bytes(&mut in_transit, StreamPosition { position: 0, passed, random: 0 });
            (in_transit.bytes.len(), cut, in_transit.cut)
        };
        assert_eq!(pass(0, 1_000), (1_000, 0, None));
        assert_eq!(pass(0, 1_001), (1_000, 1, Some(Ending::Close)));
        assert_eq!(pass(999, 5), (1, 4, Some(Ending::Close)));
        assert_eq!(pass(1_000, 1), (0, 1, Some(Ending::Close)));
        assert_eq!(pass(5_000, 1), (0, 1, Some(Ending::Close)));
    }
}
