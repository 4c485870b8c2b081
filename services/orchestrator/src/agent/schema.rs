//! The published shape of the artefacts' data: one JSON Schema, by agent.

use super::{Brief, RetrospectivePlan, RootCauseReport};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

/// Data of an artefact, by the agent that made it.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase", tag = "agent", content = "data")]
#[expect(dead_code, reason = "read by the schema generator alone")]
enum AgentData {
    /// `root_cause_report`.
    Rca(Box<RootCauseReport>),
    /// `retrospective_plan`.
    Retro(Box<RetrospectivePlan>),
    /// `brief`.
    General(Box<Brief>),
}

/// The JSON Schema (draft 2020-12) of `artefact.data`, wrapped as `{"agent": …, "data": …}`.
pub fn schema() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<AgentData>()
}
