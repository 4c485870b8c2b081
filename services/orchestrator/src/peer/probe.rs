//! Probes suspect instances, and instances whose circuit is open and that get no calls. So `/readyz` is right, and a recovered peer is used
//! again without a user's call as the test. If there is a call, it is the probe, because its result says more; see the `patience` of the breaker.

use super::breaker::PROBE_PERIOD;
use super::{Health, Peer, Permit};
use futures::future::{join, join_all};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const SUSPECT_DEADLINE: Duration = Duration::from_secs(2);

impl Peer {
    async fn probe_open_instances(&self) {
        let now = Instant::now();
        let due = (0..self.instances.len()).filter(|at| self.instances[*at].rank(now) == 2);
        let passes = due.filter_map(|index| self.admit(index, now, PROBE_PERIOD));
        join_all(passes.map(|permit| self.probe(permit))).await;
    }

    /// Probes the instances that are suspect. The deadline is longer than that of a call: the probe must find an instance that is down, not one
    /// that is busy with what an organisation sends.
    async fn probe_suspects(&self) {
        let suspects = self.instances.iter().filter(|instance| instance.is_suspect());
        join_all(suspects.map(|instance| async {
            let probe = self.transport.is_ready(&instance.ready);
            let ready = tokio::time::timeout(SUSPECT_DEADLINE, probe).await.unwrap_or(false);
            if let Some(state) = instance.settle_suspicion(Instant::now(), ready) {
                self.circuit_changed(instance, state);
            }
        }))
        .await;
    }

    /// Returns false only if every instance fails a probe within the deadline. A peer that does not answer in time may be busy.
    pub async fn answers(&self, deadline: Instant) -> bool {
        let probes = self.instances.iter().map(|instance| self.transport.answers(&instance.ready));
        let probed = tokio::time::timeout_at(deadline.min(Instant::now() + SUSPECT_DEADLINE).into(), join_all(probes));
        // Without an answer in time the peer may be busy, which is no outage.
        probed.await.map_or(true, |answers| answers.contains(&true))
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
        join_all(peers.iter().map(|peer| join(peer.probe_open_instances(), peer.probe_suspects()))).await;
    }
}
