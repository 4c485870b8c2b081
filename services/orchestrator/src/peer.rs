//! The orchestrator's own client of its peers: several instances each, deadlines, a retry budget, a circuit breaker for each instance. It
//! knows MCP and nothing of what the tools mean. The harness's measuring client does none of this, and shares nothing with it.

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

use breaker::{Admission, State};
use budget::Budget;
use instance::Instance;
use mcp_contracts::{Claims, Scope, Service, metric};
use mcp_kit::Readiness;
use mcp_kit::readiness::Degraded;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use transport::PreparedCall;

/// Attempts that cost budget, besides one at each instance.
const MAX_RETRIES: u32 = 1;

/// One tool of a peer: where it is and what it needs.
#[derive(Debug, Clone, Copy)]
pub struct RemoteTool {
    /// Its name.
    pub name: &'static str,
    /// Every scope it needs; the token of the call has exactly these.
    pub scopes: &'static [Scope],
}

/// A call on behalf of somebody.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The tool.
    pub tool: RemoteTool,
    /// Who it is for.
    pub claims: &'a Claims,
    /// The execution that it is part of.
    pub execution_id: &'a str,
    /// When nobody waits any more.
    pub deadline: Instant,
    /// True where a second call has no further effect.
    pub repeatable: bool,
}

/// What came of a call.
#[derive(Debug)]
pub struct PeerReply<R> {
    /// The reply, or why there is none.
    pub result: Result<R, PeerError>,
    /// How many attempts it took; 0 where nobody was asked.
    pub attempts: u32,
}

/// A peer with all its instances.
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
}

/// An attempt that was let through; where it is dropped unfinished, nobody learnt anything.
struct Permit<'a> {
    peer: &'a Peer,
    instance: &'a Instance,
    index: usize,
    admission: Admission,
    health: Health,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(state) = self.instance.settle(Instant::now(), self.admission, self.health) {
            self.peer.circuit_changed(self.instance, state);
        }
    }
}

impl Peer {
    /// A peer at these URLs.
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
        }
    }

    /// Its name in replies, logs and metrics.
    pub fn name(&self) -> &'static str {
        self.service.name()
    }

    /// Calls a tool. Dropping the future closes the request's stream, which tells the peer that nobody waits.
    pub async fn call<A: Serialize, R: DeserializeOwned>(&self, call: &Call<'_>, arguments: &A) -> PeerReply<R> {
        let start = Instant::now();
        let called = self.attempts(call, arguments).await;
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
        let mut last = PeerError::Open;
        while let Some(permit) = self.permit(turn, &tried) {
            let index = permit.index;
            attempts += 1;
            last = match self.attempt(permit, &prepared, call.deadline).await {
                Ok(reply) => return PeerReply { result: Ok(reply), attempts },
                Err(error) => error,
            };
            tried[index] = true;
            let fresh = tried.contains(&false);
            if fresh && last.is_unprocessed() {
                continue;
            }
            let allowed = (call.repeatable || last.is_unprocessed()) && last.may_retry(!fresh);
            if !allowed || retries == MAX_RETRIES || !self.pause(&last, fresh, call.deadline).await {
                break;
            }
            retries += 1;
            if !fresh {
                tried.fill(false);
            }
            metrics::counter!(metric::PEER_RETRIES_TOTAL, "peer" => self.name()).increment(1);
        }
        PeerReply { result: Err(last), attempts }
    }

    /// Pays for a repetition and waits before it; false where there is no budget or no time for it.
    async fn pause(&self, error: &PeerError, elsewhere: bool, deadline: Instant) -> bool {
        let asked = if elsewhere { None } else { error.retry_after() };
        let Some(wait) = budget::retry_delay(asked, rand::random()) else { return false };
        if Instant::now() + wait >= deadline || !self.budget.lock().withdraw() {
            return false;
        }
        tokio::time::sleep(wait).await;
        true
    }

    /// The next instance that may be asked: round robin over those not known bad, the others after them.
    fn permit(&self, turn: usize, tried: &[bool]) -> Option<Permit<'_>> {
        let now = Instant::now();
        let count = self.instances.len();
        let mut order: Vec<usize> = (0..count).map(|step| (turn + step) % count).filter(|at| !tried[*at]).collect();
        order.sort_by_key(|at| self.instances[*at].rank(now));
        order.into_iter().find_map(|index| self.admit(index, now, Duration::ZERO))
    }

    fn admit(&self, index: usize, now: Instant, patience: Duration) -> Option<Permit<'_>> {
        let instance = &self.instances[index];
        let admission = instance.admit(now, patience)?;
        if admission == Admission::Probe {
            self.circuit_changed(instance, State::HalfOpen);
        }
        Some(Permit { peer: self, instance, index, admission, health: Health::Unknown })
    }

    async fn attempt<R: DeserializeOwned>(
        &self,
        mut permit: Permit<'_>,
        prepared: &PreparedCall,
        deadline: Instant,
    ) -> Result<R, PeerError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(PeerError::Deadline);
        }
        let sending = self.transport.send(&permit.instance.endpoint, prepared);
        let result = match tokio::time::timeout(left.min(self.attempt_deadline), sending).await {
            Ok(reply) => reply.and_then(|reply| reply.read(prepared.id)),
            Err(_) if left < self.attempt_deadline => Err(PeerError::Deadline),
            Err(_) => Err(PeerError::Slow),
        };
        if let Err(error) = &result {
            permit.instance.pause_if_requested(error, Instant::now());
        }
        permit.health = result.as_ref().map_or_else(PeerError::health, |_| Health::Healthy);
        result
    }

    /// A circuit changed: metrics, and `/readyz` while no instance can be asked.
    fn circuit_changed(&self, instance: &Instance, state: State) {
        let (peer, to) = (self.name(), state.name());
        gauge(self.service, instance, state);
        metrics::counter!(metric::BREAKER_TRANSITIONS_TOTAL, "peer" => peer, "to" => to).increment(1);
        match state {
            State::Open => tracing::warn!(peer, instance = instance.label, "the circuit opened"),
            State::Closed => tracing::info!(peer, instance = instance.label, "the circuit closed"),
            State::HalfOpen => {}
        }
        let mut degraded = self.degraded.lock();
        let none_left = self.instances.iter().all(|instance| instance.state() != State::Closed);
        match (none_left, degraded.is_some()) {
            (true, false) => *degraded = Some(self.readiness.degraded(peer)),
            (false, true) => *degraded = None,
            (true, true) | (false, false) => {}
        }
    }
}

fn gauge(service: Service, instance: &Instance, state: State) {
    let labels = [("peer", service.name().to_owned()), ("instance", instance.label.clone())];
    metrics::gauge!(metric::BREAKER_STATE, &labels).set(state.number());
}
