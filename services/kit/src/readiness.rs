//! Readiness of a service. A service is ready if all its latches have been dropped and it is not draining. No function here waits or polls.

use mcp_contracts::service::Readiness as ReadinessReply;
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
    // The key is a number and not the name, because several parts of a service may have latches of the same name, and each drops its own.
    latches: BTreeMap<u64, String>,
    next: u64,
    // Counted, because several parts of a service can lose the same dependency and recover at different times.
    fallbacks: BTreeMap<String, usize>,
    draining: bool,
}

/// The service is not ready until this latch is dropped.
#[derive(Debug)]
#[must_use = "a latch that is dropped at once has no effect"]
pub struct Latch {
    readiness: Readiness,
    id: u64,
}

/// Reports that the fallback of a dependency is in use, until it is dropped.
#[derive(Debug)]
#[must_use = "a value that is dropped at once reports nothing"]
pub struct Degraded {
    readiness: Readiness,
    dependency: String,
}

impl Readiness {
    /// Keeps the service not ready until the latch is dropped; `/readyz` lists `name`.
    pub fn latch(&self, name: impl Into<String>) -> Latch {
        let mut state = self.state.lock();
        let id = state.next;
        state.next += 1;
        state.latches.insert(id, name.into());
        Latch { readiness: self.clone(), id }
    }

    /// Reports that the fallback of `dependency` is in use until the value is dropped. The service stays ready.
    pub fn degraded(&self, dependency: impl Into<String>) -> Degraded {
        let dependency = dependency.into();
        *self.state.lock().fallbacks.entry(dependency.clone()).or_default() += 1;
        Degraded { readiness: self.clone(), dependency }
    }

    /// Makes the service not ready until it exits. After this call the endpoint refuses new calls.
    pub fn drain(&self) {
        self.state.lock().draining = true;
    }

    pub fn is_draining(&self) -> bool {
        self.state.lock().draining
    }

    /// Returns the reply of `/readyz`.
    pub fn reply(&self) -> ReadinessReply {
        let state = self.state.lock();
        let mut missing: Vec<String> = state.latches.values().cloned().collect();
        // During the notice before the drain, `run` keeps a latch of this name. The name must not be listed twice.
        if state.draining && !missing.iter().any(|name| name == "draining") {
            missing.push("draining".to_owned());
        }
        ReadinessReply {
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
    fn a_service_is_ready_after_the_last_latch_and_never_after_drain() {
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
    fn a_fallback_is_listed_until_its_last_user_recovers() {
        let readiness = Readiness::default();
        let (one, two) = (readiness.degraded("redis"), readiness.degraded("redis"));
        drop(one);
        assert_eq!(readiness.reply().fallbacks, ["redis"]);
        assert!(readiness.reply().ready && readiness.reply().degraded);
        drop(two);
        assert!(!readiness.reply().degraded);
    }
}
