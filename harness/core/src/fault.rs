//! The faults that the harness can inject into a running stack. Each kind is one type in a file of its own; this file is the list of kinds.

mod active;
mod cpu_squeeze;
mod database_locked;
mod disk_full;
mod error;
mod file_changed;
mod injection;
mod injector;
mod kill;
mod kind;
mod memory_squeeze;
mod network;
mod pause;
mod problems;
mod recover;
mod redis;
mod restart;
mod squeeze;
mod stop;

pub use self::redis::{Redis, RedisState};
pub use active::{ActiveFault, Healed};
pub use cpu_squeeze::CpuSqueeze;
pub use database_locked::DatabaseLocked;
pub use disk_full::DiskFull;
pub use error::FaultError;
pub use file_changed::FileChanged;
pub use injector::Injector;
pub use kill::Kill;
pub use kind::CountedHits;
pub use memory_squeeze::MemorySqueeze;
pub use network::Network;
pub use pause::Pause;
pub use recover::{Recovered, has_pending_undo, recover};
pub use restart::Restart;
pub use stop::Stop;

use crate::plan::Backend;
use crate::plan::topology::{Limits, Part, Topology};
use kind::Fault;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A fault of an experiment, and when it is injected and healed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduledFault {
    pub fault: FaultKind,
    /// Time from the beginning of the fault phase to the first injection.
    pub after: Duration,
    /// Time from each injection to its heal.
    pub lasts: Duration,
    /// Number of injections, one after another.
    pub times: u32,
    /// Time from the start of one injection to the start of the next; not used if there is only one.
    pub every: Duration,
}

/// Every kind of fault. The serialized `kind` is the name of the variant; the other keys are the fields of its type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    Kill(Kill),
    Stop(Stop),
    Pause(Pause),
    Restart(Restart),
    Network(Network),
    Redis(Redis),
    DiskFull(DiskFull),
    DatabaseLocked(DatabaseLocked),
    FileChanged(FileChanged),
    CpuSqueeze(CpuSqueeze),
    MemorySqueeze(MemorySqueeze),
}

impl FaultKind {
    fn get(&self) -> &dyn Fault {
        match self {
            Self::Kill(fault) => fault,
            Self::Stop(fault) => fault,
            Self::Pause(fault) => fault,
            Self::Restart(fault) => fault,
            Self::Network(fault) => fault,
            Self::Redis(fault) => fault,
            Self::DiskFull(fault) => fault,
            Self::DatabaseLocked(fault) => fault,
            Self::FileChanged(fault) => fault,
            Self::CpuSqueeze(fault) => fault,
            Self::MemorySqueeze(fault) => fault,
        }
    }

    /// Returns the faults that keep a part within its limits.
    pub fn of_limits(part: &Part) -> Vec<Self> {
        let Some(Limits { cpu_percent, memory_mib }) = part.limits else { return Vec::new() };
        let name = || part.name.clone();
        vec![
            Self::MemorySqueeze(MemorySqueeze { part: name(), mebibytes: memory_mib }),
            Self::CpuSqueeze(CpuSqueeze { part: name(), percent: cpu_percent }),
        ]
    }

