//! Looks after instances whose circuit is open while no call comes by, so that `/readyz` tells the truth and a peer that is back is used
//! again without anybody's call being the test. Calls come first: a probe of theirs says more.

use super::breaker::PROBE_PERIOD;
use super::{Health, Peer, Permit};
use futures::future::join_all;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

impl Peer {
    /// Asks each instance that has long been due for a probe whether it is ready.
    async fn look(&self) {
        let now = Instant::now();
        let due = (0..self.instances.len()).filter(|at| self.instances[*at].rank(now) == 2);
        let passes = due.filter_map(|index| self.admit(index, now, PROBE_PERIOD));
        join_all(passes.map(|permit| self.ask(permit))).await;
    }

    async fn ask(&self, mut permit: Permit<'_>) {
        let asking = self.transport.is_ready(&permit.instance.ready);
        let ready = tokio::time::timeout(self.attempt_deadline, asking).await.unwrap_or(false);
        permit.health = if ready { Health::Healthy } else { Health::Unhealthy };
    }
}

/// Looks after `peers` until it is told to stop.
pub async fn watch(peers: Vec<Arc<Peer>>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(PROBE_PERIOD / 2)).await.is_some() {
        join_all(peers.iter().map(|peer| peer.look())).await;
    }
}
