//! What the agents read in a text: tables of sentences, times, figures and notes, each with the reading that it must have. Where
//! words can be read in two ways, the reading is none.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

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

const FRAGMENTS: [&str; 40] = [
    "14:02",
    "14:02-14:20",
    "2026-11-24T13:58:07Z",
    "24/Nov/2026:13:58:07 +0000",
    "03/04/2026",
    "Nov 24",
    "2pm",
    "since",
    "since about",
    "all times in CET",
    "no",
    "errors",
    "because",
    "Root cause:",
    "Action:",
    "we should",
    "owner:",
    "p99 rose to 9 s",
    "ü",
    "“",
    "(",
    ")",
    ", ",
    ". ",
    "; ",
    ": ",
    "\n",
    "\n\n",
    "# ",
    "- ",
    "{title}",
    "{#items}",
    "|",
    "team of 7",
    "What went well",
    "+ ",
    "alert(1)",
    "-",
    "?",
    "\u{202e}",
];

proptest::proptest! {
    /// Times, cues and edges of clauses in any order: what the agents cut out of a text lies within it.
    #[test]
    fn no_order_of_times_and_cues_panics(order in proptest::collection::vec(0..FRAGMENTS.len(), 0..40), spaced: bool) {
        let fragments: Vec<&str> = order.into_iter().map(|index| FRAGMENTS[index]).collect();
        let text = fragments.join(if spaced { " " } else { "" });
        for agent in AgentName::ALL {
            data(agent, &text, &text);
        }
    }
}
