//! The agents: facts in, an artefact and what to remember of it out. Everything below is pure: the same input makes the same
//! artefact, so no clock, no network, no store and no chance may ever get in.

mod draft;
mod figures;
mod general;
mod lexicon;
mod markdown;
mod moment;
mod rca;
mod related;
mod retro;
mod schema;
mod source;
mod words;

pub use draft::{Draft, MAX_PROSE_CHARS, UnknownField};
pub use figures::Figure;
pub use general::Brief;
pub use rca::RootCauseReport;
pub use related::Related;
pub use retro::RetrospectivePlan;
pub use schema::schema;
pub use source::Evidence;
pub use words::topic;

use jiff::civil::Date;
use mcp_contracts::memory::{Memory, Visibility};
use mcp_contracts::orchestrator::{AgentName, Artefact};

/// Tag of every remembered root-cause report.
pub const RCA_TAG: &str = "rca";
/// Tag of every remembered action item of a retrospective; the next one looks for it.
pub const RETRO_ACTION_TAG: &str = "retro-action";
/// Tag of every remembered retrospective.
pub const RETRO_TAG: &str = "retro";
/// Most bytes of one remembered text.
pub const MAX_REMEMBERED_BYTES: usize = 8 << 10;

/// What an agent is given. Texts are untrusted: they are quoted, never obeyed.
#[derive(Debug, Clone, Copy)]
pub struct AgentInput<'a> {
    /// What is to be achieved.
    pub intent: &'a str,
    /// The facts.
    pub text: &'a str,
    /// Paths that it is about.
    pub files: &'a [String],
    /// Role of the reader.
    pub role: &'a str,
    /// What memory holds about it.
    pub memories: &'a [Memory],
    /// True where memory did not answer and the agent stands on its own.
    pub static_context: bool,
    /// The injected pattern.
    pub pattern: Option<&'a str>,
    /// The day on which it is written; due dates count from here.
    pub today: Date,
    /// Identity of the execution, kept in what is remembered.
    pub execution_id: &'a str,
}

/// What an agent made.
#[derive(Debug, Clone, PartialEq)]
pub struct Drafted {
    /// The artefact as the template writes it.
    pub artefact: Artefact,
    /// The same, open for a model to complete its prose.
    pub draft: Draft,
    /// What to remember of it.
    pub remember: Vec<NewMemory>,
}

/// A text to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMemory {
    /// The text.
    pub content: String,
    /// Free tags.
    pub tags: Vec<String>,
    /// Kind of memory.
    pub kind: &'static str,
    /// Becomes the tag `topic:<intent>`.
    pub intent: Option<String>,
    /// Who can read it.
    pub visibility: Visibility,
}

/// Runs an agent.
pub fn run(agent: AgentName, input: &AgentInput<'_>) -> Drafted {
    let (draft, remember) = match agent {
        AgentName::Rca => {
            let report = rca::report(input);
            let remember = rca::remember(&report, input);
            (Draft::new(report, input), remember)
        }
        AgentName::Retro => {
            let plan = retro::plan(input);
            let remember = retro::remember(&plan, input);
            (Draft::new(plan, input), remember)
        }
        AgentName::General => {
            let brief = general::brief(input);
            let remember = general::remember(&brief, input);
            (Draft::new(brief, input), remember)
        }
    };
    Drafted { artefact: draft.artefact(), draft, remember }
}
