//! The root-cause agent: turns a text about an incident into a report. Each sentence of the report quotes the text with its line, computes a
//! figure from such quotes, or states that the text has no answer. The agent invents nothing.

mod causes;
mod facts;
mod phases;
mod prose;
mod report;

pub use report::*;

use super::lexicon::{FactorRule, LEXICON};
use super::source::{Source, capitalised, clean, cut};
use super::timestamp::TimestampParser;
use super::words::topic;
use super::{AgentInput, MemoryDraft, RCA_TAG, Related, counted, related, remembered};
use facts::Facts;
use mcp_contracts::memory::{Memory, Visibility};
use phases::Phases;

/// Kind of a remembered report.
const KIND: &str = "incident";
const MAX_TITLE_CHARS: usize = 120;
const MAX_RELATED: usize = 5;
/// Distinguishing words that a similar incident shares with this one.
const LEAST_SHARED_WORDS: usize = 3;

pub(crate) fn report(input: &AgentInput<'_>) -> RootCauseReport {
    let source = Source::read(input.text);
    let mut timestamps = TimestampParser::new(input.today, source.lines.iter().map(|line| line.text.as_str()));
    let facts = Facts::read(&source, &mut timestamps);
    let phases = Phases::find(&facts);
    let factors = causes::factors(&facts);
    let related = similar_incidents(input);
    let mut report = RootCauseReport {
        title: cut(&clean(input.intent), MAX_TITLE_CHARS),
        summary: String::new(),
        basis: Basis {
            lines_read: source.lines.len(),
            lines_left_out: source.left_out + facts.left_out,
            times: times(&timestamps),
            memory: match (input.static_context, related.len()) {
                (true, _) => "memory did not answer: past incidents were not compared".to_owned(),
                (false, count) => format!("{} in memory", counted(count, "related incident")),
            },
        },
        impact: phases.impact(&facts),
        timeline: phases.timeline(&facts),
        trigger: causes::trigger(&facts, &phases),
        whys: causes::whys(&facts, &phases),
        went_well: facts.praise(),
        actions: causes::actions(&facts, &factors, &related, input.today),
        open_questions: Vec::new(),
        factors,
        related,
    };
    report.summary = prose::summary(&report, &facts);
    report.open_questions = prose::open_questions(&report, &facts, &timestamps);
    report
}

fn rule(category: &str) -> Option<&'static FactorRule> {
    LEXICON.incident.factor.iter().find(|rule| rule.category == category)
}

fn times(timestamps: &TimestampParser) -> String {
    if let Some(zone) = &timestamps.declared_zone {
        return format!("times are {zone}, as the text declares");
    }
    let times = match (timestamps.zoned, timestamps.unzoned) {
        (false, false) => "the text names no time",
        (true, true) => "times are UTC; those without a zone are ordered as if they were UTC",
        (true, false) => "times are UTC",
        (false, true) => "times as written; the text names no zone",
    };
    times.to_owned()
}

fn similar_incidents(input: &AgentInput<'_>) -> Vec<Related> {
    let is_incident = |memory: &&Memory| {
        memory.kind.as_deref() == Some(KIND) || memory.tags.iter().any(|tag| tag == RCA_TAG || tag == KIND)
    };
    let subject = format!("{} {}", input.intent, input.text);
    related::related(&subject, input.memories.iter().filter(is_incident), LEAST_SHARED_WORDS, MAX_RELATED)
}

/// Returns a memory of the report, with which later incidents are compared.
pub(crate) fn remember(report: &RootCauseReport, input: &AgentInput<'_>) -> Vec<MemoryDraft> {
    let (title, summary, trigger) = (&report.title, &report.summary, &report.trigger.statement);
    let mut content = format!("Incident: {title}\n{summary}\nTrigger: {trigger}\n");
    for factor in &report.factors {
        let evidence = factor.evidence.first().map_or("", |evidence| evidence.text.as_str());
        content.push_str(&format!("Factor: {} ({evidence})\n", capitalised(&factor.category)));
    }
    for action in &report.actions {
        content.push_str(&format!("Action: {} ({}, due {})\n", action.what, action.owner, action.due));
    }
    let (content, visibility) = (remembered(content, input), Visibility::Workspace);
    vec![MemoryDraft { content, tags: vec![RCA_TAG.to_owned()], kind: KIND, intent: topic(input.intent), visibility }]
}
