//! What is wrong with a fault before anything starts: a part or a way that is not there, or a kind that the backend cannot do.

use super::FaultKind;
use super::{disk_full, file_changed, squeeze};
use crate::plan::Backend;
use crate::plan::data_file::nearest;
use crate::plan::topology::{CLIENT, Part, PartKind, Topology};
use mcp_contracts::{Service, env};

impl FaultKind {
    /// One line for each problem that this fault has with a stack, whatever machine it runs on.
    pub fn problems(&self, topology: &Topology, backend: &Backend) -> Vec<String> {
        let name = self.name();
        let mut problems = self.unknown(topology);
        let external = matches!(backend, Backend::External { .. });
        let docker = matches!(backend, Backend::Docker);
        match self {
            Self::Network { from, rule, .. } => {
                problems.extend(rule.check().err().map(|error| format!("`{name}`: {error}")));
                if from != CLIENT && external {
                    problems.push(format!(
                        "`{name}` acts between two parts, and `--backend {}` has no proxy there; use `--backend process`, or the way from \
                         `{CLIENT}`",
                        backend.name()
                    ));
                }
            }
            Self::DatabaseLocked { .. } if docker => problems.push(format!(
                "`{name}` locks a file of this machine, which `--backend docker` keeps in a container; use `--backend process`"
            )),
            Self::Kill { .. }
            | Self::Stop { .. }
            | Self::Pause { .. }
            | Self::Restart { .. }
            | Self::Redis { .. }
            | Self::DiskFull { .. }
            | Self::DatabaseLocked { .. }
            | Self::FileChanged { .. }
            | Self::CpuSqueeze { .. }
            | Self::MemorySqueeze { .. } => {
                if external {
                    problems.push(format!("`{name}` needs a stack that the harness started; use `--backend process`"));
                }
            }
        }
        problems.extend(self.out_of_range());
        problems
    }

    /// What this machine cannot do, and why.
    pub fn impossible_here(&self, backend: &Backend) -> Option<String> {
        match self {
            Self::CpuSqueeze { .. } if matches!(backend, Backend::Process) => squeeze::impossible(squeeze::CPU),
            Self::MemorySqueeze { .. } if matches!(backend, Backend::Process) => squeeze::impossible(squeeze::MEMORY),
            // In its container a service is somebody else.
            Self::DiskFull { .. } if matches!(backend, Backend::Docker) => disk_full::impossible_for_another_user(),
            Self::Kill { .. }
            | Self::Stop { .. }
            | Self::Pause { .. }
            | Self::Restart { .. }
            | Self::Network { .. }
            | Self::Redis { .. }
            | Self::DiskFull { .. }
            | Self::DatabaseLocked { .. }
            | Self::FileChanged { .. }
            | Self::CpuSqueeze { .. }
            | Self::MemorySqueeze { .. } => None,
        }
        .map(|why| format!("`{}` is not possible on this machine: {why}", self.name()))
    }

    fn unknown(&self, topology: &Topology) -> Vec<String> {
        match self {
            Self::Kill { part }
            | Self::Stop { part }
            | Self::Pause { part }
            | Self::Restart { part }
            | Self::CpuSqueeze { part, .. }
            | Self::MemorySqueeze { part, .. } => unknown_part(topology, part).into_iter().collect(),
            Self::DiskFull { part } | Self::DatabaseLocked { part } => match topology.part(part) {
                None => unknown_part(topology, part).into_iter().collect(),
                Some(found) => no_database(found).into_iter().collect(),
            },
            Self::Redis { .. } if topology.parts.iter().any(|part| part.kind == PartKind::Redis) => Vec::new(),
            Self::Redis { .. } => vec![format!("`{}` needs a Redis, and this stack has none", self.name())],
            Self::Network { from, to, .. } => unknown_way(topology, from, to),
            Self::FileChanged { service, file, .. } => {
                let missing = match service {
                    Service::Guardrails | Service::Patterns => topology
                        .of(*service)
                        .next()
                        .is_none()
                        .then(|| format!("there is no `{}` in this stack", service.name())),
                    Service::Memory | Service::Orchestrator => Some(format!(
                        "`{}` reads no files that can change; `guardrails` and `patterns` do",
                        service.name()
                    )),
                };
                missing.into_iter().chain(file_changed::bad_name(file)).collect()
            }
        }
    }

    fn out_of_range(&self) -> Option<String> {
        match self {
            Self::CpuSqueeze { percent, .. } => {
                (!squeeze::PERCENT.contains(percent)).then(|| range(percent, "percent", &squeeze::PERCENT))
            }
            Self::MemorySqueeze { mebibytes, .. } => {
                (!squeeze::MEBIBYTES.contains(mebibytes)).then(|| range(mebibytes, "mebibytes", &squeeze::MEBIBYTES))
            }
            Self::Kill { .. }
            | Self::Stop { .. }
            | Self::Pause { .. }
            | Self::Restart { .. }
            | Self::Network { .. }
            | Self::Redis { .. }
            | Self::DiskFull { .. }
            | Self::DatabaseLocked { .. }
            | Self::FileChanged { .. } => None,
        }
    }
}

