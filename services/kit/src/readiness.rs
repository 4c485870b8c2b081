//! Ready means: every latch is dropped, and the service is not draining. Nothing here waits or guesses.

use mcp_contracts::service::Readiness as Reply;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The latches of a service. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    latches: BTreeMap<u64, String>,
    next: u64,
    fallbacks: BTreeMap<String, usize>,
    draining: bool,
}

/// Holds readiness back until it is dropped.
#[derive(Debug)]
#[must_use = "a latch that is dropped at once holds nothing back"]
pub struct Latch {
    readiness: Readiness,
    id: u64,
}

/// Says that a dependency is down and a declared fallback serves, until it is dropped.
#[derive(Debug)]
#[must_use = "a degradation that is dropped at once tells nobody"]
pub struct Degraded {
    readiness: Readiness,
    dependency: String,
}

impl Readiness {
    /// Holds readiness back under `name` until the latch is dropped.
    pub fn latch(&self, name: impl Into<String>) -> Latch {
        let mut state = self.state.lock();
        let id = state.next;
        state.next += 1;
        state.latches.insert(id, name.into());
        Latch { readiness: self.clone(), id }
    }

    /// Says that `dependency` is served by a fallback until the value is dropped.
    pub fn degraded(&self, dependency: impl Into<String>) -> Degraded {
        let dependency = dependency.into();
        *self.state.lock().fallbacks.entry(dependency.clone()).or_default() += 1;
        Degraded { readiness: self.clone(), dependency }
    }

    /// Stops being ready, for good.
    pub fn drain(&self) {
        self.state.lock().draining = true;
    }

    /// Tells whether the service is draining.
    pub fn is_draining(&self) -> bool {
        self.state.lock().draining
    }

    /// The reply of `/readyz`.
    pub fn reply(&self) -> Reply {
        let state = self.state.lock();
        let mut missing: Vec<String> = state.latches.values().cloned().collect();
        if state.draining && !missing.iter().any(|name| name == "draining") {
            missing.push("draining".to_owned());
        }
        Reply {
            ready: missing.is_empty(),
            degraded: !state.fallbacks.is_empty(),
            missing,
            fallbacks: state.fallbacks.keys().cloned().collect(),
        }
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        self.readiness.state.lock().latches.remove(&self.id);
    }
}

impl Drop for Degraded {
    fn drop(&mut self) {
        let mut state = self.readiness.state.lock();
        if let Some(count) = state.fallbacks.get_mut(&self.dependency) {
            *count -= 1;
            if *count == 0 {
                state.fallbacks.remove(&self.dependency);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_when_the_last_latch_is_dropped_and_never_again_after_drain() {
        let readiness = Readiness::default();
        let (store, peers) = (readiness.latch("store"), readiness.latch("peers"));
        assert_eq!(readiness.reply().missing, ["store", "peers"]);
        drop(store);
        assert!(!readiness.reply().ready);
        drop(peers);
        assert!(readiness.reply().ready);
        readiness.drain();
        assert_eq!(readiness.reply().missing, ["draining"]);
    }

    #[test]
    fn a_fallback_is_named_while_anybody_relies_on_it() {
        let readiness = Readiness::default();
        let (one, two) = (readiness.degraded("redis"), readiness.degraded("redis"));
        drop(one);
        assert_eq!(readiness.reply().fallbacks, ["redis"]);
        assert!(readiness.reply().ready && readiness.reply().degraded);
        drop(two);
        assert!(!readiness.reply().degraded);
    }
}
