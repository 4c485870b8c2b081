//! Nobody gets at what belongs to another organisation, to a colleague alone, or to another workspace, at any service: memories, executions,
//! verdicts, and what is counted. Each has a file of its own.

mod counts;
mod memory;
mod verdicts;
mod workflows;

use harness_core::scenario::{Broken, Scenario, Stage};
use harness_core::topology::Topology;
use mcp_contracts::{Service, env};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "tenant-isolation",
    "nobody reads, finds, changes, uses or deletes what belongs to somebody else, at any service",
    topology,
    |stage| Box::pin(play(stage)),
)
.requires(&["tenant-isolation", "no-lost-writes", "no-injection-without-verdict"]);

/// Who sees what is tried here, not how fast.
fn topology() -> Topology {
    let patient = Topology::full().setting(Service::Orchestrator, env::PEER_DEADLINE_MS, 3_000);
    let patient = patient.setting(Service::Orchestrator, env::WORKFLOW_DEADLINE_MS, 9_000);
    patient.everywhere(env::REDIS_DEADLINE_MS, 3_000)
}

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    memory::play(stage).await?;
    workflows::play(stage).await?;
    verdicts::play(stage).await?;
    counts::play(stage).await
}
