//! Which toxics act on an edge, towards whom and on which share of what passes; a rule acts as long as its guard lives.
//!
//! A rule without conditions acts on every byte, of open connections too, from the moment it is added. A rule with a share below one or with
//! a filter, and every rule for HTTP or Redis, is decided for each operation when its request is complete at the proxy: a request of HTTP, a
//! command of Redis, or, of another protocol, what a client sends until the upstream says something.

use crate::tally::{HitCounters, Hits};
use crate::toxic::Toxic;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::watch;

/// Most rules on one edge.
pub const MAX_RULES: usize = 64;

/// Which way bytes go that a rule acts on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Towards {
    /// From clients to the upstream.
    Upstream,
    /// From the upstream to clients.
    Client,
    /// Both ways.
    #[default]
    Both,
}

/// Which requests a rule is for; empty texts mean all. Commands of Redis have no path, turns of other protocols have content alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Only {
    /// Method, such as `POST`; of Redis the name of the command in upper case, such as `EVALSHA`.
    pub method: String,
    /// What the target begins with.
    pub path: String,
    /// What the content has in it somewhere; of Redis the command as it is on the wire.
    pub content: String,
}

impl Only {
    fn is_all(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn fits(&self, method: &str, path: &str, content: &[u8]) -> bool {
        let within = |wanted: &[u8]| wanted.is_empty() || content.windows(wanted.len()).any(|window| window == wanted);
        (self.method.is_empty() || self.method == method)
            && path.starts_with(&self.path)
            && within(self.content.as_bytes())
    }
}

/// A toxic and what it acts on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What is done.
    pub toxic: Toxic,
    /// Towards whom; without meaning for `reset` and for what needs a protocol.
    #[serde(default)]
    pub towards: Towards,
    /// To which share of the operations, from 0 to 1.
    #[serde(default = "all")]
    pub share: f64,
    /// To which of them.
    #[serde(default, skip_serializing_if = "Only::is_all")]
    pub only: Only,
}

const fn all() -> f64 {
    1.0
}

impl Rule {
    /// The toxic on everything, both ways.
    pub fn new(toxic: Toxic) -> Self {
        Self { toxic, towards: Towards::Both, share: all(), only: Only::default() }
    }

    /// The same in one direction.
    #[must_use]
    pub fn towards(self, towards: Towards) -> Self {
        Self { towards, ..self }
    }

    /// The same on a share of the operations.
    #[must_use]
    pub fn share(self, share: f64) -> Self {
        Self { share, ..self }
    }

    /// The same on requests that fit.
    #[must_use]
    pub fn only(self, only: Only) -> Self {
        Self { only, ..self }
    }

    pub(crate) fn is_conditional(&self) -> bool {
        self.share < 1.0 || !self.only.is_all() || self.toxic.effect().protocol().is_some()
    }

    /// Tells whether the rule can be used at all.
    ///
    /// # Errors
    /// Says what is wrong.
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
    /// A share that is none.
    #[error("a rule's share must be from 0 to 1, not `{0}`")]
    Share(f64),
    /// A value of the toxic.
    #[error("the toxic `{kind}` cannot be used: {problem}")]
    Value {
        /// Its kind.
        kind: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// Too many.
    #[error("an edge has at most {MAX_RULES} rules at once\nhint: remove some first")]
    TooMany,
    /// The proxy is gone.
    #[error("the proxy of the edge is closed")]
    Closed,
}

/// A rule that acts.
#[derive(Debug)]
pub(crate) struct Planted {
    pub(crate) id: u64,
    pub(crate) rule: Rule,
    pub(crate) hits: HitCounters,
}

/// All rules of an edge at one time.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) planted: Vec<Arc<Planted>>,
    pub(crate) conditional: bool,
    /// The edge is being closed: every connection ends.
    pub(crate) closed: bool,
    last_id: u64,
}

impl Rules {
    pub(crate) fn has(&self, id: u64) -> bool {
        self.planted.iter().any(|planted| planted.id == id)
    }

    fn with(&self, planted: Vec<Arc<Planted>>, last_id: u64) -> Self {
        let conditional = planted.iter().any(|planted| planted.rule.is_conditional());
        Self { planted, conditional, closed: self.closed, last_id: last_id.max(self.last_id) }
    }
}

