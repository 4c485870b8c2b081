//! The outages that the harness caused: spans in which every instance of a service was unavailable, so that the service cannot have answered.

use crate::history::History;
use crate::view::{EffectRef, OpRef};
use std::collections::HashMap;

/// One outage.
pub(crate) struct Outage<'a> {
    /// The service.
    pub(crate) service: &'a str,
    /// Position of the operation that began the outage.
    pub(crate) since: u32,
    from_us: u64,
    until_us: u64,
}

impl Outage<'_> {
    /// Returns true if an operation lies completely within the outage.
    pub(crate) fn covers(&self, op: OpRef<'_>) -> bool {
        op.invoke_us() >= self.from_us && op.complete_us() <= self.until_us
    }
}

/// Returns every outage. An experiment may record an outage later than the calls during it, so the changes are sorted by time.
pub(crate) fn outages(history: &History) -> Vec<Outage<'_>> {
    let changes = history.numbered().filter_map(|(at, op)| match op.effect() {
        EffectRef::Outage { service, down } => Some((op, at, service, down)),
        _ => None,
    });
    let mut changes: Vec<(OpRef<'_>, u32, &str, bool)> = changes.collect();
    changes.sort_by_key(|(op, at, _, _)| (op.invoke_us(), *at));
    let mut down: HashMap<&str, (u32, u64)> = HashMap::new();
    let mut outages = Vec::new();
    for (op, at, service, is_down) in changes {
        if is_down {
            down.entry(service).or_insert((at, op.complete_us()));
        } else if let Some((since, from_us)) = down.remove(service) {
            outages.push(Outage { service, since, from_us, until_us: op.invoke_us() });
        }
    }
    let open = down.into_iter();
    outages.extend(open.map(|(service, (since, from_us))| Outage { service, since, from_us, until_us: u64::MAX }));
    outages
}
