//! Nobody gets at what belongs to another organisation, to a colleague alone, or to another workspace, at any service: memories, executions,
//! verdicts, and what is counted. Each has a file of its own.

mod counts;
mod memory;
mod verdicts;
mod workflows;

use crate::lifecycle;
use harness_core::drive::scenario::{Broken, Scenario, Stage};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "tenant-isolation",
    "nobody reads, finds, changes, uses or deletes what belongs to somebody else, at any service",
    lifecycle::patient,
    |stage| Box::pin(play(stage)),
)
.requires(&["tenant-isolation", "no-lost-writes", "no-injection-without-verdict"]);

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    memory::play(stage).await?;
    workflows::play(stage).await?;
    verdicts::play(stage).await?;
    counts::play(stage).await
}
