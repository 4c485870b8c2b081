//! The rules of an edge. A rule is a toxic, the direction in which it acts, and the share of the operations that it acts on. A rule is active until
//! its guard is dropped.
//!
//! An unconditional rule acts on every byte from the moment it is added, also on open connections. A rule is conditional if it has a share below 1
//! or a filter, or if its toxic needs HTTP or Redis. Once the whole request of an operation has arrived, the proxy decides from the seed and the
//! request whether the rule acts on the operation. An operation is an HTTP request, a Redis command or, in an unknown protocol, everything that a
//! client sends until the upstream replies (an exchange).

use crate::tally::{HitCounters, Hits};
use crate::toxic::Toxic;
use crate::toxic::effect::Effect;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::watch;

/// Maximum number of active rules of one edge.
pub const MAX_RULES: usize = 64;

/// The direction of the bytes that a rule acts on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleDirection {
    /// From clients to the upstream.
    Upstream,
    /// From the upstream to clients.
    Client,
    #[default]
    Both,
}

/// A filter on requests. An empty field matches every request. A Redis command has no path, and an exchange of an unknown protocol has only content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestFilter {
    /// HTTP method, such as `POST`, or Redis command in upper case, such as `EVALSHA`.
    pub method: String,
    /// Prefix of the request target.
    pub path: String,
    /// Text that the content contains. Of an HTTP request, only the first [`MAX_BODY_BYTES`](crate::MAX_BODY_BYTES) are
    /// searched. The content of a Redis command is its bytes on the wire.
    pub content: String,
}

impl RequestFilter {
    fn is_all(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn matches(&self, method: &str, path: &str, content: &[u8]) -> bool {
        let within = |wanted: &[u8]| wanted.is_empty() || content.windows(wanted.len()).any(|window| window == wanted);
        (self.method.is_empty() || self.method == method)
            && path.starts_with(&self.path)
            && within(self.content.as_bytes())
    }
}

/// A toxic and the bytes or operations that it acts on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub toxic: Toxic,
    /// Ignored by `reset` and by toxics that need a protocol.
    #[serde(default)]
    pub towards: RuleDirection,
    /// Share of the operations, from 0 to 1.
    #[serde(default = "all")]
    pub share: f64,
    #[serde(default, skip_serializing_if = "RequestFilter::is_all")]
    pub only: RequestFilter,
}

const fn all() -> f64 {
    1.0
}

impl Rule {
    /// Returns a rule that acts on all traffic in both directions.
    pub fn new(toxic: Toxic) -> Self {
        Self { toxic, towards: RuleDirection::Both, share: all(), only: RequestFilter::default() }
    }

    #[must_use]
    pub fn towards(self, towards: RuleDirection) -> Self {
        Self { towards, ..self }
    }

    #[must_use]
    pub fn share(self, share: f64) -> Self {
        Self { share, ..self }
    }

    #[must_use]
    pub fn only(self, only: RequestFilter) -> Self {
        Self { only, ..self }
    }

    pub(crate) fn is_conditional(&self) -> bool {
        self.share < 1.0 || !self.only.is_all() || self.toxic.effect().protocol().is_some()
    }

    /// Validates the share and the parameters of the toxic.
    ///
    /// # Errors
    /// Fails with the first problem.
    pub fn check(&self) -> Result<(), RuleError> {
        if !(0.0..=1.0).contains(&self.share) {
            return Err(RuleError::Share(self.share));
        }
        self.toxic
            .effect()
            .problem()
            .map_or(Ok(()), |problem| Err(RuleError::Value { kind: self.toxic.kind(), problem }))
    }
}

/// Why a rule cannot be added.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RuleError {
    #[error("the share of a rule must be from 0 to 1, not `{0}`")]
    Share(f64),
    #[error("invalid toxic `{kind}`: {problem}")]
    Value { kind: &'static str, problem: &'static str },
    #[error("an edge has at most {MAX_RULES} active rules\nhint: remove one first")]
    TooMany,
    #[error("the proxy of the edge is closed")]
    Closed,
}

#[derive(Debug)]
pub(crate) struct ActiveRule {
    pub(crate) id: u64,
    pub(crate) rule: Rule,
    pub(crate) hits: HitCounters,
}

/// The rules of an edge at one moment. A change replaces the whole value, so that a connection never has a mixture of old and new rules.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) active: Vec<Arc<ActiveRule>>,
    pub(crate) conditional: bool,
    /// The edge is closing: every connection ends.
    pub(crate) closed: bool,
    last_id: u64,
}

impl ActiveRule {
    pub(crate) fn effect(&self) -> &dyn Effect {
        self.rule.toxic.effect()
    }
}

impl Rules {
    pub(crate) fn has(&self, id: u64) -> bool {
        self.active.iter().any(|active| active.id == id)
    }

    fn with(&self, active: Vec<Arc<ActiveRule>>, last_id: u64) -> Self {
        let conditional = active.iter().any(|active| active.rule.is_conditional());
        // An id is never used again, because connections remember by it which rule hit them or took bytes.
        Self { active, conditional, closed: self.closed, last_id: last_id.max(self.last_id) }
    }
}

