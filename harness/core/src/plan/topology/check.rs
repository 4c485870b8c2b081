//! What is wrong with a topology before anything starts; all of it.

use super::{EdgeMode, PartKind, Topology};
use std::collections::HashSet;

impl Topology {
    /// One line for each problem.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut names = HashSet::new();
        for part in &self.parts {
            if !names.insert(part.name.as_str()) {
                problems.push(format!("two parts are called `{}`", part.name));
            }
            for edge in &part.edges {
                match self.part(&edge.to) {
                    None => problems.push(format!("`{}` talks to `{}`, which is no part", part.name, edge.to)),
                    Some(target) if target.kind == PartKind::Redis && edge.mode == EdgeMode::Tapped => {
                        problems
                            .push(format!("`{}` to `{}` cannot be tapped: Redis speaks no HTTP", part.name, edge.to));
                    }
                    Some(_) => {}
                }
            }
            if part.kind == PartKind::Redis && !part.lies.is_empty() {
                problems.push("Redis cannot lie; give the lie to a service".to_owned());
            }
            if part.kind == PartKind::Redis && !part.entrance.is_direct() {
                problems.push("there is no way from callers to Redis, so that nothing can be on it".to_owned());
            }
        }
        if problems.is_empty() && self.is_circular() {
            problems.push("the parts need each other in a circle, so that none can start first".to_owned());
        }
        problems
    }

    /// What only processes of this machine can do; one line for each.
    pub fn needs_processes(&self) -> Vec<String> {
        let liars = self.parts.iter().filter(|part| !part.lies.is_empty());
        liars.map(|part| format!("`{}` lies", part.name)).collect()
    }

    /// What only a stack can do that the harness starts; one line for each.
    pub fn needs_own_stack(&self) -> Vec<String> {
        let mut needs = self.needs_processes();
        for part in &self.parts {
            for edge in &part.edges {
                let what = match edge.mode {
                    EdgeMode::Direct => continue,
                    EdgeMode::Proxied => "goes through a proxy",
                    EdgeMode::Tapped => "is tapped",
                };
                needs.push(format!("the way from `{}` to `{}` {what}", part.name, edge.to));
            }
        }
        needs
    }

    fn is_circular(&self) -> bool {
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
    fn what_cannot_run_is_told_as_a_whole() {
        let mut topology = Topology::full();
        topology.parts.push(topology.parts[1].clone());
        topology.parts[2].edges.push(Edge { to: "mail".to_owned(), mode: EdgeMode::Direct });
        topology.parts[3].edges[0].mode = EdgeMode::Tapped;
        topology.parts[0].lies.push("ready-always".to_owned());
        topology.parts[0].entrance = EdgeMode::Proxied;
        let problems = topology.problems().join("\n");
        for expected in [
            "two parts are called `memory`",
            "`mail`, which is no part",
            "Redis speaks no HTTP",
            "cannot lie",
            "from callers to Redis",
        ] {
            assert!(problems.contains(expected), "{expected} is missing in {problems}");
        }
    }

    #[test]
    fn a_circle_is_refused_and_the_stacks_that_come_with_the_harness_are_not() {
        let mut topology = Topology::full();
        topology.parts[1].edges.push(Edge { to: "orchestrator".to_owned(), mode: EdgeMode::Direct });
        assert!(topology.problems()[0].contains("circle"));
        for sound in [Topology::full(), Topology::memory(), Topology::full().instances(Service::Orchestrator, 2)] {
            assert_eq!(sound.problems(), Vec::<String>::new());
        }
    }
}
