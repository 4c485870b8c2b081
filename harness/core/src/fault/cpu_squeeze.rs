//! `cpu_squeeze`: the CPU time of a part is limited, to a share of one core or to several cores.

use super::injection::Injection;
use super::kind::{Fault, FaultResources, Step};
use super::problems::{out_of_range, several_processes, unknown_part};
use super::squeeze::{CPU, Limit, no_groups, squeeze};
use crate::plan::Backend;
use crate::plan::topology::Topology;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// From a hundredth of a core to 64 cores.
const PERCENT: RangeInclusive<u32> = 1..=6_400;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpuSqueeze {
    pub part: String,
    /// Hundredths of a core.
    pub percent: u32,
}

impl Fault for CpuSqueeze {
    fn kind(&self) -> &'static str {
        "cpu_squeeze"
    }

    fn target(&self) -> String {
        self.part.clone()
    }

    fn problems(&self, topology: &Topology) -> Vec<String> {
        let mut problems = unknown_part(topology, &self.part);
        problems.extend(several_processes(topology, &self.part, self.kind()));
        problems.extend(out_of_range("percent", self.percent, &PERCENT));
        problems
    }

    fn unavailable_on_machine(&self, backend: &Backend) -> Option<String> {
        no_groups(CPU, backend)
    }

    fn inject<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, FaultResources> {
        Box::pin(squeeze(injection, &self.part, Limit::Cpu { percent: self.percent }))
    }

    fn recover<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, ()> {
        Box::pin(injection.start_if_dead(&self.part))
    }
}
