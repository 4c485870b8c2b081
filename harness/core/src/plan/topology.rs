//! The parts of a stack and the edges between them: one value that drives every backend and the compose file. Knows no address.

mod check;
mod proxied;

use mcp_contracts::{Service, env};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the part that holds the quotas.
const REDIS: &str = "redis";
/// Where a way begins that callers use: they are no part.
pub const CLIENT: &str = "client";

/// What a stack consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// Parts in start order: a part comes after those it talks to.
    pub parts: Vec<Part>,
}

/// One process or container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Unique name, which is part of its host name on a container network.
    pub name: String,
    /// What it is.
    pub kind: PartKind,
    /// Environment beyond what the backend decides (addresses, data folders, the secret).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// The parts it talks to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<Edge>,
    /// Name of its data; parts with the same name share it.
    pub data: String,
    /// Lies of the broken service that stands before it, for tests of the scenarios themselves; none: nobody stands there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lies: Vec<String>,
    /// So many milliseconds longer a proxy before it makes every call of callers, for tests of the gate itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_ms: Option<u64>,
    /// What is on the way from callers to it.
    #[serde(default, skip_serializing_if = "EdgeMode::is_direct")]
    pub entrance: EdgeMode,
    /// Its port on loopback; none: one that nobody else has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
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

/// The way from one part to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Name of the part at its end.
    pub to: String,
    /// What is on the way.
    pub mode: EdgeMode,
}

/// What is on the way from one part to another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeMode {
    /// Nothing.
    #[default]
    Direct,
    /// A proxy that passes every byte until it is told otherwise.
    Proxied,
    /// The same, which also tells which HTTP exchanges it saw.
    Tapped,
}

impl EdgeMode {
    /// Tells whether nothing is on the way.
    pub const fn is_direct(&self) -> bool {
        matches!(self, Self::Direct)
    }
}

impl Topology {
    /// Memory and Redis: what `harness load memory` needs.
    pub fn memory() -> Self {
        Self { parts: vec![Part::redis(), Part::of(Service::Memory)] }
    }

    /// All four services and Redis.
    pub fn full() -> Self {
        let services = Service::ALL.map(Part::of);
        Self { parts: std::iter::once(Part::redis()).chain(services).collect() }
    }

    /// What it takes to drive one service: the small stack for memory, all of it for the others, with quotas that do not limit it.
    pub fn for_load(service: Service) -> Self {
        match service {
            Service::Memory => Self::memory().under_load(),
            Service::Guardrails | Service::Patterns | Service::Orchestrator => Self::full().under_load(),
        }
    }

    /// The same without Redis: every service counts for itself.
    #[must_use]
    pub fn without_redis(mut self) -> Self {
        self.parts.retain(|part| part.kind != PartKind::Redis);
        self.parts.iter_mut().for_each(|part| part.edges.retain(|edge| edge.to != REDIS));
        self
    }