/// Adds a rule; every connection is told.
pub(crate) fn add(rules: &watch::Sender<Arc<Rules>>, rule: Rule) -> Result<Guard, RuleError> {
    rule.check()?;
    let mut added = Err(RuleError::TooMany);
    rules.send_if_modified(|current| {
        if current.closed {
            added = Err(RuleError::Closed);
            return false;
        }
        if current.planted.len() >= MAX_RULES {
            return false;
        }
        let id = current.last_id + 1;
        let planted = Arc::new(Planted { id, rule: rule.clone(), hits: HitCounters::default() });
        let mut all = current.planted.clone();
        all.push(Arc::clone(&planted));
        *current = Arc::new(current.with(all, id));
        added = Ok(Guard { rules: rules.clone(), planted });
        true
    });
    added
}

/// Removes every rule.
pub(crate) fn clear(rules: &watch::Sender<Arc<Rules>>) {
    rules.send_if_modified(|current| {
        let changes = !current.planted.is_empty();
        if changes {
            *current = Arc::new(current.with(Vec::new(), 0));
        }
        changes
    });
}

/// Ends every connection.
pub(crate) fn close(rules: &watch::Sender<Arc<Rules>>) {
    rules.send_modify(|current| *current = Arc::new(Rules { closed: true, ..current.with(Vec::new(), 0) }));
}

/// Keeps a rule acting; dropped, the rule is gone.
#[derive(Debug)]
pub struct Guard {
    rules: watch::Sender<Arc<Rules>>,
    planted: Arc<Planted>,
}

impl Guard {
    /// The rule.
    pub fn rule(&self) -> &Rule {
        &self.planted.rule
    }

    /// What it did so far.
    pub fn hits(&self) -> Hits {
        self.planted.hits.read()
    }

    /// Removes the rule and says what it did.
    pub fn remove(self) -> Hits {
        self.lift();
        self.planted.hits.read()
    }

    fn lift(&self) {
        self.rules.send_if_modified(|current| {
            let left: Vec<_> =
                current.planted.iter().filter(|planted| planted.id != self.planted.id).cloned().collect();
            let changes = left.len() != current.planted.len();
            if changes {
                *current = Arc::new(current.with(left, 0));
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
    fn a_rule_acts_as_long_as_its_guard_lives() {
        let rules = sender();
        let first = add(&rules, Rule::new(Toxic::Hang(Hang {}))).unwrap();
        let second = add(&rules, Rule::new(Toxic::Hang(Hang {})).share(0.5)).unwrap();
        assert_eq!((rules.borrow().planted.len(), rules.borrow().conditional), (2, true));
        second.remove();
        assert_eq!((rules.borrow().planted.len(), rules.borrow().conditional), (1, false));
        drop(first);
        assert!(rules.borrow().planted.is_empty());
    }

    #[test]
    fn an_id_is_never_used_twice() {
        let rules = sender();
        let ids: Vec<u64> = (0..3).map(|_| add(&rules, Rule::new(Toxic::Hang(Hang {}))).unwrap().planted.id).collect();
        assert_eq!(ids, [1, 2, 3]);
    }

    #[test]
    fn rules_that_mean_nothing_are_refused() {
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
    fn a_filter_fits_by_method_path_and_content() {
        let only = Only { method: "POST".into(), path: "/mcp".into(), content: "store_memory".into() };
        assert!(only.fits("POST", "/mcp/memory", b"{\"name\":\"store_memory\"}"));
        assert!(!only.fits("GET", "/mcp", b"store_memory"));
        assert!(!only.fits("POST", "/healthz", b"store_memory"));
        assert!(!only.fits("POST", "/mcp", b"store"));
        assert!(Only::default().fits("GET", "/", b""));
    }

    #[test]
    fn rules_are_read_from_files() {
        let rule: Rule =
            toml::from_str("share = 0.5\ntoxic = { kind = \"status\", status = 503 }\nonly = { path = \"/mcp\" }")
                .unwrap();
        assert!(matches!(rule.toxic, Toxic::Status(Status { status: 503, .. })) && rule.is_conditional());
        assert!(toml::from_str::<Rule>("shares = 0.5\ntoxic = { kind = \"hang\" }").is_err());
    }
}
