//! No service gives a user access to the data of another organisation, of a colleague, or of another workspace.
//! Memories, executions, verdicts and counters have one file each. `tools` lists the tools that are tried.

mod counts;
mod memory;
mod tools;
mod verdicts;
mod workflows;

use crate::lifecycle;
use harness_core::drive::scenario::{Scenario, Stage, StepFailed};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "tenant-isolation",
    "no user reads, finds, changes, uses or deletes the data of another, at any service",
    lifecycle::patient,
    |stage| Box::pin(play(stage)),
)
.requires(&["tenant-isolation", "no-lost-writes", "no-injection-without-verdict"]);

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    memory::play(stage).await?;
    workflows::play(stage).await?;
    verdicts::play(stage).await?;
    counts::play(stage).await?;
    tools::play(stage).await
}
