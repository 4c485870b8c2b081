//! The parts of a stack and the edges between them: one value that drives every backend and the compose file.

use mcp_contracts::Service;
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
}
