//! The orchestrator: joins guardrails, memory and patterns into workflows.

pub mod agent;
pub mod llm;
