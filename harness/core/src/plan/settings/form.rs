//! The form of `harness.toml`, from which its schema is made. What it means is read in `reader`; a test holds the keys of both equal.

use super::ProfileName;
use schemars::JsonSchema;
use serde::Serialize;

/// Settings of the harness. Whatever is left away keeps its default.
#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// What is kept of runs.
    runs: Option<Runs>,
    /// The gate and its profiles.
    gate: Option<Gate>,
}

/// What is kept of runs.
#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Runs {
    /// Runs that are kept in the folder of the runs; 0 keeps every run.
    #[schemars(range(max = 10_000))]
    keep: Option<u32>,
}

/// The gate and its profiles.
#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Gate {
    /// The profile of `harness gate` where none is given.
    profile: Option<ProfileName>,
    /// What every push waits for.
    ci: Option<Profile>,
    /// What a release waits for.
    preprod: Option<Profile>,
}

/// The phases of a gate, in their order.
#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Profile {
    /// The first phase.
    scenarios: Option<Scenarios>,
    /// The second phase.
    load: Option<Load>,
    /// The third phase.
    experiments: Option<Experiments>,
}

/// Scenarios and what must hold for them besides what they expect.
#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Scenarios {
    /// Names of scenarios, or `all`; an empty list leaves the phase away.
    run: Option<Vec<String>>,
    /// Bounds on the calls of each scenario, such as `max<30s`.
    thresholds: Option<Vec<String>>,
}

/// A load and what must hold for it.
#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Load {
    /// A workload, or a profile of your own that ends with `.toml`; an empty text leaves the phase away.
    run: Option<String>,
    /// Concurrent users.
    #[schemars(range(min = 1, max = 10_000))]
    users: Option<u32>,
    /// Load before measuring starts, such as `5s`.
    warmup: Option<String>,
    /// How long is measured, such as `30s`.
    duration: Option<String>,
    /// What decides the verdict, in place of the profile's own, such as `p99<500ms`.
    thresholds: Option<Vec<String>>,
}

/// Experiments and what must hold for them besides what they promise.
#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Experiments {
    /// Names of experiments, files that end with `.toml`, or `all`; an empty list leaves the phase away.
    run: Option<Vec<String>>,
    /// The stack must be steady again so long after the last fault is gone, such as `30s`.
    recovery: Option<String>,
}
