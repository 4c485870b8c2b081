//! One instance of a peer: its URLs, its breaker, and the pause that it requested.

use super::breaker::{Admission, Breaker, CallerHash, State};
use super::error::{Health, PeerError};
use mcp_contracts::service::{MCP_PATH, READYZ_PATH};
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Maximum pause that an instance can request; a longer `Retry-After` is cut to this.
// One wrong header must not take an instance out of use for hours.
const MAX_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Instance {
    pub(super) endpoint: String,
    /// URL of its readiness probe.
    pub(super) ready: String,
    /// Host and port, a label of metrics.
    pub(super) label: String,
    state: Mutex<InstanceState>,
}

struct InstanceState {
    breaker: Breaker,
    paused_until: Option<Instant>,
}

impl Instance {
    /// Creates an instance from a base URL. A URL with a path is the endpoint itself, as behind a load balancer that routes by path.
    pub(super) fn new(url: &str, now: Instant) -> Self {
        let scheme = url.find("://").map_or(0, |at| at + 3);
        let path = url[scheme..].find('/').map_or(url.len(), |at| scheme + at);
        let origin = &url[..path];
        Self {
            endpoint: if path == url.len() { format!("{origin}{MCP_PATH}") } else { url.to_owned() },
            ready: format!("{origin}{READYZ_PATH}"),
            label: origin[scheme..].to_owned(),
            state: Mutex::new(InstanceState { breaker: Breaker::new(now), paused_until: None }),
        }
    }

    pub(super) fn state(&self) -> State {
        self.state.lock().breaker.state()
    }

    /// Returns the rank by which instances are tried: 0 healthy, 1 in a requested pause, 2 circuit open.
    pub(super) fn rank(&self, now: Instant) -> u8 {
        let state = self.state.lock();
        match state.breaker.state() {
            State::Closed if state.paused_until.is_none_or(|until| until <= now) => 0,
            State::Closed => 1,
            State::HalfOpen | State::Open => 2,
        }
    }

    pub(super) fn admit(&self, now: Instant, patience: Duration) -> Option<Admission> {
        self.state.lock().breaker.admit(now, patience)
    }

    /// Records an outcome; returns the new state if the circuit changed.
    pub(super) fn settle(
        &self,
        now: Instant,
        admission: Admission,
        health: Health,
        caller: CallerHash,
    ) -> Option<State> {
        self.change(|breaker| breaker.settle(now, admission, health, caller))
    }

    pub(super) fn is_suspect(&self) -> bool {
        self.state.lock().breaker.is_suspect()
    }

    /// Records a probe of a suspect instance; returns the new state if the circuit changed.
    pub(super) fn settle_suspicion(&self, now: Instant, ready: bool) -> Option<State> {
        self.change(|breaker| breaker.settle_suspicion(now, ready))
    }

    fn change(&self, change: impl FnOnce(&mut Breaker)) -> Option<State> {
        let breaker = &mut self.state.lock().breaker;
        let before = breaker.state();
        change(breaker);
        Some(breaker.state()).filter(|after| *after != before)
    }

    pub(super) fn pause_if_requested(&self, error: &PeerError, now: Instant) {
        if let PeerError::Busy { retry_after: Some(pause) } = error {
            self.state.lock().paused_until = Some(now + (*pause).min(MAX_PAUSE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_and_an_endpoint_both_name_an_instance() {
        let of = |url: &str| {
            let instance = Instance::new(url, Instant::now());
            (instance.endpoint, instance.ready, instance.label)
        };
        let text = |endpoint: &str, ready: &str, label: &str| (endpoint.into(), ready.into(), label.into());
        assert_eq!(
            of("http://127.0.0.1:7420"),
            text("http://127.0.0.1:7420/mcp", "http://127.0.0.1:7420/readyz", "127.0.0.1:7420")
        );
        assert_eq!(of("https://lb/mcp/memory"), text("https://lb/mcp/memory", "https://lb/readyz", "lb"));
    }

    #[test]
    fn an_instance_in_a_requested_pause_is_called_last() {
        let now = Instant::now();
        let instance = Instance::new("http://a", now);
        instance.pause_if_requested(&PeerError::Busy { retry_after: Some(Duration::from_secs(60)) }, now);
        assert_eq!(instance.rank(now), 1);
        assert_eq!(instance.rank(now + MAX_PAUSE), 0);
    }
}