fn range(value: &u32, key: &str, allowed: &std::ops::RangeInclusive<u32>) -> String {
    format!("`{key} = {value}` is out of range: {} to {}", allowed.start(), allowed.end())
}

fn unknown_part(topology: &Topology, part: &str) -> Option<String> {
    if topology.part(part).is_some() {
        return None;
    }
    let known: Vec<&str> = topology.parts.iter().map(|part| part.name.as_str()).collect();
    Some(format!("there is no part `{part}` in this stack{}", suggestion(part, &known)))
}

fn unknown_way(topology: &Topology, from: &str, to: &str) -> Vec<String> {
    if topology.way(from, to).is_some() {
        return Vec::new();
    }
    let known: Vec<String> = topology.every_way().into_iter().map(|(from, to)| format!("{from} to {to}")).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    vec![format!(
        "there is no way from `{from}` to `{to}` in this stack{}",
        suggestion(&format!("{from} to {to}"), &known)
    )]
}

fn suggestion(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => format!("; it has `{}`", known.join("`, `")),
    }
}

fn no_database(part: &Part) -> Option<String> {
    match part.kind {
        PartKind::Redis => {
            Some("Redis keeps nothing on the disk here, so that a disk is not what it can lack".to_owned())
        }
        PartKind::Service(_) => {
            let elsewhere = part.settings.get(env::DATABASE_URL).filter(|url| !url.starts_with("sqlite://"));
            elsewhere.map(|_| format!("`{}` keeps its data in no file of its own", part.name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Backend, FaultKind, Service, Topology};
    use crate::fault::RedisState;
    use chaos_proxy::toxic::{Bandwidth, Hang};
    use chaos_proxy::{Rule, Toxic};
    use std::collections::BTreeMap;

    fn way(from: &str, to: &str) -> FaultKind {
        FaultKind::Network { from: from.to_owned(), to: to.to_owned(), rule: Rule::new(Toxic::Hang(Hang {})) }
    }

    fn only(problems: &[String], expected: &str) {
        assert!(problems.len() == 1 && problems[0].contains(expected), "{expected}: {problems:?}");
    }

    #[test]
    fn names_that_are_not_there_are_told_with_the_nearest_that_is() {
        let full = Topology::full();
        let kill = FaultKind::Kill { part: "guardrail".to_owned() };
        only(&kill.problems(&full, &Backend::Process), "did you mean `guardrails`?");
        only(&way("memory", "rediss").problems(&full, &Backend::Process), "did you mean `memory to redis`?");
        only(&way("client", "redis").problems(&full, &Backend::Process), "no way from `client` to `redis`");
        let oom = FaultKind::Redis { state: RedisState::Oom };
        only(&oom.problems(&full.clone().without_redis(), &Backend::Process), "this stack has none");
        for sound in [way("client", "memory"), way("memory", "redis"), oom] {
            assert_eq!(sound.problems(&full, &Backend::Process), Vec::<String>::new());
        }
    }

    #[test]
    fn what_a_backend_cannot_do_is_told() {
        let full = Topology::full();
        let external = Backend::External { urls: BTreeMap::new() };
        only(&way("memory", "redis").problems(&full, &external), "no proxy there");
        assert!(way("memory", "redis").problems(&full, &Backend::Docker).is_empty());
        assert!(way("client", "memory").problems(&full, &external).is_empty());
        only(&FaultKind::Kill { part: "memory".to_owned() }.problems(&full, &external), "that the harness started");
        let lock = FaultKind::DatabaseLocked { part: "memory".to_owned() };
        only(&lock.problems(&full, &Backend::Docker), "in a container");
        only(
            &FaultKind::DiskFull { part: "redis".to_owned() }.problems(&full, &Backend::Process),
            "nothing on the disk",
        );
    }

    #[test]
    fn only_files_that_are_read_can_change() {
        let full = Topology::full();
        let change = |service, file: &str| FaultKind::FileChanged { service, file: file.to_owned(), text: None };
        let stricter = change(Service::Guardrails, "stricter.yaml");
        assert_eq!(stricter.problems(&full, &Backend::Docker), Vec::<String>::new());
        only(&stricter.problems(&Topology::memory(), &Backend::Process), "no `guardrails` in this stack");
        only(&change(Service::Memory, "a.yaml").problems(&full, &Backend::Process), "`memory` reads no files");
        only(&change(Service::Patterns, "../a.yaml").problems(&full, &Backend::Process), "a path inside its folder");
    }

    #[test]
    fn values_that_mean_nothing_are_told() {
        let full = Topology::full();
        let none = FaultKind::CpuSqueeze { part: "memory".to_owned(), percent: 0 };
        only(&none.problems(&full, &Backend::Process), "`percent = 0` is out of range");
        let rule = Rule::new(Toxic::Bandwidth(Bandwidth { bytes_per_second: 0 }));
        let slow = FaultKind::Network { from: "memory".to_owned(), to: "redis".to_owned(), rule };
        only(&slow.problems(&full, &Backend::Process), "bandwidth");
    }
}
