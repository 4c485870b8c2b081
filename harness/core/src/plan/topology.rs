//! The parts of a stack and the edges between them. Every backend starts its stack from a `Topology`, and a test
//! compares the compose file with it. It contains no address, because addresses depend on the backend.

mod check;
mod proxied;
mod store;

pub use store::Store;

use crate::plan::target::TARGET;
use mcp_contracts::{Service, env};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the part that stores the quotas.
const REDIS: &str = "redis";
/// Name of the clients as the start of an edge. The clients are not a part of the stack.
pub const CLIENT: &str = "client";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// In start order: a part comes after the parts that it calls.
    pub parts: Vec<Part>,
}

/// One process or container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Unique name, which is part of its host name on a container network.
    pub name: String,
    pub kind: PartKind,
    /// Environment variables, besides those that the backend sets (addresses, data folders, the secret).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// The edges to the parts that the part calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<Edge>,
    /// Name of the part's data. Parts with the same name share their data.
    pub data: String,
    /// The promises that a liar in front of the part breaks, for tests of the scenarios themselves. Empty: there is no
    /// liar.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lies: Vec<String>,
    /// Delay of every response to a client, in milliseconds, for tests of the gate itself. A proxy at the entrance adds
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_ms: Option<u64>,
    /// CPU time and memory that the part may use. `None`: the machine is the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// The mode of the edge from the clients to the part.
    // Omitted if direct, because plans of earlier versions do not have this key and must stay readable.
    #[serde(default, skip_serializing_if = "EdgeMode::is_direct")]
    pub entrance: EdgeMode,
    /// Port of the part on loopback. `None`: the backend chooses a free one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// True if the services reach this Redis by TLS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tls: bool,
}

/// The size of a small machine or task, for the load that it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Hundredths of a core.
    pub cpu_percent: u32,
    pub memory_mib: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// One of the four MCP services.
    Service(Service),
    Redis,
    /// The database server of memory, if its store is not SQLite.
    Postgres,
    /// A server that is not part of this product.
    Target,
}

/// The connection from one part to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Name of the part that is called.
    pub to: String,
    pub mode: EdgeMode,
}

/// How the bytes of an edge are transported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeMode {
    /// The calling part connects to the called part.
    #[default]
    Direct,
    /// Through a proxy, which passes every byte unchanged unless a fault adds a rule.
    Proxied,
    /// Through a proxy, which also records the HTTP exchanges.
    Tapped,
}

impl EdgeMode {
    pub const fn is_direct(&self) -> bool {
        matches!(self, Self::Direct)
    }
}

impl Topology {
    /// Memory and Redis, for `harness load memory`.
    pub fn memory() -> Self {
        Self { parts: vec![Part::redis(), Part::of(Service::Memory)] }
    }

    /// All four services and Redis.
    pub fn full() -> Self {
        let services = Service::ALL.map(Part::of);
        Self { parts: std::iter::once(Part::redis()).chain(services).collect() }
    }

    /// The stack for a load on one service: memory and Redis for memory, the full stack for the others. The quotas do
    /// not limit the load.
    pub fn for_load(service: Service) -> Self {
        match service {
            Service::Memory => Self::memory().with_load_quotas(),
            Service::Guardrails | Service::Patterns | Service::Orchestrator => Self::full().with_load_quotas(),
        }
    }

    /// One server that is not part of this product.
    pub fn target() -> Self {
        let part = Part { name: TARGET.to_owned(), kind: PartKind::Target, data: TARGET.to_owned(), ..Part::redis() };
        Self { parts: vec![part] }
    }

    /// Removes Redis. Each service then counts its quotas alone.
    #[must_use]
    pub fn without_redis(mut self) -> Self {
        self.parts.retain(|part| part.kind != PartKind::Redis);
        self.parts.iter_mut().for_each(|part| part.edges.retain(|edge| edge.to != REDIS));
        self
    }

    /// Makes the services reach Redis by TLS.
    #[must_use]
    pub fn with_redis_tls(mut self) -> Self {
        self.parts.iter_mut().filter(|part| part.kind == PartKind::Redis).for_each(|part| part.tls = true);
        self
    }

    /// Replaces a service by `count` instances, `memory-1`, `memory-2` and so on, which share its data. Every part that
    /// called the service then calls all instances.
    #[must_use]
    pub fn instances(mut self, service: Service, count: u32) -> Self {
        let names: Vec<String> = (1..=count).map(|number| format!("{}-{number}", service.name())).collect();
        let is_instance = |part: &Part| part.kind == PartKind::Service(service);
        let Some(at) = self.parts.iter().position(is_instance) else { return self };
        let mut model = self.parts[at].clone();
        // Each instance must know their number, because without Redis it admits its share of a limit (decision 0007).
        model.settings.insert(env::RATE_LIMIT_INSTANCES.to_owned(), count.to_string());
        self.parts.retain(|part| !is_instance(part));
        let instances = names.iter().map(|name| Part { name: name.clone(), ..model.clone() });
        // At the place of the service, because the parts are in start order.
        self.parts.splice(at..at, instances);
        for part in &mut self.parts {
            let edges = std::mem::take(&mut part.edges).into_iter();
            part.edges = edges
                .flat_map(|edge| match edge.to == service.name() {
                    true => names.iter().map(|name| Edge { to: name.clone(), mode: edge.mode }).collect(),
                    false => vec![edge],
                })
                .collect();
        }
        self
    }