    /// Returns the kind as one word, such as `kill`, `latency` or `oom`.
    pub fn kind(&self) -> &'static str {
        self.get().kind()
    }

    /// Returns the name of a part, or an edge such as `memory to redis`.
    pub fn target(&self) -> String {
        self.get().target()
    }

    /// Returns the kind and the target, such as `kill redis` or `latency memory to redis`.
    pub fn name(&self) -> String {
        format!("{} {}", self.kind(), self.target())
    }

    /// Returns the parts that do not answer while the fault acts.
    pub fn parts(&self) -> Vec<&str> {
        self.get().unavailable_parts()
    }

    /// Returns both ends of the edge on which the fault needs a proxy; `None` if it needs none.
    pub fn edge(&self) -> Option<(&str, &str)> {
        self.get().edge()
    }

    /// Returns one line for each problem of the fault on this topology and backend. The result does not depend
    /// on the machine; [`Self::unavailable_on_machine`] does.
    pub fn problems(&self, topology: &Topology, backend: &Backend) -> Vec<String> {
        let mut problems = self.get().problems(topology);
        problems.extend(self.get().unsupported(backend).map(|why| format!("`{}` {why}", self.name())));
        problems
    }

    /// Returns why this machine cannot inject the fault although the backend can; `None` if it can.
    pub fn unavailable_on_machine(&self, backend: &Backend) -> Option<String> {
        let why = self.get().unavailable_on_machine(backend)?;
        Some(format!("`{}` is not possible on this machine: {why}", self.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chaos_proxy::toxic::{Bandwidth, Hang};
    use chaos_proxy::{Rule, Toxic};
    use mcp_contracts::Service;
    use std::collections::BTreeMap;

    fn kill(part: &str) -> FaultKind {
        FaultKind::Kill(Kill { part: part.to_owned() })
    }

    fn on_edge(from: &str, to: &str, toxic: Toxic) -> FaultKind {
        FaultKind::Network(Network { from: from.to_owned(), to: to.to_owned(), rule: Rule::new(toxic) })
    }

    fn edge(from: &str, to: &str) -> FaultKind {
        on_edge(from, to, Toxic::Hang(Hang {}))
    }

    fn only(problems: &[String], expected: &str) {
        assert!(problems.len() == 1 && problems[0].contains(expected), "{expected}: {problems:?}");
    }

    #[test]
    fn a_fault_is_named_by_its_kind_and_target() {
        assert_eq!((kill("redis").name().as_str(), kill("redis").parts()), ("kill redis", vec!["redis"]));
        let hang = edge("memory", "redis");
        assert_eq!((hang.kind(), hang.target().as_str(), hang.parts().len()), ("hang", "memory to redis", 0));
        assert_eq!(hang.edge(), Some(("memory", "redis")));
        assert_eq!(FaultKind::Redis(Redis { state: RedisState::Oom }).name(), "oom redis");
    }

    #[test]
    fn the_keys_of_a_kind_are_its_fields_and_no_others() {
        let read = |text: &str| serde_json::from_str::<FaultKind>(text);
        let text = r#"{"kind":"cpu_squeeze","part":"memory","percent":5}"#;
        let fault = read(text).unwrap();
        assert_eq!((serde_json::to_string(&fault).unwrap().as_str(), fault.kind()), (text, "cpu_squeeze"));
        let error = |text: &str| read(text).unwrap_err().to_string();
        assert!(error(r#"{"kind":"kill"}"#).contains("missing field `part`"));
        assert!(error(r#"{"kind":"kill","prat":"redis"}"#).contains("unknown field `prat`, expected `part`"));
        assert!(error(r#"{"kind":"kil","part":"redis"}"#).contains("unknown variant `kil`"));
    }

    #[test]
    fn an_unknown_name_is_reported_with_the_nearest_that_exists() {
        let full = Topology::full();
        only(&kill("guardrail").problems(&full, &Backend::Process), "did you mean `guardrails`?");
        only(&edge("memory", "rediss").problems(&full, &Backend::Process), "did you mean `memory to redis`?");
        only(&edge("client", "redis").problems(&full, &Backend::Process), "no edge from `client` to `redis`");
        let oom = FaultKind::Redis(Redis { state: RedisState::Oom });
        only(&oom.problems(&full.clone().without_redis(), &Backend::Process), "this stack has none");
        for sound in [edge("client", "memory"), edge("memory", "redis"), oom] {
            assert_eq!(sound.problems(&full, &Backend::Process), Vec::<String>::new());
        }
    }

    #[test]
    fn what_a_backend_cannot_do_is_reported() {
        let full = Topology::full();
        let external = Backend::External { urls: BTreeMap::new(), hosts: Vec::new() };
        only(&edge("memory", "redis").problems(&full, &external), "no proxy there");
        assert!(edge("memory", "redis").problems(&full, &Backend::Docker).is_empty());
        assert!(edge("client", "memory").problems(&full, &external).is_empty());
        only(&kill("memory").problems(&full, &external), "`kill memory` needs a stack that the harness started");
        let lock = FaultKind::DatabaseLocked(DatabaseLocked { part: "memory".to_owned() });
        only(&lock.problems(&full, &Backend::Docker), "in a container");
        only(&lock.problems(&full, &external), "that the harness started");
        let disk = FaultKind::DiskFull(DiskFull { part: "redis".to_owned() });
        only(&disk.problems(&full, &Backend::Process), "`disk_full` does not apply to Redis");
    }

    #[test]
    fn what_acts_on_a_file_or_on_one_process_is_refused_for_postgres() {
        let topology = Topology::memory().with_postgres();
        let lock = |part: &str| FaultKind::DatabaseLocked(DatabaseLocked { part: part.to_owned() });
        only(&lock("memory").problems(&topology, &Backend::Process), "it has no SQLite database");
        only(&lock("postgres").problems(&topology, &Backend::Process), "acts on a SQLite database");
        let squeeze = FaultKind::CpuSqueeze(CpuSqueeze { part: "postgres".to_owned(), percent: 5 });
        only(&squeeze.problems(&topology, &Backend::Process), "the server has several");
        for sound in [kill("postgres"), edge("memory", "postgres")] {
            assert_eq!(sound.problems(&topology, &Backend::Process), Vec::<String>::new());
        }
    }

    #[test]
    fn only_files_that_a_service_reads_can_change() {
        let full = Topology::full();
        let change =
            |service, file: &str| FaultKind::FileChanged(FileChanged { service, file: file.to_owned(), text: None });
        let stricter = change(Service::Guardrails, "stricter.yaml");
        assert_eq!(stricter.problems(&full, &Backend::Docker), Vec::<String>::new());
        only(&stricter.problems(&Topology::memory(), &Backend::Process), "no `guardrails` in this stack");
        only(&change(Service::Memory, "a.yaml").problems(&full, &Backend::Process), "`memory` reads no files");
        only(&change(Service::Patterns, "../a.yaml").problems(&full, &Backend::Process), "a path inside its folder");
    }

    #[test]
    fn limits_are_two_faults_of_each_service() {
        let limited = Topology::memory().with_limits(Limits { cpu_percent: 25, memory_mib: 512 });
        let names: Vec<String> =
            limited.parts.iter().flat_map(FaultKind::of_limits).map(|fault| fault.name()).collect();
        assert_eq!(names, ["memory_squeeze memory", "cpu_squeeze memory"]);
        let external = Backend::External { urls: BTreeMap::new(), hosts: Vec::new() };
        for limit in limited.parts.iter().flat_map(FaultKind::of_limits) {
            only(&limit.problems(&limited, &external), "needs a stack that the harness started");
        }
        assert!(Topology::full().parts.iter().flat_map(FaultKind::of_limits).next().is_none());
    }

    #[test]
    fn values_out_of_range_are_reported() {
        let full = Topology::full();
        let none = FaultKind::CpuSqueeze(CpuSqueeze { part: "memory".to_owned(), percent: 0 });
        only(&none.problems(&full, &Backend::Process), "`percent = 0` is out of range");
        let slow = on_edge("memory", "redis", Toxic::Bandwidth(Bandwidth { bytes_per_second: 0 }));
        only(&slow.problems(&full, &Backend::Process), "bandwidth");
    }
}
