//! The memory that a judgement may take, and what it means for the length of a run (decision 0045).

use crate::drive::{Plan, RunPurpose};
use crate::plan::PlanError;
use harness_history::Full;

/// Bytes that a judgement takes for each call: 100 for the call itself and the indices, and as many for the check that needs most.
const BYTES_PER_CALL: u64 = 200;

/// Most memory that a judgement may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JudgeMemory {
    mib: u32,
}

impl JudgeMemory {
    pub const fn of_mib(mib: u32) -> Self {
        Self { mib }
    }

    const fn bytes(self) -> u64 {
        (self.mib as u64) << 20
    }

    /// The part of it that the calls themselves may take; checks take as much again.
    pub(super) const fn most_history_bytes(self) -> u64 {
        self.bytes() / 2
    }

    /// Describes a history that is too long.
    pub(super) fn exceeded_by(self, full: Full) -> String {
        format!(
            "the history is too long to be judged in {} MiB: its first {} operations take half of it; raise `judge.memory_mib` in `harness.toml` and \
             judge the run again with `harness check`",
            self.mib, full.ops
        )
    }

    /// Checks that the calls that a plan makes for certain can be judged.
    ///
    /// # Errors
    /// The number of calls and of those that can be judged.
    pub fn check(self, plan: &Plan) -> Result<(), PlanError> {
        let calls = planned_calls(&plan.subject);
        let most = self.bytes() / BYTES_PER_CALL;
        if calls <= most as f64 {
            return Ok(());
        }
        let problem = format!(
            "about {calls:.0} calls are planned, and {} MiB are enough to judge about {most}; choose a lower rate or a shorter time, or raise \
             `judge.memory_mib` in `harness.toml`",
            self.mib
        );
        Err(PlanError { problems: vec![problem] })
    }
}

impl Default for JudgeMemory {
    /// 2 GiB, which is enough for 10 million calls.
    fn default() -> Self {
        Self::of_mib(2_048)
    }
}

fn planned_calls(subject: &RunPurpose) -> f64 {
    match subject {
        RunPurpose::Load(workload) => workload.planned_arrivals(),
        RunPurpose::Experiment(experiment) => experiment.load.rate * experiment.length().as_secs_f64(),
        // Their calls are few, whatever their settings.
        RunPurpose::Scenario(_) | RunPurpose::Hardening(_) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::JudgeMemory;
    use crate::drive::experiment;
    use crate::drive::{Plan, PlanRequest, RunPurpose};
    use crate::plan::Backend;

    #[test]
    fn a_plan_with_more_calls_than_can_be_judged_is_refused_with_both_numbers() {
        let mut experiment = experiment::find("tenant-mix", None).unwrap();
        let topology = experiment.topology.clone();
        let secs = experiment.length().as_secs_f64();
        let mut check = |calls: f64| {
            experiment.load.rate = calls / secs;
            let subject = RunPurpose::Experiment(Box::new(experiment.clone()));
            let request = PlanRequest {
                command: String::new(),
                seed: Some(1),
                backend: Backend::Process,
                topology: topology.clone(),
                subject,
            };
            JudgeMemory::of_mib(200).check(&Plan::resolve(request).unwrap())
        };
        assert_eq!(check(1_000_000.0), Ok(()));
        let refused = check(1_100_000.0).unwrap_err().to_string();
        assert!(refused.contains("about 1100000 calls") && refused.contains("about 1048576"), "{refused}");
    }
}
