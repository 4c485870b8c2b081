//! One instance of a peer: where it is, and whether it may be asked now.

use super::breaker::{Admission, Breaker, State};
use super::error::{Health, PeerError};
use mcp_contracts::service::{MCP_PATH, READYZ_PATH};
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Longest time that an instance is asked last because it asked to be left alone.
const MAX_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Instance {
    /// URL of its MCP endpoint.
    pub(super) endpoint: String,
    /// URL that tells whether it is ready.
    pub(super) ready: String,
    /// Host and port, for metrics.
    pub(super) label: String,
    state: Mutex<InstanceState>,
}

struct InstanceState {
    breaker: Breaker,
    paused_until: Option<Instant>,
}

impl Instance {
    /// `url` is a base URL, or where it names a path the endpoint itself, as behind a load balancer that routes by path.
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

    /// How gladly it is asked: 0 at once, 1 after a pause that it asked for, 2 while its circuit is open.
    pub(super) fn rank(&self, now: Instant) -> u8 {
        let standing = self.state.lock();
        match standing.breaker.state() {
            State::Closed if standing.paused_until.is_none_or(|until| until <= now) => 0,
            State::Closed => 1,
            State::HalfOpen | State::Open => 2,
        }
    }

    pub(super) fn admit(&self, now: Instant, patience: Duration) -> Option<Admission> {
        self.state.lock().breaker.admit(now, patience)
    }

    /// Tells what became of a pass; answers the new state of the circuit where it changed.
    pub(super) fn settle(&self, now: Instant, admission: Admission, health: Health) -> Option<State> {
        let breaker = &mut self.state.lock().breaker;
        let before = breaker.state();
        breaker.settle(now, admission, health);
        Some(breaker.state()).filter(|after| *after != before)
    }

    /// Remembers that it asked to be left alone.
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
    fn an_instance_that_asked_for_a_pause_is_asked_last_until_it_is_over() {
        let now = Instant::now();
        let instance = Instance::new("http://a", now);
        instance.pause_if_requested(&PeerError::Busy { retry_after: Some(Duration::from_secs(60)) }, now);
        assert_eq!(instance.rank(now), 1);
        assert_eq!(instance.rank(now + MAX_PAUSE), 0);
    }
}
