//! Edges that go through a proxy, so that a fault can change their traffic while the stack is running. All other edges
//! are direct, because a proxy costs time.

use super::{CLIENT, EdgeMode, Part, Topology};

impl Topology {
    /// Puts a proxy on the edge from one part to another, or from the clients ([`CLIENT`]) to a part. A tapped edge already has one. An edge that
    /// does not exist is ignored.
    #[must_use]
    pub fn proxied(mut self, from: &str, to: &str) -> Self {
        let modes = self.parts.iter_mut().flat_map(|part| edge_of(part, from, to));
        modes.filter(|mode| mode.is_direct()).for_each(|mode| *mode = EdgeMode::Proxied);
        self
    }

    /// Returns the mode of the edge from one part to another, or from the clients ([`CLIENT`]) to a part; `None` if
    /// there is no such edge.
    pub fn edge_mode(&self, from: &str, to: &str) -> Option<EdgeMode> {
        if from == CLIENT {
            return self.part(to).filter(|part| part.kind.serves_clients()).map(|part| part.entrance);
        }
        self.part(from)?.edges.iter().find(|edge| edge.to == to).map(|edge| edge.mode)
    }

    /// Returns both ends of every edge, first of those from the clients.
    pub fn every_edge(&self) -> Vec<(String, String)> {
        let services = self.parts.iter().filter(|part| part.kind.serves_clients());
        let entrances = services.map(|part| (CLIENT.to_owned(), part.name.clone()));
        let edges =
            self.parts.iter().flat_map(|part| part.edges.iter().map(|edge| (part.name.clone(), edge.to.clone())));
        entrances.chain(edges).collect()
    }
}

fn edge_of<'a>(part: &'a mut Part, from: &str, to: &str) -> Option<&'a mut EdgeMode> {
    if from == CLIENT {
        return (part.name == to && part.kind.serves_clients()).then_some(&mut part.entrance);
    }
    if part.name != from {
        return None;
    }
    part.edges.iter_mut().find(|edge| edge.to == to).map(|edge| &mut edge.mode)
}

#[cfg(test)]
mod tests {
    use super::{CLIENT, EdgeMode, Topology};
    use mcp_contracts::Service;

    #[test]
    fn a_proxy_is_on_the_named_edge_only() {
        let topology = Topology::full().proxied("orchestrator", "memory").proxied(CLIENT, "memory");
        for (from, to) in topology.every_edge() {
            let named = to == "memory" && (from == "orchestrator" || from == CLIENT);
            let expected = if named { EdgeMode::Proxied } else { EdgeMode::Direct };
            assert_eq!(topology.edge_mode(&from, &to), Some(expected), "{from} to {to}");
        }
        assert_eq!(topology.every_edge().len(), 11);
    }

    #[test]
    fn a_tap_stays_and_no_edge_is_added() {
        let tapped = Topology::full().with_tap(Service::Orchestrator, Service::Memory);
        assert_eq!(tapped.clone().proxied("orchestrator", "memory"), tapped);
        assert_eq!(Topology::full().proxied(CLIENT, "redis").proxied("memory", "patterns"), Topology::full());
        assert_eq!(Topology::full().edge_mode(CLIENT, "redis"), None);
        assert_eq!(Topology::full().proxied("memory", "redis").edge_mode("memory", "redis"), Some(EdgeMode::Proxied));
    }

    #[test]
    fn plans_without_entrances_can_be_read() {
        let text = serde_json::to_string(&Topology::full()).unwrap();
        assert!(!text.contains("entrance"));
        assert_eq!(serde_json::from_str::<Topology>(&text).unwrap(), Topology::full());
    }
}
