//! The client for calls to peers: several instances each, deadlines, a retry budget, a circuit breaker for each instance. It speaks MCP
//! and does not depend on any tool. It shares no code with the harness's measuring client, which never retries.

pub mod breaker;
pub mod budget;
mod error;
mod instance;
mod probe;
mod token;
mod transport;
pub mod wire;

pub use error::{Health, PeerError};
pub use probe::watch;
pub use token::Tokens;
pub use transport::Transport;

use breaker::{Admission, CallerHash, State};
use budget::Budget;
use instance::Instance;
use mcp_contracts::{Claims, Scope, Service, metric};
use mcp_kit::Readiness;
use mcp_kit::readiness::Degraded;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use transport::PreparedCall;

/// Maximum number of retries of a call that cost budget. Attempts at other instances, after one that did not start the work, cost none.
const MAX_RETRIES: u32 = 1;

#[derive(Debug, Clone, Copy)]
pub struct RemoteTool {
    pub name: &'static str,
    /// The token of a call has exactly these scopes.
    pub scopes: &'static [Scope],
}

/// A call on behalf of a user.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub tool: RemoteTool,
    pub claims: &'a Claims,
    pub execution_id: &'a str,
    /// Time after which no reply is of use.
    pub deadline: Instant,
    /// True if a second call has no further effect, so that a call with an unknown outcome may be retried.
    pub repeatable: bool,
}

#[derive(Debug)]
pub struct PeerReply<R> {
    pub result: Result<R, PeerError>,
    /// Number of attempts; 0 if no instance could be called.
    pub attempts: u32,
}

pub struct Peer {
    service: Service,
    instances: Vec<Instance>,
    attempt_deadline: Duration,
    transport: Arc<Transport>,
    budget: Mutex<Budget>,
    turn: AtomicUsize,
    next_id: AtomicU64,
    readiness: Readiness,
    degraded: Mutex<Option<Degraded>>,
    /// Set while the peer does not accept the orchestrator's tokens.
    denied: Mutex<Option<Degraded>>,
}

/// An attempt that the breaker admitted. When it is dropped, the breaker records its outcome. The outcome of a cancelled attempt is unknown,
/// because it proves neither that the instance works nor that it fails.
struct Permit<'a> {
    peer: &'a Peer,
    instance: &'a Instance,
    index: usize,
    admission: Admission,
    health: Health,
    caller: CallerHash,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(state) = self.instance.settle(Instant::now(), self.admission, self.health, self.caller) {
            self.peer.circuit_changed(self.instance, state);
        }
    }
}

impl Peer {
    pub fn new(
        service: Service,
        urls: &[String],
        attempt_deadline: Duration,
        transport: Arc<Transport>,
        readiness: Readiness,
    ) -> Self {
        let now = Instant::now();
        let instances: Vec<Instance> = urls.iter().map(|url| Instance::new(url, now)).collect();
        for instance in &instances {
            gauge(service, instance, State::Closed);
        }
        Self {
            service,
            instances,
            attempt_deadline,
            transport,
            budget: Mutex::default(),
            turn: AtomicUsize::new(0),
            next_id: AtomicU64::new(1),
            readiness,
            degraded: Mutex::default(),
            denied: Mutex::default(),
        }
    }

