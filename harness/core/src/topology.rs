//! The parts of a stack and the edges between them: one value that drives every backend and the compose file.

use mcp_contracts::{Service, env};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a stack consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// Parts in start order.
    pub parts: Vec<Part>,
}

/// One process or container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Unique name, which is its host name on a container network.
    pub name: String,
    /// What it is.
    pub kind: PartKind,
    /// Environment beyond what the backend decides (addresses, data folders, the secret).
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Names of the parts it talks to.
    #[serde(default)]
    pub depends_on: Vec<String>,
}

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// One of our services.
    Service(Service),
    /// A real Redis server.
    Redis,
}

impl Topology {
    /// Memory and Redis: what `harness load memory` needs.
    pub fn memory() -> Self {
        Self {
            parts: vec![
                Part {
                    name: "redis".to_owned(),
                    kind: PartKind::Redis,
                    settings: BTreeMap::new(),
                    depends_on: Vec::new(),
                },
                Part {
                    name: "memory".to_owned(),
                    kind: PartKind::Service(Service::Memory),
                    settings: BTreeMap::new(),
                    depends_on: vec!["redis".to_owned()],
                },
            ],
        }
    }

    /// The same, with quotas so high that the load measures the service and not its plan's limit.
    pub fn under_load() -> Self {
        let mut topology = Self::memory();
        for part in &mut topology.parts {
            if let PartKind::Service(_) = part.kind {
                part.settings.insert(env::QUOTA_ENTERPRISE_DAILY.to_owned(), "1000000000".to_owned());
                part.settings.insert(env::QUOTA_BURST_PER_SECOND.to_owned(), "1000000".to_owned());
            }
        }
        topology
    }
}