/// Adds a rule; every connection is notified.
pub(crate) fn add(rules: &watch::Sender<Arc<Rules>>, rule: Rule) -> Result<Guard, RuleError> {
    rule.check()?;
    let mut added = Err(RuleError::TooMany);
    // Checked and changed under one lock, so that two callers cannot exceed the limit together.
    rules.send_if_modified(|current| {
        if current.closed {
            added = Err(RuleError::Closed);
            return false;
        }
        if current.active.len() >= MAX_RULES {
            return false;
        }
        let id = current.last_id + 1;
        let active = Arc::new(ActiveRule { id, rule: rule.clone(), hits: HitCounters::default() });
        let mut all = current.active.clone();
        all.push(Arc::clone(&active));
        *current = Arc::new(current.with(all, id));
        added = Ok(Guard { rules: rules.clone(), active });
        true
    });
    added
}

pub(crate) fn clear(rules: &watch::Sender<Arc<Rules>>) {
    rules.send_if_modified(|current| {
        // A change without a difference would wake every connection of the edge.
        let changes = !current.active.is_empty();
        if changes {
            *current = Arc::new(current.with(Vec::new(), 0));
        }
        changes
    });
}

pub(crate) fn close(rules: &watch::Sender<Arc<Rules>>) {
    rules.send_modify(|current| *current = Arc::new(Rules { closed: true, ..current.with(Vec::new(), 0) }));
}

/// Keeps a rule active. Dropping it removes the rule.
#[derive(Debug)]
pub struct Guard {
    rules: watch::Sender<Arc<Rules>>,
    // Kept here, because the hits are read after the rule was removed.
    active: Arc<ActiveRule>,
}

impl Guard {
    pub fn rule(&self) -> &Rule {
        &self.active.rule
    }

    pub fn hits(&self) -> Hits {
        self.active.hits.read()
    }

    /// Removes the rule and returns its hits.
    pub fn remove(self) -> Hits {
        self.lift();
        self.active.hits.read()
    }

    fn lift(&self) {
        self.rules.send_if_modified(|current| {
            let others: Vec<_> = current.active.iter().filter(|active| active.id != self.active.id).cloned().collect();
            let changes = others.len() != current.active.len();
            if changes {
                *current = Arc::new(current.with(others, 0));
            }
            changes
        });
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.lift();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toxic::{Bandwidth, Hang, Status};

    fn sender() -> watch::Sender<Arc<Rules>> {
        watch::Sender::new(Arc::new(Rules::default()))
    }

    #[test]
    fn a_rule_is_active_until_its_guard_is_dropped() {
        let rules = sender();
        let first = add(&rules, Rule::new(Toxic::Hang(Hang {}))).unwrap();
        let second = add(&rules, Rule::new(Toxic::Hang(Hang {})).share(0.5)).unwrap();
        assert_eq!((rules.borrow().active.len(), rules.borrow().conditional), (2, true));
        second.remove();
        assert_eq!((rules.borrow().active.len(), rules.borrow().conditional), (1, false));
        drop(first);
        assert!(rules.borrow().active.is_empty());
    }

    #[test]
    fn an_id_is_never_used_twice() {
        let rules = sender();
        let ids: Vec<u64> = (0..3).map(|_| add(&rules, Rule::new(Toxic::Hang(Hang {}))).unwrap().active.id).collect();
        assert_eq!(ids, [1, 2, 3]);
    }

    #[test]
    fn invalid_rules_are_rejected() {
        let rules = sender();
        assert!(matches!(add(&rules, Rule::new(Toxic::Hang(Hang {})).share(1.5)), Err(RuleError::Share(_))));
        assert!(matches!(add(&rules, Rule::new(Toxic::Hang(Hang {})).share(f64::NAN)), Err(RuleError::Share(_))));
        let none = Rule::new(Toxic::Bandwidth(Bandwidth { bytes_per_second: 0 }));
        assert!(matches!(add(&rules, none), Err(RuleError::Value { kind: "bandwidth", .. })));
        let guards: Vec<_> = (0..MAX_RULES).map(|_| add(&rules, Rule::new(Toxic::Hang(Hang {}))).unwrap()).collect();
        assert_eq!(add(&rules, Rule::new(Toxic::Hang(Hang {}))).unwrap_err(), RuleError::TooMany);
        drop(guards);
    }

    #[test]
    fn a_filter_matches_method_path_and_content() {
        let only = RequestFilter { method: "POST".into(), path: "/mcp".into(), content: "store_memory".into() };
        assert!(only.matches("POST", "/mcp/memory", b"{\"name\":\"store_memory\"}"));
        assert!(!only.matches("GET", "/mcp", b"store_memory"));
        assert!(!only.matches("POST", "/healthz", b"store_memory"));
        assert!(!only.matches("POST", "/mcp", b"store"));
        assert!(RequestFilter::default().matches("GET", "/", b""));
    }

    #[test]
    fn rules_are_parsed_from_files() {
        let rule: Rule =
            toml::from_str("share = 0.5\ntoxic = { kind = \"status\", status = 503 }\nonly = { path = \"/mcp\" }")
                .unwrap();
        assert!(matches!(rule.toxic, Toxic::Status(Status { status: 503, .. })) && rule.is_conditional());
        assert!(toml::from_str::<Rule>("shares = 0.5\ntoxic = { kind = \"hang\" }").is_err());
    }
}