    /// Sets an environment variable of one service, on all its instances.
    #[must_use]
    pub fn with_setting(mut self, service: Service, name: &str, value: impl ToString) -> Self {
        for part in self.parts.iter_mut().filter(|part| part.kind == PartKind::Service(service)) {
            part.settings.insert(name.to_owned(), value.to_string());
        }
        self
    }

    /// Sets the port of a service.
    #[must_use]
    pub fn with_port(mut self, service: Service, port: u16) -> Self {
        for part in self.parts.iter_mut().filter(|part| part.kind == PartKind::Service(service)) {
            part.port = Some(port);
        }
        self
    }

    /// Sets an environment variable of every service.
    #[must_use]
    pub fn with_setting_everywhere(self, name: &str, value: impl ToString) -> Self {
        let value = value.to_string();
        Service::ALL.into_iter().fold(self, |topology, service| topology.with_setting(service, name, &value))
    }

    /// Raises the quotas, so that a load measures the services and not the limits of a paid plan.
    #[must_use]
    pub fn with_load_quotas(self) -> Self {
        // The daily quota of the enterprise plan only, because the tokens of every load are for this plan.
        self.with_setting_everywhere(env::QUOTA_ENTERPRISE_DAILY, 1_000_000_000)
            .with_setting_everywhere(env::QUOTA_BURST_PER_SECOND, 1_000_000)
    }

    /// Taps every edge from one service to another.
    #[must_use]
    pub fn with_tap(mut self, from: Service, to: Service) -> Self {
        let targets: Vec<String> = self.of(to).map(|part| part.name.clone()).collect();
        for part in self.parts.iter_mut().filter(|part| part.kind == PartKind::Service(from)) {
            let edges = part.edges.iter_mut().filter(|edge| targets.contains(&edge.to));
            edges.for_each(|edge| edge.mode = EdgeMode::Tapped);
        }
        self
    }

    /// Puts a liar in front of a service, or adds another lie to it.
    #[must_use]
    pub fn with_lie(mut self, service: Service, lie: &str) -> Self {
        let parts = self.parts.iter_mut().filter(|part| part.kind == PartKind::Service(service));
        parts.for_each(|part| part.lies.push(lie.to_owned()));
        self
    }

    /// Delays every response of a service to a client, by a proxy between the clients and the service.
    #[must_use]
    pub fn with_delay(mut self, service: Service, by: std::time::Duration) -> Self {
        for part in self.parts.iter_mut().filter(|part| part.kind == PartKind::Service(service)) {
            part.slow_ms = u64::try_from(by.as_millis()).ok();
            // A tapped entrance has a proxy already and must stay tapped.
            if part.entrance.is_direct() {
                part.entrance = EdgeMode::Proxied;
            }
        }
        self
    }

    /// Limits every service, and not Redis.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        let services = self.parts.iter_mut().filter(|part| part.kind.service().is_some());
        services.for_each(|part| part.limits = Some(limits));
        self
    }

    /// Keeps only these services, and Redis. No remaining part calls a removed one.
    #[must_use]
    pub fn with_only(mut self, keep: impl Fn(Service) -> bool) -> Self {
        self.parts.retain(|part| part.kind.service().is_none_or(&keep));
        let names: Vec<String> = self.parts.iter().map(|part| part.name.clone()).collect();
        self.parts.iter_mut().for_each(|part| part.edges.retain(|edge| names.contains(&edge.to)));
        self
    }

    /// Returns the instances of a service, in order.
    pub fn of(&self, service: Service) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| part.kind == PartKind::Service(service))
    }

    /// Returns the services of the stack, each once.
    pub fn services(&self) -> Vec<Service> {
        let there = |service: &Service| self.of(*service).next().is_some();
        Service::ALL.into_iter().filter(there).collect()
    }

    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// Returns the parts in waves. The parts of a wave call only parts of earlier waves, so that they can start at the same time.
    pub fn waves(&self) -> Vec<Vec<&Part>> {
        let mut waiting: Vec<&Part> = self.parts.iter().collect();
        let mut waves = Vec::new();
        while !waiting.is_empty() {
            let waits = |part: &&Part| part.edges.iter().any(|edge| waiting.iter().any(|other| other.name == edge.to));
            let (later, now): (Vec<&Part>, Vec<&Part>) = waiting.iter().copied().partition(waits);
            if now.is_empty() {
                // These parts call each other in a circle, which `problems` reports. They form the last wave, so that the loop ends.
                waves.push(later);
                break;
            }
            waves.push(now);
            waiting = later;
        }
        waves
    }
}

