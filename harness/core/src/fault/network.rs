//! `network`: a rule of the proxy on an edge between two parts, or from the clients to a part. The proxy runs in this
//! process, so every rule ends with the harness and needs no undo entry.

use super::error::FaultError;
use super::injection::Injection;
use super::kind::{CountedHits, Fault, FaultHold, FaultResources, Step};
use super::problems::unknown_edge;
use crate::plan::Backend;
use crate::plan::topology::{CLIENT, Topology};
use chaos_proxy::{Guard, Hits, Rule};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// A part, or `client`.
    pub from: String,
    pub to: String,
    pub rule: Rule,
}

impl Fault for Network {
    fn kind(&self) -> &'static str {
        self.rule.toxic.kind()
    }

    fn target(&self) -> String {
        format!("{} to {}", self.from, self.to)
    }

    fn edge(&self) -> Option<(&str, &str)> {
        Some((&self.from, &self.to))
    }

    fn problems(&self, topology: &Topology) -> Vec<String> {
        let mut problems = unknown_edge(topology, &self.from, &self.to);
        let name = format!("{} {}", self.kind(), self.target());
        problems.extend(self.rule.check().err().map(|error| format!("`{name}`: {error}")));
        problems
    }

    fn unsupported(&self, backend: &Backend) -> Option<String> {
        (backend.is_external() && self.from != CLIENT).then(|| {
            format!(
                "acts between two parts, and `--backend {}` has no proxy there; use `--backend process`, or the edge from `{CLIENT}`",
                backend.name()
            )
        })
    }

    fn inject<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, FaultResources> {
        Box::pin(async move {
            let proxy = injection.stack.proxy(&self.from, &self.to);
            let proxy = proxy.ok_or_else(|| FaultError::NoProxy { fault: injection.name.clone() })?;
            let guard = proxy.add(self.rule.clone()).map_err(|error| injection.refused(error))?;
            Ok(FaultResources::held_by(guard))
        })
    }
}

impl FaultHold for Guard {
    fn hits(&self) -> Option<CountedHits> {
        Some(counted(self.rule(), Self::hits(self)))
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, Option<CountedHits>> {
        let rule = self.rule().clone();
        // Counted after the rule was removed, so that the requests that it hit until then are included.
        let hits = counted(&rule, self.remove());
        Box::pin(async { Some(hits) })
    }
}

/// Counts requests, or connections if the rule closed them before the proxy received a request.
fn counted(rule: &Rule, hits: Hits) -> CountedHits {
    let (count, what) = if hits.operations > 0 || hits.connections == 0 {
        (hits.operations, "requests")
    } else {
        (hits.connections, "connections")
    };
    (count, format!("the proxy: {what} that `{}` affected", rule.toxic.kind()))
}
