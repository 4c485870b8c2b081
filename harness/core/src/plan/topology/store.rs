//! Where memory keeps its records: in a SQLite file of its own, or on a Postgres server that is a part of the stack. Only memory has a store on
//! Postgres; the other services keep their SQLite files.

use super::{Edge, EdgeMode, Part, PartKind, Topology};
use mcp_contracts::{Service, env};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the part that is the database server.
const POSTGRES: &str = "postgres";
/// The services that have a store on Postgres.
const ON_POSTGRES: &[Service] = &[Service::Memory];

/// The store of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// A file for each service.
    Sqlite,
    /// A server that the instances of memory share.
    Postgres,
}

impl Store {
    /// Returns the value of `--store`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

impl Topology {
    /// Adds a Postgres server and makes memory keep its records there. Does nothing if the stack has one already, or has no memory.
    #[must_use]
    pub fn with_postgres(mut self) -> Self {
        let is_on_it = |part: &Part| {
            part.kind.service().is_some_and(|service| ON_POSTGRES.contains(&service))
                // A database in the settings has priority over that of the stack.
                && !part.settings.contains_key(env::DATABASE_URL)
        };
        let Some(first) = self.parts.iter().position(is_on_it).filter(|_| self.store() == Store::Sqlite) else {
            return self;
        };
        for part in self.parts.iter_mut().filter(|part| is_on_it(part)) {
            part.edges.push(Edge { to: POSTGRES.to_owned(), mode: EdgeMode::Direct });
        }
        let server = Part {
            name: POSTGRES.to_owned(),
            kind: PartKind::Postgres,
            data: POSTGRES.to_owned(),
            settings: BTreeMap::new(),
            ..Part::redis()
        };
        // Before the parts that call it, because the parts are in start order.
        self.parts.insert(first, server);
        self
    }

    /// Returns the store of memory.
    pub fn store(&self) -> Store {
        if self.parts.iter().any(|part| part.kind == PartKind::Postgres) { Store::Postgres } else { Store::Sqlite }
    }

    /// Returns true if a part keeps its records on the Postgres server of the stack.
    pub fn is_on_postgres(&self, part: &Part) -> bool {
        part.edges.iter().any(|edge| self.part(&edge.to).is_some_and(|to| to.kind == PartKind::Postgres))
    }

    /// Returns the services of a stack with Postgres that keep a SQLite file.
    pub fn on_sqlite(&self) -> Vec<&str> {
        let services = self.parts.iter().filter(|part| part.kind.service().is_some() && !self.is_on_postgres(part));
        services.map(|part| part.name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Store, Topology};
    use mcp_contracts::{Service, env};

    #[test]
    fn only_memory_moves_to_the_server_which_starts_before_it() {
        let topology = Topology::full().instances(Service::Memory, 2).with_postgres();
        assert_eq!((topology.store(), topology.problems()), (Store::Postgres, Vec::new()));
        assert_eq!(topology.on_sqlite(), ["guardrails", "patterns", "orchestrator"]);
        let first: Vec<&str> = topology.waves()[0].iter().map(|part| part.name.as_str()).collect();
        assert_eq!(first, ["redis", "postgres"]);
        assert!(topology.of(Service::Memory).all(|part| topology.is_on_postgres(part)));
        assert_eq!(topology.edge_mode("client", "postgres"), None, "clients do not call it");
        assert_eq!(topology.clone().with_postgres(), topology, "a stack has one server");
        assert_eq!(Topology::full().with_postgres().instances(Service::Memory, 2), topology);
    }

    #[test]
    fn a_database_in_the_settings_and_a_stack_without_memory_stay() {
        let own = Topology::memory().with_setting(Service::Memory, env::DATABASE_URL, "sqlite://own.db");
        let without = Topology::full().with_only(|service| service != Service::Memory);
        for topology in [own, without, Topology::target()] {
            assert_eq!(topology.clone().with_postgres(), topology);
        }
    }
}
