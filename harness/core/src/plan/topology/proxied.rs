//! Ways that go through a proxy, so that something can be done on them while the stack runs; the others stay direct.

use super::{CLIENT, EdgeMode, Part, PartKind, Topology};

impl Topology {
    /// The same with a proxy on the way from one part to another, or from callers (`client`) to a part. A way that is tapped has one
    /// already; a way that is not there stays away.
    #[must_use]
    pub fn proxied(mut self, from: &str, to: &str) -> Self {
        let modes = self.parts.iter_mut().flat_map(|part| way_of(part, from, to));
        modes.filter(|mode| mode.is_direct()).for_each(|mode| *mode = EdgeMode::Proxied);
        self
    }

    /// What is on the way from one part to another, or from callers (`client`) to a part; `None` where there is no such way.
    pub fn way(&self, from: &str, to: &str) -> Option<EdgeMode> {
        if from == CLIENT {
            return self.part(to).filter(|part| part.kind != PartKind::Redis).map(|part| part.entrance);
        }
        self.part(from)?.edges.iter().find(|edge| edge.to == to).map(|edge| edge.mode)
    }

    /// Every way, as from and to; those of callers first.
    pub fn every_way(&self) -> Vec<(String, String)> {
        let entered = self.parts.iter().filter(|part| part.kind != PartKind::Redis);
        let entrances = entered.map(|part| (CLIENT.to_owned(), part.name.clone()));
        let edges =
            self.parts.iter().flat_map(|part| part.edges.iter().map(|edge| (part.name.clone(), edge.to.clone())));
        entrances.chain(edges).collect()
    }
}

fn way_of<'a>(part: &'a mut Part, from: &str, to: &str) -> Option<&'a mut EdgeMode> {
    if from == CLIENT {
        return (part.name == to && part.kind != PartKind::Redis).then_some(&mut part.entrance);
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
    fn a_proxy_is_on_the_way_that_was_named_and_on_no_other() {
        let topology = Topology::full().proxied("orchestrator", "memory").proxied(CLIENT, "memory");
        for (from, to) in topology.every_way() {
            let named = to == "memory" && (from == "orchestrator" || from == CLIENT);
            let expected = if named { EdgeMode::Proxied } else { EdgeMode::Direct };
            assert_eq!(topology.way(&from, &to), Some(expected), "{from} to {to}");
        }
        assert_eq!(topology.every_way().len(), 11);
    }

    #[test]
    fn a_tap_stays_and_a_way_that_is_not_there_stays_away() {
        let tapped = Topology::full().tapped(Service::Orchestrator, Service::Memory);
        assert_eq!(tapped.clone().proxied("orchestrator", "memory"), tapped);
        assert_eq!(Topology::full().proxied(CLIENT, "redis").proxied("memory", "patterns"), Topology::full());
        assert_eq!(Topology::full().way(CLIENT, "redis"), None);
        assert_eq!(Topology::full().proxied("memory", "redis").way("memory", "redis"), Some(EdgeMode::Proxied));
    }

    #[test]
    fn plans_from_before_there_were_entrances_are_read() {
        let text = serde_json::to_string(&Topology::full()).unwrap();
        assert!(!text.contains("entrance"));
        assert_eq!(serde_json::from_str::<Topology>(&text).unwrap(), Topology::full());
    }
}