impl Part {
    fn redis() -> Self {
        Self {
            name: REDIS.to_owned(),
            kind: PartKind::Redis,
            settings: BTreeMap::new(),
            edges: Vec::new(),
            data: REDIS.to_owned(),
            lies: Vec::new(),
            slow_ms: None,
            limits: None,
            entrance: EdgeMode::Direct,
            port: None,
            tls: false,
        }
    }

    fn of(service: Service) -> Self {
        let edge = |to: &str| Edge { to: to.to_owned(), mode: EdgeMode::Direct };
        let peers: &[Service] = match service {
            Service::Orchestrator => &[Service::Memory, Service::Guardrails, Service::Patterns],
            Service::Memory | Service::Guardrails | Service::Patterns => &[],
        };
        Self {
            name: service.name().to_owned(),
            kind: PartKind::Service(service),
            // Every service counts its quotas in Redis.
            edges: std::iter::once(edge(REDIS)).chain(peers.iter().map(|peer| edge(peer.name()))).collect(),
            data: service.name().to_owned(),
            ..Self::redis()
        }
    }
}

impl PartKind {
    pub const fn service(self) -> Option<Service> {
        match self {
            Self::Service(service) => Some(service),
            Self::Redis | Self::Postgres | Self::Target => None,
        }
    }

    /// Returns true if clients of the stack call the part, by HTTP.
    pub const fn serves_clients(self) -> bool {
        match self {
            Self::Service(_) | Self::Target => true,
            Self::Redis | Self::Postgres => false,
        }
    }

    /// Returns the name for sentences, such as `Redis`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Postgres => "Postgres",
            Self::Service(service) => service.name(),
            Self::Target => "a target",
        }
    }
}

/// Returns the environment variable in which a service gets the address of a peer; `None` if no service calls the part.
pub const fn peer_variable(kind: PartKind) -> Option<&'static str> {
    match kind {
        PartKind::Redis => Some(env::REDIS_URL),
        PartKind::Postgres => Some(env::DATABASE_URL),
        PartKind::Service(Service::Orchestrator) | PartKind::Target => None,
        PartKind::Service(service) => Some(client_variable(service)),
    }
}

/// Returns the environment variable in which a client of the stack gets the address of a service.
pub const fn client_variable(service: Service) -> &'static str {
    match service {
        Service::Memory => env::MCP_MEMORY_URL,
        Service::Guardrails => env::MCP_GUARDRAILS_URL,
        Service::Patterns => env::MCP_PATTERNS_URL,
        Service::Orchestrator => env::MCP_ORCHESTRATOR_URL,
    }
}

#[cfg(test)]
mod tests {
    use super::{EdgeMode, Topology};
    use mcp_contracts::{Service, env};

    fn names(wave: &[&super::Part]) -> Vec<String> {
        wave.iter().map(|part| part.name.clone()).collect()
    }

    #[test]
    fn parts_start_in_waves_after_the_parts_that_they_call() {
        let full = Topology::full();
        let waves: Vec<Vec<String>> = full.waves().iter().map(|wave| names(wave)).collect();
        assert_eq!(waves, [vec!["redis"], vec!["memory", "guardrails", "patterns"], vec!["orchestrator"]]);
        let alone = Topology::full().without_redis();
        assert_eq!(alone.waves().len(), 2);
    }

    #[test]
    fn instances_share_data_and_every_caller_calls_all_of_them() {
        let topology = Topology::full().instances(Service::Memory, 2);
        let memory: Vec<_> = topology.of(Service::Memory).collect();
        assert_eq!(memory.iter().map(|part| part.name.as_str()).collect::<Vec<_>>(), ["memory-1", "memory-2"]);
        assert!(memory.iter().all(|part| part.data == "memory" && part.settings[env::RATE_LIMIT_INSTANCES] == "2"));
        let orchestrator = topology.part("orchestrator").unwrap();
        let edges: Vec<&str> = orchestrator.edges.iter().map(|edge| edge.to.as_str()).collect();
        assert_eq!(edges, ["redis", "memory-1", "memory-2", "guardrails", "patterns"]);
    }

    #[test]
    fn a_tap_is_on_every_edge_between_two_services() {
        let topology =
            Topology::full().instances(Service::Patterns, 2).with_tap(Service::Orchestrator, Service::Patterns);
        let orchestrator = topology.part("orchestrator").unwrap();
        for edge in &orchestrator.edges {
            let expected = if edge.to.starts_with("patterns") { EdgeMode::Tapped } else { EdgeMode::Direct };
            assert_eq!(edge.mode, expected, "{}", edge.to);
        }
    }
}
