//! Finds every problem of a topology before anything starts.

use super::{EdgeMode, PartKind, Topology};
use std::collections::HashSet;

impl Topology {
    /// Returns one line for each problem.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut names = HashSet::new();
        for part in &self.parts {
            if !names.insert(part.name.as_str()) {
                problems.push(format!("two parts are called `{}`", part.name));
            }
            for edge in &part.edges {
                match self.part(&edge.to) {
                    None => problems.push(format!("`{}` calls `{}`, which is not a part", part.name, edge.to)),
                    Some(target) if !target.kind.serves_clients() && edge.mode == EdgeMode::Tapped => {
                        let what = target.kind.title();
                        problems
                            .push(format!("`{}` to `{}` cannot be tapped: {what} speaks no HTTP", part.name, edge.to));
                    }
                    Some(_) => {}
                }
            }
            if !part.kind.serves_clients() && !part.lies.is_empty() {
                problems.push(format!("{} cannot lie; add the lie to a service", part.kind.title()));
            }
            if part.kind == PartKind::Target && !part.lies.is_empty() {
                problems.push("a target cannot lie on demand; add the lie to a service of this product".to_owned());
            }
            if !part.kind.serves_clients() && !part.entrance.is_direct() {
                let what = part.kind.title();
                problems.push(format!("clients do not call {what}, so there cannot be a proxy between them"));
            }
        }
        if problems.is_empty() && self.is_circular() {
            problems.push("the parts call each other in a circle, so none can start first".to_owned());
        }
        problems
    }

    /// Returns the features that only the process backend supports, one line each.
    pub fn needs_processes(&self) -> Vec<String> {
        let liars = self.parts.iter().filter(|part| !part.lies.is_empty());
        let liars = liars.map(|part| format!("`{}` has a liar in front of it", part.name));
        let secured = self.parts.iter().filter(|part| part.tls);
        let secured = secured.map(|part| format!("`{}` serves TLS", part.name));
        let servers = self.parts.iter().filter(|part| part.kind == PartKind::Postgres);
        let servers = servers.map(|part| format!("`{}` is a server of the packages of this machine", part.name));
        liars.chain(secured).chain(servers).collect()
    }

    /// Returns the features that need a stack which the harness starts, one line each.
    pub fn needs_own_stack(&self) -> Vec<String> {
        // Entrances are not checked: a proxy between the clients and a part runs in this process, in front of any
        // stack.
        let mut needs = self.needs_processes();
        for part in &self.parts {
            for edge in &part.edges {
                let what = match edge.mode {
                    EdgeMode::Direct => continue,
                    EdgeMode::Proxied => "goes through a proxy",
                    EdgeMode::Tapped => "is tapped",
                };
                needs.push(format!("the edge from `{}` to `{}` {what}", part.name, edge.to));
            }
        }
        needs
    }

    fn is_circular(&self) -> bool {
        // `waves` puts the parts of a circle into the last wave. In every other wave no part calls another.
        let waves = self.waves();
        let last = waves.last().map(Vec::as_slice).unwrap_or_default();
        last.iter().any(|part| part.edges.iter().any(|edge| last.iter().any(|other| other.name == edge.to)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Edge, EdgeMode, Topology};
    use mcp_contracts::Service;

    #[test]
    fn all_problems_are_reported_together() {
        let mut topology = Topology::full();
        topology.parts.push(topology.parts[1].clone());
        topology.parts[2].edges.push(Edge { to: "mail".to_owned(), mode: EdgeMode::Direct });
        topology.parts[3].edges[0].mode = EdgeMode::Tapped;
        topology.parts[0].lies.push("ready-always".to_owned());
        topology.parts[0].entrance = EdgeMode::Proxied;
        let problems = topology.problems().join("\n");
        for expected in [
            "two parts are called `memory`",
            "`mail`, which is not a part",
            "Redis speaks no HTTP",
            "cannot lie",
            "clients do not call Redis",
        ] {
            assert!(problems.contains(expected), "{expected} is missing in {problems}");
        }
    }

    #[test]
    fn a_circle_is_refused_and_built_in_topologies_are_accepted() {
        let mut topology = Topology::full();
        topology.parts[1].edges.push(Edge { to: "orchestrator".to_owned(), mode: EdgeMode::Direct });
        assert!(topology.problems()[0].contains("circle"));
        for valid in [Topology::full(), Topology::memory(), Topology::full().instances(Service::Orchestrator, 2)] {
            assert_eq!(valid.problems(), Vec::<String>::new());
        }
    }
}
