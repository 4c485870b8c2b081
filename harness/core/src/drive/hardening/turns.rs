//! Which lane runs when: checks that listen throughout send first, then those run that restart parts, and the listeners judge last.

use super::check::{HardeningCheck, Lane};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use tokio_util::sync::CancellationToken;

/// The turns of one run.
pub(super) struct Turns {
    /// Checks of [`Lane::Throughout`] that have not sent everything yet.
    sending: Mutex<BTreeSet<&'static str>>,
    all_sent: CancellationToken,
    others_ended: CancellationToken,
}

impl Turns {
    pub(super) fn of(checks: &[&'static HardeningCheck]) -> Self {
        let sending = checks.iter().filter(|check| check.lane == Lane::Throughout).map(|check| check.id).collect();
        Self::new(sending)
    }

    fn new(sending: BTreeSet<&'static str>) -> Self {
        let turns = Self {
            sending: Mutex::new(sending),
            all_sent: CancellationToken::new(),
            others_ended: CancellationToken::new(),
        };
        turns.sent("");
        turns
    }

    /// Notes that a check has sent everything, or has ended. Does nothing if that is noted already.
    pub(super) fn sent(&self, id: &str) {
        let mut sending = self.sending.lock();
        sending.remove(id);
        if sending.is_empty() {
            self.all_sent.cancel();
        }
    }

    /// Waits until every check that listens throughout has sent everything.
    pub(super) async fn until_all_sent(&self) {
        self.all_sent.cancelled().await;
    }

    /// Notes that every check of the other lanes has ended.
    pub(super) fn end_others(&self) {
        self.others_ended.cancel();
    }

    pub(super) async fn until_others_ended(&self) {
        self.others_ended.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;
    use std::collections::BTreeSet;

    #[test]
    fn the_last_that_has_sent_lets_the_others_go_on() {
        let turns = Turns::new(BTreeSet::from(["a", "b"]));
        turns.sent("a");
        turns.sent("a");
        assert!(!turns.all_sent.is_cancelled());
        turns.sent("b");
        assert!(turns.all_sent.is_cancelled() && !turns.others_ended.is_cancelled());
        assert!(Turns::new(BTreeSet::new()).all_sent.is_cancelled(), "without listeners no one waits");
    }
}
