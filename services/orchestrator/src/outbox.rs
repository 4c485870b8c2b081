//! Delivers what peers did not take when it was due: one task, in the order of promising, with backoff. A delivery may be made twice, after
//! a reply that was lost or a restart; its identity makes the second one an echo of the first.

use crate::peer::{Call, PeerError, PeerReply};
use crate::peers::{LOG_USAGE, Peers, REMEMBER};
use crate::store::{DeliveryKind, MAX_AGE, PendingDelivery, Retention, Store, StoreError};
use mcp_contracts::{ErrorCode, metric};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Most that one pass takes up.
const PASS: u32 = 64;
/// Longest time without a pass; also how often old things are let go.
const IDLE: Duration = Duration::from_secs(30);
/// The pause after a first failure.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause while a peer is down; so long a delivery may wait once it is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// The longest pause of one thing that its peer cannot digest.
const LONGEST_PUT_OFF: Duration = Duration::from_secs(600);
/// How long an organisation without quota is left alone where the peer does not say.
const QUOTA_PAUSE: Duration = Duration::from_secs(60);
/// What the log of executions keeps.
pub const RETENTION: Retention = Retention { per_organisation: 1_000, age: Duration::from_secs(30 * 24 * 3_600) };

/// The outbox.
pub struct Outbox {
    store: Store,
    peers: Arc<Peers>,
    attempt_deadline: Duration,
    wake: Notify,
}

/// What became of one delivery.
enum DeliveryResult {
    Yes,
    /// It can never be.
    Refused,
    /// Not now: the peer does not answer anybody.
    PeerDown,
    /// Not now: the organisation's quota there is used up.
    NoQuota(Option<Duration>),
    /// Not now: the peer answers, but not to this.
    Rejected,
}

/// What a pass found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// How much was delivered.
    pub delivered: usize,
    /// True where a peer was down.
    pub peer_down: bool,
    /// True where there may be more to do at once.
    pub more: bool,
}

impl Outbox {
    /// An outbox over what `store` keeps.
    pub fn new(store: Store, peers: Arc<Peers>, attempt_deadline: Duration) -> Self {
        Self { store, peers, attempt_deadline, wake: Notify::new() }
    }

    /// Something was put in; `gone` had to go for it.
    pub fn added(&self, count: usize, gone: &[DeliveryKind]) {
        if count == 0 {
            return;
        }
        report_dropped(gone, "full");
        metrics::gauge!(metric::OUTBOX_DEPTH).increment(count as f64 - gone.len() as f64);
        self.wake.notify_one();
    }

    /// Delivers until it is told to stop; a delivery that is cut then is made again later.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        stop.run_until_cancelled(self.work()).await;
    }

    async fn work(&self) {
        let mut failures = 0;
        let mut tidied: Option<Instant> = None;
        loop {
            if tidied.is_none_or(|at| at.elapsed() >= IDLE) {
                self.tidy().await;
                tidied = Some(Instant::now());
            }
            let pass = self.pass().await;
            failures = if pass.peer_down { failures + 1 } else { 0 };
            let due = self.measure().await;
            if pass.peer_down {
                // New work does not shorten the pause: it would only ask a peer that is down.
                tokio::time::sleep(backoff(failures, LONGEST_PAUSE)).await;
            } else if !pass.more {
                let _ = tokio::time::timeout(due.unwrap_or(IDLE).min(IDLE), self.wake.notified()).await;
            }
        }
    }

    /// Delivers what is due now.
    pub async fn pass(&self) -> Pass {
        let mut pass = Pass { delivered: 0, peer_down: false, more: false };
        let due = self.store.due(PASS).await.unwrap_or_default();
        let (mut down, mut without_quota) = (Vec::new(), Vec::new());
        pass.more = due.len() == PASS as usize;
        for pending in due {
            let kind = pending.delivery.kind;
            let org = &pending.delivery.claims.org_id;
            if down.contains(&kind) || without_quota.contains(org) {
                continue;
            }
            let settled = match self.deliver(&pending).await {
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
                    down.push(kind);
                    Ok(())
                }
                DeliveryResult::NoQuota(pause) => {
                    without_quota.push(org.clone());
                    self.store.postpone_organisation(org.clone(), pause.unwrap_or(QUOTA_PAUSE)).await
                }
                DeliveryResult::Rejected => {
                    self.store.postpone(pending.id, backoff(pending.attempts + 1, LONGEST_PUT_OFF)).await
                }
            };
            if let Err(error) = settled {
                tracing::error!(%error, "the outbox cannot be changed");
                pass.more = false;
                break;
            }
        }
        pass.peer_down = !down.is_empty();
        pass
    }

    async fn deliver(&self, pending: &PendingDelivery) -> DeliveryResult {
        let delivery = &pending.delivery;
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
            deadline: Instant::now() + self.attempt_deadline * 2,
            // What fails is tried again by the next pass.
            repeatable: false,
        };
        let called: PeerReply<Box<RawValue>> = peer.call(&call, &arguments).await;
        match called.result {
            Ok(_) => DeliveryResult::Yes,
            Err(PeerError::Tool(error)) if error.code == ErrorCode::IdempotencyConflict => DeliveryResult::Yes,
            Err(error) if error.is_permanent() => {
                tracing::warn!(
                    executionId = delivery.execution_id,
                    orgId = delivery.claims.org_id,
                    kind = delivery.kind.name(),
                    why = error.name(),
                    "what was to be delivered is refused for good"
                );
                DeliveryResult::Refused
            }
            Err(PeerError::Quota { retry_after }) => DeliveryResult::NoQuota(retry_after),
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

    /// Lets go what is too old.
    async fn tidy(&self) {
        match self.store.delete_older_than(MAX_AGE).await {
            Ok(gone) => report_dropped(&gone, "old"),
            Err(error) => tracing::error!(%error, "the outbox cannot be tidied"),
        }
        if let Err(error) = self.store.delete_old_executions(RETENTION).await {
            tracing::error!(%error, "the log of executions cannot be tidied");
        }
    }

    /// Tells the metrics how much waits; answers how long until the first of it is due.
    async fn measure(&self) -> Option<Duration> {
        let depth: Result<_, StoreError> = self.store.depth().await;
        let (count, wait) = depth.ok()?;
        metrics::gauge!(metric::OUTBOX_DEPTH).set(count as f64);
        wait
    }
}

fn report_dropped(kinds: &[DeliveryKind], reason: &'static str) {
    for kind in kinds {
        metrics::counter!(metric::OUTBOX_DROPPED_TOTAL, "kind" => kind.name(), "reason" => reason).increment(1);
        tracing::warn!(kind = kind.name(), reason, "something that was to be delivered is given up");
    }
}

/// A pause drawn between half and all of a time that doubles with each failure.
fn backoff(failures: u32, longest: Duration) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << failures.clamp(1, 16)).min(longest);
    whole.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}
