//! The outbox: repeats calls that a peer did not accept, oldest first, with backoff. Each kind of delivery has a loop of its own, so that a peer that
//! is down delays no delivery to another. A delivery may be sent twice, after a lost reply or a restart; because of its idempotency key, the
//! second one has no effect.

use crate::peer::{Call, PeerError, PeerReply};
use crate::peers::{LOG_USAGE, Peers, REMEMBER};
use crate::store::{Delivery, DeliveryKind, MAX_AGE, Retention, Store};
use futures::future::{join, join_all};
use mcp_contracts::{ErrorCode, metric};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Maximum number of deliveries that one pass reads.
const PASS: u32 = 64;
/// Denied deliveries after which a pass ends: the peer denies the orchestrator's token, and would deny the others too.
const MAX_DENIED: u32 = 3;
/// Maximum time between two passes of a kind, and the time between two deletions of old entries.
const IDLE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Maximum pause while a peer is down, and so the maximum wait of a delivery once the peer is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// Maximum pause of an entry that the peer rejects although it answers.
const LONGEST_POSTPONEMENT: Duration = Duration::from_secs(600);
/// Pause of an organisation that has used up its quota, if the peer sends no `Retry-After`.
const QUOTA_PAUSE: Duration = Duration::from_secs(60);
/// The executions that are kept; older ones are deleted.
pub const RETENTION: Retention = Retention {
    per_organisation: 1_000,
    age: Duration::from_secs(30 * 24 * 3_600),
    keys_per_user: 2_000,
    key_age: Duration::from_secs(24 * 3_600),
};

pub struct Outbox {
    store: Store,
    peers: Arc<Peers>,
    attempt_deadline: Duration,
    wake: [Notify; DeliveryKind::ALL.len()],
}

enum DeliveryResult {
    Yes,
    /// The delivery can never succeed.
    Refused,
    /// The peer does not answer, so other deliveries to it wait as well.
    PeerDown,
    /// The peer denies the orchestrator's token. The delivery is kept until an operator fixes the keys.
    Denied,
    /// The organisation has used up its quota at the peer. Deliveries of other organisations continue.
    NoQuota(Option<Duration>),
    /// The peer answers but does not accept this delivery now.
    Rejected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryPass {
    pub delivered: usize,
    /// True if the peer or the database failed, so that the next pass must wait.
    pub failed: bool,
    /// True if more entries may be due at once.
    pub more: bool,
}

impl Outbox {
    pub fn new(store: Store, peers: Arc<Peers>, attempt_deadline: Duration) -> Self {
        Self { store, peers, attempt_deadline, wake: Default::default() }
    }

    /// Wakes the task for new entries. Counts these, and the older entries that they displaced, in the metrics.
    pub fn added(&self, count: usize, displaced: &[DeliveryKind]) {
        if count == 0 {
            return;
        }
        report_dropped(displaced, "full");
        metrics::gauge!(metric::OUTBOX_DEPTH).increment(count as f64 - displaced.len() as f64);
        // `notify_one` keeps a permit, so a wake-up during a pass is not lost.
        self.wake.iter().for_each(Notify::notify_one);
    }

    /// Delivers until `stop` is cancelled. A delivery that is interrupted is sent again after the restart.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let loops = join(join_all(DeliveryKind::ALL.map(|kind| self.work(kind))), self.tidy());
        stop.run_until_cancelled(loops).await;
    }

    async fn tidy(&self) {
        loop {
            self.delete_old().await;
            tokio::time::sleep(IDLE).await;
        }
    }

    async fn work(&self, kind: DeliveryKind) {
        let mut failures = 0;
        loop {
            let mut pass = self.pass(kind).await;
            let wait = match self.store.depth(kind).await {
                Ok((count, wait)) => {
                    metrics::gauge!(metric::OUTBOX_DEPTH).set(count as f64);
                    wait.unwrap_or(IDLE)
                }
                Err(error) => {
                    tracing::error!(%error, "the outbox cannot be read");
                    pass.failed = true;
                    IDLE
                }
            };
            failures = if pass.failed { failures + 1 } else { 0 };
            if pass.failed {
                // A new entry does not end this pause: it would only meet the same failure.
                tokio::time::sleep(backoff(failures, LONGEST_PAUSE)).await;
            } else if !pass.more {
                let _ = tokio::time::timeout(wait.min(IDLE), self.wake[kind as usize].notified()).await;
            }
        }
    }

