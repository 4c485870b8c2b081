//! The open files of the harness. Every connection of a user is one, and a load that runs out of them would fail its calls before the service sees
//! them.

use super::experiment::Load;
use crate::drive::traffic::operations::service_of;
use crate::plan::workload::Workload;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::collections::{BTreeMap, BTreeSet};

/// Open files beside the connections of users: the files of the record, pipes, the runtime, and probes.
const BASE: u64 = 128;
/// Open files of a connection that goes through the fault proxy: one of the user, two of the proxy.
const PROXIED: u64 = 3;

/// Raises the soft limit of open files to the hard one, for this process and those that it starts. Failing to do so is not an error: a plan
/// compares what it needs with the limit that is in force.
pub fn raise() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Returns the number of open files that a load needs: each user keeps one connection to each service that it calls.
pub fn of_load(workload: &Workload) -> u64 {
    BASE + u64::from(workload.all_users()) * services(&workload.mix)
}

pub(super) fn of_experiment(load: &Load) -> u64 {
    BASE + u64::from(load.users) * services(&load.mix) * PROXIED
}

fn services(mix: &BTreeMap<String, u32>) -> u64 {
    let called = mix.iter().filter(|(_, weight)| **weight > 0).filter_map(|(name, _)| service_of(name));
    called.collect::<BTreeSet<_>>().len().max(1) as u64
}

/// Returns the reason why the limit of this process is too low, if it is.
pub(super) fn problem(needed: u64) -> Option<String> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    too_low(needed, soft.max(hard))
}

fn too_low(needed: u64, limit: u64) -> Option<String> {
    (needed > limit).then(|| {
        format!("it needs {needed} open files, but the limit is {limit}; raise it with `ulimit -n {needed}`, or use fewer users")
    })
}

#[cfg(test)]
mod tests {
    use super::{BASE, Resource, getrlimit, raise, services, too_low};
    use std::collections::BTreeMap;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        raise();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
    }

    #[test]
    fn a_limit_below_the_need_is_reported_with_both_numbers() {
        assert_eq!(too_low(64, 64), None);
        let why = too_low(BASE + 100, 64).unwrap();
        assert!(why.contains("228 open files") && why.contains("limit is 64") && why.contains("ulimit"), "{why}");
        let mix = [("store_memory", 1), ("get_memory", 3), ("run_workflow", 2), ("select_pattern", 0)];
        let mix: BTreeMap<_, _> = mix.map(|(name, weight)| (name.to_owned(), weight)).into();
        assert_eq!(services(&mix), 2);
    }
}