    pub fn name(&self) -> &'static str {
        self.service.name()
    }

    /// Calls a tool. Dropping the future closes the connection of the request, so that the peer can stop working on it.
    pub async fn call<A: Serialize, R: DeserializeOwned>(&self, call: &Call<'_>, arguments: &A) -> PeerReply<R> {
        let start = Instant::now();
        let called = self.attempts(call, arguments).await;
        self.note_denial(called.result.as_ref().err(), call.execution_id);
        let outcome = called.result.as_ref().map_or_else(PeerError::name, |_| "ok");
        let (peer, tool) = (self.name(), call.tool.name);
        metrics::counter!(metric::PEER_CALLS_TOTAL, "peer" => peer, "tool" => tool, "outcome" => outcome).increment(1);
        metrics::histogram!(metric::PEER_DURATION_SECONDS, "peer" => peer, "tool" => tool).record(start.elapsed());
        called
    }

    async fn attempts<A: Serialize, R: DeserializeOwned>(&self, call: &Call<'_>, arguments: &A) -> PeerReply<R> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let prepared = match self.transport.prepare(call, id, arguments) {
            Ok(prepared) => prepared,
            Err(error) => return PeerReply { result: Err(error), attempts: 0 },
        };
        self.budget.lock().deposit();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let (mut tried, mut attempts, mut retries) = (vec![false; self.instances.len()], 0, 0);
        let caller = caller_hash(&call.claims.org_id);
        let mut last = PeerError::Open;
        while let Some(mut permit) = self.permit(turn, &tried) {
            permit.caller = caller;
            let index = permit.index;
            attempts += 1;
            last = match self.attempt(permit, &prepared, call.deadline).await {
                Ok(reply) => return PeerReply { result: Ok(reply), attempts },
                Err(error) => error,
            };
            tried[index] = true;
            let has_other = tried.contains(&false);
            // The instance did not start the work, so another one may do it at once: this costs no budget.
            if has_other && last.is_unprocessed() {
                continue;
            }
            let allowed = (call.repeatable || last.is_unprocessed()) && last.may_retry(!has_other);
            if !allowed || retries == MAX_RETRIES || !self.pause(&last, has_other, call.deadline).await {
                break;
            }
            retries += 1;
            if !has_other {
                // Every instance was tried, so the retry may go to any of them.
                tried.fill(false);
            }
            metrics::counter!(metric::PEER_RETRIES_TOTAL, "peer" => self.name()).increment(1);
        }
        PeerReply { result: Err(last), attempts }
    }

    /// Waits before a retry. Returns false at once if the budget or the deadline does not allow a retry.
    async fn pause(&self, error: &PeerError, at_other: bool, deadline: Instant) -> bool {
        // `Retry-After` applies only to the instance that sent it.
        let retry_after = if at_other { None } else { error.retry_after() };
        let Some(wait) = budget::retry_delay(retry_after, rand::random()) else { return false };
        // The deadline is checked first, so that a retry that cannot be made costs no budget.
        if Instant::now() + wait >= deadline || !self.budget.lock().withdraw() {
            return false;
        }
        tokio::time::sleep(wait).await;
        true
    }

    /// Returns a permit for the next instance: round robin over the healthy ones, then the others, so that a peer whose circuits are all open is
    /// still probed.
    fn permit(&self, turn: usize, tried: &[bool]) -> Option<Permit<'_>> {
        let now = Instant::now();
        let count = self.instances.len();
        let mut order: Vec<usize> = (0..count).map(|step| (turn + step) % count).filter(|at| !tried[*at]).collect();
        // A stable sort keeps the round robin among instances of the same rank.
        order.sort_by_key(|at| self.instances[*at].rank(now));
        order.into_iter().find_map(|index| self.admit(index, now, Duration::ZERO))
    }

    fn admit(&self, index: usize, now: Instant, patience: Duration) -> Option<Permit<'_>> {
        let instance = &self.instances[index];
        let admission = instance.admit(now, patience)?;
        if admission == Admission::Probe {
            self.circuit_changed(instance, State::HalfOpen);
        }
        Some(Permit { peer: self, instance, index, admission, health: Health::Unknown, caller: 0 })
    }

    async fn attempt<R: DeserializeOwned>(
        &self,
        mut permit: Permit<'_>,
        prepared: &PreparedCall,
        deadline: Instant,
    ) -> Result<R, PeerError> {
        let time_left = deadline.saturating_duration_since(Instant::now());
        if time_left.is_zero() {
            return Err(PeerError::Deadline);
        }
        let sending = self.transport.send(&permit.instance.endpoint, prepared);
        let result = match tokio::time::timeout(time_left.min(self.attempt_deadline), sending).await {
            Ok(reply) => reply.and_then(|reply| reply.read(prepared.id)),
            // The attempt had less than its full time, so its timeout does not count against the instance.
            Err(_) if time_left < self.attempt_deadline => Err(PeerError::Deadline),
            Err(_) => Err(PeerError::Slow),
        };
        if let Err(error) = &result {
            permit.instance.pause_if_requested(error, Instant::now());
        }
        permit.health = result.as_ref().map_or_else(PeerError::health, |_| Health::Healthy);
        result
    }

    /// Reports the peer as degraded from the first call that it denies until the next call that it accepts. The tokens are the orchestrator's
    /// own, so a denial is a matter of the operator: most often the keys differ.
    fn note_denial(&self, error: Option<&PeerError>, execution_id: &str) {
        let mut denied = self.denied.lock();
        match (error, denied.is_some()) {
            (Some(PeerError::Denied(status)), false) => {
                tracing::error!(peer = self.name(), executionId = execution_id, status, "the peer denies the token");
                *denied = Some(self.readiness.degraded(self.name()));
            }
            (None | Some(PeerError::Tool(_)), true) => {
                tracing::info!(peer = self.name(), "the peer accepts the token again");
                *denied = None;
            }
            _ => {}
        }
    }

    /// Records a change of a circuit in the metrics and the log. `/readyz` reports the peer as degraded while no circuit is closed.
    fn circuit_changed(&self, instance: &Instance, state: State) {
        let (peer, to) = (self.name(), state.name());
        gauge(self.service, instance, state);
        metrics::counter!(metric::BREAKER_TRANSITIONS_TOTAL, "peer" => peer, "to" => to).increment(1);
        match state {
            State::Open => tracing::warn!(peer, instance = instance.label, "circuit opened"),
            State::Closed => tracing::info!(peer, instance = instance.label, "circuit closed"),
            State::HalfOpen => {}
        }
        // Locked before the states are read. Otherwise, of two changes at once, the older view could be reported last.
        let mut degraded = self.degraded.lock();
        let none_usable = self.instances.iter().all(|instance| instance.state() != State::Closed);
        match (none_usable, degraded.is_some()) {
            (true, false) => *degraded = Some(self.readiness.degraded(peer)),
            (false, true) => *degraded = None,
            (true, true) | (false, false) => {}
        }
    }
}

fn caller_hash(org: &str) -> CallerHash {
    let mut hasher = DefaultHasher::new();
    org.hash(&mut hasher);
    hasher.finish()
}

fn gauge(service: Service, instance: &Instance, state: State) {
    let labels = [("peer", service.name().to_owned()), ("instance", instance.label.clone())];
    metrics::gauge!(metric::BREAKER_STATE, &labels).set(state.number());
}
