//! `memory_squeeze`: the memory of a part is limited. The system ends a part that needs more.

use super::injection::Injection;
use super::kind::{Fault, FaultResources, Step};
use super::problems::{out_of_range, several_processes, unknown_part};
use super::squeeze::{Limit, MEMORY, no_groups, squeeze};
use crate::plan::Backend;
use crate::plan::topology::Topology;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// From 1 MiB to 1 TiB.
const MEBIBYTES: RangeInclusive<u32> = 1..=1 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemorySqueeze {
    pub part: String,
    pub mebibytes: u32,
}

impl Fault for MemorySqueeze {
    fn kind(&self) -> &'static str {
        "memory_squeeze"
    }

    fn target(&self) -> String {
        self.part.clone()
    }

    fn problems(&self, topology: &Topology) -> Vec<String> {
        let mut problems = unknown_part(topology, &self.part);
        problems.extend(several_processes(topology, &self.part, self.kind()));
        problems.extend(out_of_range("mebibytes", self.mebibytes, &MEBIBYTES));
        problems
    }

    fn unavailable_on_machine(&self, backend: &Backend) -> Option<String> {
        no_groups(MEMORY, backend)
    }

    fn inject<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, FaultResources> {
        Box::pin(squeeze(injection, &self.part, Limit::Memory { mebibytes: self.mebibytes }))
    }

    // The system may have killed the process, because its group had no more memory.
    fn recover<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, ()> {
        Box::pin(injection.start_if_dead(&self.part))
    }
}
