//! The RCA agent: incident facts in free text in, a root-cause report out. Every sentence of the report is either a quote with
//! its line, a figure computed from such quotes, or says that the text does not tell; nothing may be invented here.

mod actions;
mod cues;
mod factors;
mod facts;
mod impact;
mod page;
mod prose;
mod report;
mod response;
mod timeline;
mod trigger;
mod whys;

pub use report::*;

use super::moment::Clock;
use super::source::Source;
use super::words::topic;
use super::{AgentInput, MAX_REMEMBERED_BYTES, NewMemory, RCA_TAG, related};
use facts::Facts;
use mcp_contracts::memory::{Memory, Visibility};

/// Kind under which a report is remembered.
const KIND: &str = "incident";
/// Most past incidents that are named.
const MAX_RELATED: usize = 5;
/// Meaningful words that a past incident must share to be named.
const LEAST_SHARED_WORDS: usize = 3;

/// Writes the report.
pub(crate) fn report(input: &AgentInput<'_>) -> RootCauseReport {
    let source = Source::read(input.text);
    let mut clock = Clock::new(input.today, source.lines.iter().map(|line| line.text.as_str()));
    let facts = Facts::read(&source, &mut clock, input);
    let milestones = response::milestones(&facts);
    let timeline = timeline::timeline(&facts, &milestones);
    let trigger = trigger::trigger(&facts, &milestones);
    let response = response::response(&facts, &milestones);
    let impact = impact::impact(&facts, &milestones);
    let factors = factors::factors(&facts, &milestones, &response);
    let whys = whys::whys(&facts, &milestones, &trigger, &factors);
    let related = past_incidents(input);
    let actions = actions::actions(&facts, &milestones, &factors, &impact, &related, input.today);
    let mut report = RootCauseReport {
        title: super::source::cut(&super::source::clean(input.intent), 120),
        summary: String::new(),
        went_well: prose::went_well(&facts, &response),
        open_questions: prose::open_questions(&facts, &milestones, &timeline, &trigger, &clock),
        basis: Basis {
            lines_read: source.read_lines(),
            lines_left_out: source.left_out + facts.left_out,
            subject: facts.subject.clone(),
            times: times(&clock, &facts),
            memory: memory_use(input, related.len()),
        },
        impact,
        timeline,
        trigger,
        factors,
        whys,
        response,
        actions,
        related,
    };
    report.summary = prose::summary(&report, &facts, &milestones);
    report
}

fn times(clock: &Clock, facts: &Facts) -> String {
    if let Some(zone) = &clock.declared {
        return format!("times are {zone}, as the text declares");
    }
    let told = match (clock.zoned, clock.unzoned, facts.all.iter().any(|fact| fact.moment.is_some())) {
        (_, _, false) => "the text names no time",
        (true, true, true) => "times are UTC; those that name no zone are read as if they were",
        (true, false, true) => "times are UTC",
        (false, _, true) => "times as written; the text names no zone",
    };
    told.to_owned()
}

fn memory_use(input: &AgentInput<'_>, related: usize) -> String {
    match (input.static_context, related) {
        (true, _) => "memory did not answer: past incidents were not compared".to_owned(),
        (false, 0) => "no related incident in memory".to_owned(),
        (false, 1) => "1 related incident in memory".to_owned(),
        (false, more) => format!("{more} related incidents in memory"),
    }
}

fn past_incidents(input: &AgentInput<'_>) -> Vec<super::Related> {
    let is_incident = |memory: &&Memory| {
        memory.kind.as_deref() == Some(KIND)
            || memory.tags.iter().any(|tag| matches!(tag.as_str(), RCA_TAG | "incident"))
    };
    let subject = format!("{} {}", input.intent, input.text);
    related::find(&subject, input.memories.iter().filter(is_incident), LEAST_SHARED_WORDS, MAX_RELATED)
}

/// What to remember: a digest that the next incident can be compared with.
pub(crate) fn remember(report: &RootCauseReport, input: &AgentInput<'_>) -> Vec<NewMemory> {
    let mut content =
        format!("Incident: {}\n{}\nTrigger: {}\n", report.title, report.summary, report.trigger.statement);
    for factor in &report.factors {
        let evidence = factor.evidence.first().map_or("", |evidence| evidence.text.as_str());
        content.push_str(&format!("Factor: {} ({})\n", factor.category.title(), evidence));
    }
    for action in &report.actions {
        content.push_str(&format!(
            "Action {}: {} ({}, due {})\n",
            action.priority.name(),
            action.what,
            action.owner,
            action.due
        ));
    }
    content.push_str(&format!("Execution: {}\n", input.execution_id));
    content.truncate(content.floor_char_boundary(MAX_REMEMBERED_BYTES));
    let visibility = Visibility::Workspace;
    vec![NewMemory { content, tags: vec![RCA_TAG.to_owned()], kind: KIND, intent: topic(input.intent), visibility }]
}
