//! The times in which the harness itself had taken every instance of a service away, so that nothing of it can have answered.

use crate::history::History;
use crate::op::{Effect, Op};
use std::collections::HashMap;

/// One such time.
pub(super) struct Outage<'a> {
    /// The service.
    pub(super) service: &'a str,
    /// Position where it went down.
    pub(super) since: u32,
    from_us: u64,
    until_us: u64,
}

impl Outage<'_> {
    /// Tells whether an operation lay completely within it.
    pub(super) fn covers(&self, op: &Op) -> bool {
        op.invoke_us >= self.from_us && op.complete_us <= self.until_us
    }
}

/// Every outage. What an experiment did may stand in the history after the calls it did it to, hence the order of time.
pub(super) fn outages(history: &History) -> Vec<Outage<'_>> {
    let changes = history.ops().iter().enumerate().filter_map(|(at, op)| match &op.effect {
        Effect::Outage { service, down } => Some((op, at as u32, &**service, *down)),
        _ => None,
    });
    let mut changes: Vec<(&Op, u32, &str, bool)> = changes.collect();
    changes.sort_by_key(|(op, at, _, _)| (op.invoke_us, *at));
    let mut down: HashMap<&str, (u32, u64)> = HashMap::new();
    let mut outages = Vec::new();
    for (op, at, service, is_down) in changes {
        if is_down {
            down.entry(service).or_insert((at, op.complete_us));
        } else if let Some((since, from_us)) = down.remove(service) {
            outages.push(Outage { service, since, from_us, until_us: op.invoke_us });
        }
    }
    let open = down.into_iter();
    outages.extend(open.map(|(service, (since, from_us))| Outage { service, since, from_us, until_us: u64::MAX }));
    outages
}