    /// Delivers the oldest entries of one kind that are due.
    pub async fn pass(&self, kind: DeliveryKind) -> DeliveryPass {
        let mut pass = DeliveryPass { delivered: 0, failed: false, more: false };
        let due = match self.store.due(kind, PASS).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be read");
                return DeliveryPass { failed: true, ..pass };
            }
        };
        pass.more = due.len() == PASS as usize;
        let (mut denied, mut without_quota) = (0, Vec::new());
        for pending in due {
            let Some(delivery) = &pending.delivery else {
                // Perhaps a newer release wrote it, so it is kept until it is too old.
                tracing::error!(entry = pending.id, kind = kind.name(), "an entry of the outbox cannot be read");
                pass.failed |= self.store.postpone(pending.id, LONGEST_POSTPONEMENT).await.is_err();
                continue;
            };
            let org = &delivery.claims.org_id;
            if without_quota.contains(org) {
                continue;
            }
            let settled = match self.deliver(delivery).await {
                DeliveryResult::Yes => {
                    pass.delivered += 1;
                    metrics::counter!(metric::OUTBOX_DELIVERED_TOTAL, "kind" => kind.name()).increment(1);
                    self.store.remove(pending.id).await
                }
                DeliveryResult::Refused => {
                    report_dropped(&[kind], "refused");
                    self.store.remove(pending.id).await
                }
                DeliveryResult::PeerDown => {
                    pass.failed = true;
                    break;
                }
                DeliveryResult::Denied => {
                    denied += 1;
                    // Postponed, so that an entry whose own claims are the reason does not block the others.
                    self.store.postpone(pending.id, backoff(pending.attempts + 1, LONGEST_PAUSE)).await
                }
                DeliveryResult::NoQuota(pause) => {
                    without_quota.push(org.clone());
                    self.store.postpone_organisation(kind, org.clone(), pause.unwrap_or(QUOTA_PAUSE)).await
                }
                DeliveryResult::Rejected => {
                    self.store.postpone(pending.id, backoff(pending.attempts + 1, LONGEST_POSTPONEMENT)).await
                }
            };
            if let Err(error) = settled {
                tracing::error!(%error, "the outbox cannot be changed");
                pass.failed = true;
            }
            if pass.failed || denied >= MAX_DENIED {
                pass.failed = true;
                break;
            }
        }
        pass
    }

    async fn deliver(&self, delivery: &Delivery) -> DeliveryResult {
        let (peer, tool) = match delivery.kind {
            DeliveryKind::Remember => (&self.peers.memory, REMEMBER),
            DeliveryKind::LogUsage => (&self.peers.patterns, LOG_USAGE),
        };
        let Ok(arguments) = serde_json::from_str::<&RawValue>(&delivery.payload) else {
            return DeliveryResult::Refused;
        };
        let call = Call {
            tool,
            claims: &delivery.claims,
            execution_id: &delivery.execution_id,
            // Time for a second instance, if the first one does not accept the call.
            deadline: Instant::now() + self.attempt_deadline * 2,
            // The next pass retries.
            repeatable: false,
        };
        let called: PeerReply<Box<RawValue>> = peer.call(&call, &arguments).await;
        match called.result {
            Ok(_) => DeliveryResult::Yes,
            // An earlier delivery of the same execution has arrived and used the key.
            Err(PeerError::Tool(error)) if error.code == ErrorCode::IdempotencyConflict => DeliveryResult::Yes,
            Err(error) if error.is_permanent() => {
                tracing::warn!(
                    executionId = delivery.execution_id,
                    orgId = delivery.claims.org_id,
                    kind = delivery.kind.name(),
                    why = error.name(),
                    "a deferred delivery is refused permanently"
                );
                DeliveryResult::Refused
            }
            Err(PeerError::Denied(_)) => DeliveryResult::Denied,
            // In both cases the peer refuses this organisation alone.
            Err(PeerError::AtCapacity { retry_after } | PeerError::Quota { retry_after }) => {
                DeliveryResult::NoQuota(retry_after)
            }
            Err(
                PeerError::Refused
                | PeerError::Cut
                | PeerError::Slow
                | PeerError::Deadline
                | PeerError::Busy { .. }
                | PeerError::Open,
            ) => DeliveryResult::PeerDown,
            Err(_) => DeliveryResult::Rejected,
        }
    }

    async fn delete_old(&self) {
        match self.store.delete_older_than(MAX_AGE).await {
            Ok(old) => report_dropped(&old, "old"),
            Err(error) => tracing::error!(%error, "old entries of the outbox cannot be deleted"),
        }
        if let Err(error) = self.store.delete_old_executions(RETENTION).await {
            tracing::error!(%error, "old executions cannot be deleted");
        }
    }
}

fn report_dropped(kinds: &[DeliveryKind], reason: &'static str) {
    for kind in kinds {
        metrics::counter!(metric::OUTBOX_DROPPED_TOTAL, "kind" => kind.name(), "reason" => reason).increment(1);
        tracing::warn!(kind = kind.name(), reason, "a deferred delivery is dropped");
    }
}

/// Returns an exponential backoff with jitter: between half of the pause and all of it, so that instances do not retry together.
fn backoff(failures: u32, longest: Duration) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << failures.clamp(1, 16)).min(longest);
    whole.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}
