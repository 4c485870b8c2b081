//! The agents. An agent turns the input of a run into an artefact and into texts to remember. The same input always makes the same artefact, so
//! agents use no clock, network, store or randomness.

mod draft;
mod general;
mod lexicon;
mod markdown;
mod rca;
mod related;
mod retro;
mod source;
mod timestamp;
mod words;

pub use draft::{Draft, MAX_PROSE_CHARS, UnknownField};
pub use general::Brief;
pub use rca::RootCauseReport;
pub use related::Related;
pub use retro::RetrospectivePlan;
pub use source::Evidence;
pub use words::topic;

use jiff::civil::Date;
use mcp_contracts::memory::{Memory, Visibility};
use mcp_contracts::orchestrator::{AgentName, Artefact};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

/// Tag of a remembered root-cause report.
pub const RCA_TAG: &str = "rca";
/// Tag of a remembered action item; the next retrospective looks for it.
pub const RETRO_ACTION_TAG: &str = "retro-action";
/// Tag of a remembered retrospective.
pub const RETRO_TAG: &str = "retro";
/// Longest remembered text, in bytes.
pub const MAX_REMEMBERED_BYTES: usize = 8 << 10;

/// Input of an agent. All texts are untrusted: agents quote them and never follow them.
#[derive(Debug, Clone, Copy)]
pub struct AgentInput<'a> {
    pub intent: &'a str,
    pub text: &'a str,
    pub files: &'a [String],
    /// Role of the reader.
    pub role: &'a str,
    pub memories: &'a [Memory],
    /// True if memory did not answer.
    pub static_context: bool,
    /// The injected pattern.
    pub pattern: Option<&'a str>,
    /// The day of the run, from which due dates are counted.
    pub today: Date,
    pub execution_id: &'a str,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AgentDraft {
    /// The artefact as the template writes it.
    pub artefact: Artefact,
    /// The same artefact, for a model to reword its prose.
    pub draft: Draft,
    pub remember: Vec<MemoryDraft>,
}

/// A text to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryDraft {
    pub content: String,
    pub tags: Vec<String>,
    pub kind: &'static str,
    /// Becomes the tag `topic:<intent>`.
    pub intent: Option<String>,
    pub visibility: Visibility,
}

/// Runs an agent.
pub fn run(agent: AgentName, input: &AgentInput<'_>) -> AgentDraft {
    let (draft, remember) = write(agent, input);
    let is_shared = |memory: &&Memory| memory.visibility != Visibility::Private;
    // A brief is remembered for its user alone, so nothing of it is written for others.
    if agent == AgentName::General || input.memories.iter().all(|memory| is_shared(&memory)) {
        return AgentDraft { artefact: draft.artefact(), draft, remember };
    }
    let shared: Vec<Memory> = input.memories.iter().filter(is_shared).cloned().collect();
    // A private memory may be quoted to its owner, but not in a memory for others. What others will read is therefore written without it.
    let (_, for_others) = write(agent, &AgentInput { memories: &shared, ..*input });
    let private = remember.into_iter().filter(|new| new.visibility == Visibility::Private);
    let for_others = for_others.into_iter().filter(|new| new.visibility != Visibility::Private);
    AgentDraft { artefact: draft.artefact(), draft, remember: private.chain(for_others).collect() }
}

fn write(agent: AgentName, input: &AgentInput<'_>) -> (Draft, Vec<MemoryDraft>) {
    match agent {
        AgentName::Rca => {
            let report = rca::report(input);
            (Draft::new("root_cause_report", &report, input), rca::remember(&report, input))
        }
        AgentName::Retro => {
            let plan = retro::plan(input);
            (Draft::new("retrospective_plan", &plan, input), retro::remember(&plan, input))
        }
        AgentName::General => {
            let brief = general::brief(input);
            (Draft::new("brief", &brief, input), general::remember(&brief, input))
        }
    }
}

/// Returns a count with its noun: `1 note`, `2 notes`, `no note`.
fn counted(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}"),
        1 => format!("1 {noun}"),
        more => format!("{more} {noun}s"),
    }
}

/// Returns the serialized name of a unit variant as words: `all praise` for `all_praise`.
fn name(variant: &impl Serialize) -> String {
    let value = serde_json::to_value(variant).expect("a unit variant serializes to its name");
    value.as_str().unwrap_or_default().replace('_', " ")
}

/// Appends the execution to the content of a memory, and cuts the result to [`MAX_REMEMBERED_BYTES`].
fn remembered(mut content: String, input: &AgentInput<'_>) -> String {
    content.push_str(&format!("Execution: {}\n", input.execution_id));
    content.truncate(content.floor_char_boundary(MAX_REMEMBERED_BYTES));
    content
}

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

/// Returns the published JSON Schema (draft 2020-12) of `artefact.data`, wrapped as `{"agent": …, "data": …}`.
pub fn schema() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<AgentData>()
}