    /// The same with so many instances of a service: `memory-1`, `memory-2` and so on, which share its data.
    #[must_use]
    pub fn instances(mut self, service: Service, count: u32) -> Self {
        let names: Vec<String> = (1..=count).map(|number| format!("{}-{number}", service.name())).collect();
        let is_it = |part: &Part| part.kind == PartKind::Service(service);
        let Some(at) = self.parts.iter().position(is_it) else { return self };
        let mut model = self.parts[at].clone();
        model.settings.insert(env::RATE_LIMIT_INSTANCES.to_owned(), count.to_string());
        self.parts.retain(|part| !is_it(part));
        let instances = names.iter().map(|name| Part { name: name.clone(), ..model.clone() });
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

    /// The same with a setting of one service, on all its instances.
    #[must_use]
    pub fn setting(mut self, service: Service, name: &str, value: impl ToString) -> Self {
        for part in self.parts.iter_mut().filter(|part| part.kind == PartKind::Service(service)) {
            part.settings.insert(name.to_owned(), value.to_string());
        }
        self
    }

    /// The same with a service at a port that is known before.
    #[must_use]
    pub fn at(mut self, service: Service, port: u16) -> Self {
        for part in self.parts.iter_mut().filter(|part| part.kind == PartKind::Service(service)) {
            part.port = Some(port);
        }
        self
    }

    /// The same with a setting of every service.
    #[must_use]
    pub fn everywhere(self, name: &str, value: impl ToString) -> Self {
        let value = value.to_string();
        Service::ALL.into_iter().fold(self, |topology, service| topology.setting(service, name, &value))
    }

    /// The same with quotas so high that the load measures the services and not the limits of a plan.
    #[must_use]
    pub fn under_load(self) -> Self {
        self.everywhere(env::QUOTA_ENTERPRISE_DAILY, 1_000_000_000).everywhere(env::QUOTA_BURST_PER_SECOND, 1_000_000)
    }

    /// The same with a tap on every way from one service to another.
    #[must_use]
    pub fn tapped(mut self, from: Service, to: Service) -> Self {
        let targets: Vec<String> = self.of(to).map(|part| part.name.clone()).collect();
        for part in self.parts.iter_mut().filter(|part| part.kind == PartKind::Service(from)) {
            let edges = part.edges.iter_mut().filter(|edge| targets.contains(&edge.to));
            edges.for_each(|edge| edge.mode = EdgeMode::Tapped);
        }
        self
    }

    /// The same with a broken service before a service: one lie for each call.
    #[must_use]
    pub fn lying(mut self, service: Service, lie: &str) -> Self {
        let parts = self.parts.iter_mut().filter(|part| part.kind == PartKind::Service(service));
        parts.for_each(|part| part.lies.push(lie.to_owned()));
        self
    }

    /// The same with a proxy before a service that makes every call of callers so much longer.
    #[must_use]
    pub fn slowed(mut self, service: Service, by: std::time::Duration) -> Self {
        for part in self.parts.iter_mut().filter(|part| part.kind == PartKind::Service(service)) {
            part.slow_ms = u64::try_from(by.as_millis()).ok();
            if part.entrance.is_direct() {
                part.entrance = EdgeMode::Proxied;
            }
        }
        self
    }

    /// The parts of a service, in order.
    pub fn of(&self, service: Service) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| part.kind == PartKind::Service(service))
    }

    /// The services in it, each once.
    pub fn services(&self) -> Vec<Service> {
        let there = |service: &Service| self.of(*service).next().is_some();
        Service::ALL.into_iter().filter(there).collect()
    }

    /// A part by its name.
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// Names of the parts in waves: those of a wave need only those of the waves before, so that they can start at once.
    pub fn waves(&self) -> Vec<Vec<&Part>> {
        let mut left: Vec<&Part> = self.parts.iter().collect();
        let mut waves = Vec::new();
        while !left.is_empty() {
            let waits = |part: &&Part| part.edges.iter().any(|edge| left.iter().any(|other| other.name == edge.to));
            let (later, now): (Vec<&Part>, Vec<&Part>) = left.iter().copied().partition(waits);
            if now.is_empty() {
                // A circle, which no plan lets through: started together, they find each other.
                waves.push(later);
                break;
            }
            waves.push(now);
            left = later;
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
            entrance: EdgeMode::Direct,
            port: None,
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
            edges: std::iter::once(edge(REDIS)).chain(peers.iter().map(|peer| edge(peer.name()))).collect(),
            data: service.name().to_owned(),
            ..Self::redis()
        }
    }
}

impl PartKind {
    /// The service, if it is one.
    pub const fn service(self) -> Option<Service> {
        match self {
            Self::Service(service) => Some(service),
            Self::Redis => None,
        }
    }
}

/// The variable that tells a service where a peer is.
pub const fn peer_variable(kind: PartKind) -> Option<&'static str> {
    match kind {
        PartKind::Redis => Some(env::REDIS_URL),
        PartKind::Service(Service::Orchestrator) => None,
        PartKind::Service(service) => Some(client_variable(service)),
    }
}

/// The variable that tells a client where a service is.
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
    fn parts_start_in_waves_after_what_they_need() {
        let full = Topology::full();
        let waves: Vec<Vec<String>> = full.waves().iter().map(|wave| names(wave)).collect();
        assert_eq!(waves, [vec!["redis"], vec!["memory", "guardrails", "patterns"], vec!["orchestrator"]]);
        let alone = Topology::full().without_redis();
        assert_eq!(alone.waves().len(), 2);
    }

    #[test]
    fn instances_share_data_and_everybody_who_needs_the_service_knows_them_all() {
        let topology = Topology::full().instances(Service::Memory, 2);
        let memory: Vec<_> = topology.of(Service::Memory).collect();
        assert_eq!(memory.iter().map(|part| part.name.as_str()).collect::<Vec<_>>(), ["memory-1", "memory-2"]);
        assert!(memory.iter().all(|part| part.data == "memory" && part.settings[env::RATE_LIMIT_INSTANCES] == "2"));
        let orchestrator = topology.part("orchestrator").unwrap();
        let edges: Vec<&str> = orchestrator.edges.iter().map(|edge| edge.to.as_str()).collect();
        assert_eq!(edges, ["redis", "memory-1", "memory-2", "guardrails", "patterns"]);
    }

    #[test]
    fn a_tap_is_on_every_way_between_two_services() {
        let topology =
            Topology::full().instances(Service::Patterns, 2).tapped(Service::Orchestrator, Service::Patterns);
        let orchestrator = topology.part("orchestrator").unwrap();
        for edge in &orchestrator.edges {
            let expected = if edge.to.starts_with("patterns") { EdgeMode::Tapped } else { EdgeMode::Direct };
            assert_eq!(edge.mode, expected, "{}", edge.to);
        }
    }
}
