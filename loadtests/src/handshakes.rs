//! Counts the handshakes of the users with a target, and measures how long they take.

use harness_core::drive::Handshakes;
use harness_core::drive::client::Handshake;
use harness_history::Outcome;

/// Maximum number of durations that are kept. A server that loses its sessions again and again must not fill the memory of the driver.
const MAX_KEPT: usize = 20_000;

#[derive(Debug, Default)]
pub(crate) struct HandshakeTally {
    made: u64,
    failed: u64,
    /// Durations of the first ones, in microseconds.
    durations_us: Vec<u64>,
    max_us: u64,
    version: String,
}

impl HandshakeTally {
    pub(crate) fn add(&mut self, handshake: &Handshake) {
        let took_us = handshake.complete_us.saturating_sub(handshake.invoke_us);
        self.made += 1;
        self.failed += u64::from(handshake.outcome != Outcome::Ok);
        self.max_us = self.max_us.max(took_us);
        if self.durations_us.len() < MAX_KEPT {
            self.durations_us.push(took_us);
        }
        if let Some(protocol) = &handshake.protocol {
            protocol.version().clone_into(&mut self.version);
        }
    }

    pub(crate) fn figures(&self) -> Handshakes {
        let mut sorted = self.durations_us.clone();
        sorted.sort_unstable();
        Handshakes {
            made: self.made,
            failed: self.failed,
            us_p50: sorted.get(sorted.len() / 2).copied().unwrap_or_default(),
            us_max: self.max_us,
            version: self.version.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Handshake, HandshakeTally, Outcome};
    use harness_core::drive::client::Protocol;
    use harness_history::ErrorKind;

    #[test]
    fn handshakes_are_counted_with_the_time_that_they_take() {
        let mut tally = HandshakeTally::default();
        for (took_us, outcome) in [(3, Outcome::Ok), (9, Outcome::Failed(ErrorKind::Connect)), (5, Outcome::Ok)] {
            let protocol = (outcome == Outcome::Ok).then_some(Protocol::Modern);
            tally.add(&Handshake {
                invoke_us: 10,
                complete_us: 10 + took_us,
                requests: 1,
                outcome,
                protocol,
                server: None,
            });
        }
        let figures = tally.figures();
        assert_eq!((figures.made, figures.failed, figures.us_p50, figures.us_max), (3, 1, 5, 9));
        assert_eq!(figures.version, Protocol::Modern.version());
    }
}
