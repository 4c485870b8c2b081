//! Which lane runs when: checks that listen throughout send first, then those run that restart parts, and the listeners judge last.

use super::check::{HardeningCheck, Lane};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use tokio_util::sync::CancellationToken;

/// The turns of one run.
pub(super) struct LaneOrder {
    /// Checks of [`Lane::Throughout`] that have not sent everything yet.
    sending: Mutex<BTreeSet<&'static str>>,
    all_sent: CancellationToken,
    others_ended: CancellationToken,
}

impl LaneOrder {
    pub(super) fn of(checks: &[&'static HardeningCheck]) -> Self {
        let sending = checks.iter().filter(|check| check.lane == Lane::Throughout).map(|check| check.id).collect();
        Self::new(sending)
    }

    fn new(sending: BTreeSet<&'static str>) -> Self {
        let lane_order = Self {
            sending: Mutex::new(sending),
            all_sent: CancellationToken::new(),
            others_ended: CancellationToken::new(),
        };
        lane_order.sent("");
        lane_order
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
    pub(super) async fn wait_all_sent(&self) {
        self.all_sent.cancelled().await;
    }

    /// Notes that every check of the other lanes has ended.
    pub(super) fn end_others(&self) {
        self.others_ended.cancel();
    }

    pub(super) async fn wait_others_ended(&self) {
        self.others_ended.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::LaneOrder;
    use std::collections::BTreeSet;

    #[test]
    fn the_last_that_has_sent_lets_the_others_go_on() {
        let lane_order = LaneOrder::new(BTreeSet::from(["a", "b"]));
        lane_order.sent("a");
        lane_order.sent("a");
        assert!(!lane_order.all_sent.is_cancelled());
        lane_order.sent("b");
        assert!(lane_order.all_sent.is_cancelled() && !lane_order.others_ended.is_cancelled());
        assert!(LaneOrder::new(BTreeSet::new()).all_sent.is_cancelled(), "without listeners no one waits");
    }
}
