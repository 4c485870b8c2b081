//! What the agents read in a text: tables of sentences, times, figures and notes, each with the reading that it must have. Where
//! words can be read in two ways, the reading is none.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

mod notes;
mod symptoms;
mod times;

use jiff::civil::date;
use mcp_contracts::orchestrator::AgentName;
use mcp_orchestrator::agent::{AgentInput, run};
use serde_json::Value;

fn data(agent: AgentName, intent: &str, text: &str) -> Value {
    let input = AgentInput {
        intent,
        text,
        files: &[],
        role: "developer",
        memories: &[],
        static_context: false,
        pattern: None,
        today: date(2026, 11, 25),
        execution_id: "e-1",
    };
    run(agent, &input).artefact.data
}

/// The root-cause report of a text.
fn report(text: &str) -> Value {
    data(AgentName::Rca, "Checkout was slow", text)
}
