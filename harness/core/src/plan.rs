//! The plan of a run, resolved and validated before anything starts, and the layout of the run directory. Nothing here
//! starts or connects, and nothing waits, except for the name of a host to be resolved.

pub mod bearer;
pub mod data_file;
pub mod hardening;
pub mod history_files;
pub mod operation;
pub mod reach;
pub mod run_dir;
pub mod seal;
pub mod settings;
pub mod target;
pub mod target_form;
pub mod topology;
pub mod trust;
pub mod workload;

pub(crate) mod backend;
mod provided_file;
mod script;

pub use backend::Backend;
pub use provided_file::ProvidedFile;
pub use script::Script;

use serde::{Deserialize, Serialize};
use topology::Topology;

/// A resolved and validated plan; `plan.json` in the run directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan<S> {
    /// Name of the run and of its directory, such as `2026-11-23T18-05-11Z-load-memory-7f3a`.
    pub run_id: String,
    /// The exact command that repeats the run.
    pub command: String,
    /// Seed of every random choice of the run.
    pub seed: u64,
    /// Name of the first run of the command that made several runs; `None` if it made one. The runs of a batch count as one when old runs are
    /// removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    pub backend: Backend,
    pub topology: Topology,
    pub subject: S,
}

/// What a run does with its stack: a load, a scenario or an experiment. Their types are in `drive`, because an
/// experiment names faults, which are above this layer (decision 0019).
pub trait Purpose {
    /// Returns the kind for the name of a run, such as `load`.
    fn verb(&self) -> &'static str;

    /// Returns the name of the workload, the scenario or the experiment.
    fn name(&self) -> &str;

    /// Returns the reasons why it cannot run on this topology and backend, one line each.
    fn problems(&self, topology: &Topology, backend: &Backend) -> Vec<String>;
}

/// Input of [`Plan::resolve`].
#[derive(Debug, Clone)]
pub struct PlanRequest<S> {
    /// The command that the user entered, without `--seed`.
    pub command: String,
    /// `None`: a random seed is chosen.
    pub seed: Option<u64>,
    pub backend: Backend,
    pub topology: Topology,
    pub subject: S,
}

/// Every reason why the plan cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the plan cannot be run:{}", problems.iter().map(|problem| format!("\n  {problem}")).collect::<String>())]
pub struct PlanError {
    pub problems: Vec<String>,
}

impl<S: Purpose> Plan<S> {
    /// Validates the request, and chooses the name of the run and, if the request has none, the seed.
    ///
    /// # Errors
    /// Every problem of the request.
    pub fn resolve(request: PlanRequest<S>) -> Result<Self, PlanError> {
        let PlanRequest { command, seed, backend, topology, subject } = request;
        let mut problems = topology.problems();
        problems.extend(backend.problems(&topology));
        problems.extend(subject.problems(&topology, &backend));
        if !problems.is_empty() {
            return Err(PlanError { problems });
        }
        let seed = seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ");
        // The time in the name has seconds only, and two runs may start in the same second.
        let nonce: u16 = rand::random();
        Ok(Self {
            run_id: format!("{now}-{}-{}-{nonce:04x}", subject.verb(), subject.name()),
            command: format!("{command} --seed {seed}"),
            seed,
            batch: None,
            backend,
            topology,
            subject,
        })
    }
}
