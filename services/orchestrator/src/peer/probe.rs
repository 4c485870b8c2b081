//! Probes instances whose circuit is open and that get no calls, so that `/readyz` is right and a recovered peer is found without a user's call
//! as the test. A call is preferred as the probe, because its result says more; see the `patience` of the breaker.

use super::breaker::PROBE_PERIOD;
use super::{Health, Peer, Permit};
use futures::future::join_all;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

impl Peer {
    async fn probe_open_instances(&self) {
        let now = Instant::now();
        let due = (0..self.instances.len()).filter(|at| self.instances[*at].rank(now) == 2);
        let passes = due.filter_map(|index| self.admit(index, now, PROBE_PERIOD));
        join_all(passes.map(|permit| self.probe(permit))).await;
    }

    async fn probe(&self, mut permit: Permit<'_>) {
        let probe = self.transport.is_ready(&permit.instance.ready);
        let ready = tokio::time::timeout(self.attempt_deadline, probe).await.unwrap_or(false);
        permit.health = if ready { Health::Healthy } else { Health::Unhealthy };
    }
}

/// Probes until `stop` is cancelled. Looks for due probes twice in a period, so that a probe is at most half a second late.
pub async fn watch(peers: Vec<Arc<Peer>>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(PROBE_PERIOD / 2)).await.is_some() {
        join_all(peers.iter().map(|peer| peer.probe_open_instances())).await;
    }
}
