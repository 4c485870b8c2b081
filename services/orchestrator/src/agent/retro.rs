//! The retro agent: what a team says about its last weeks in, the plan of a retrospective out, with the action items of the one
//! before. It prepares a conversation; verdicts about people must never get in.

mod actions;
mod agenda;
mod carried;
mod context;
mod format;
mod hints;
mod notes;
mod page;
mod plan;
mod subjects;
mod themes;

pub use plan::*;

use super::source::{Source, clean, cut};
use super::words::topic;
use super::{AgentInput, MAX_REMEMBERED_BYTES, NewMemory, RETRO_ACTION_TAG, RETRO_TAG};
use mcp_contracts::memory::Visibility;

/// Kind of a remembered plan.
const KIND: &str = "retrospective";
/// Kind of a remembered action item.
const ACTION_KIND: &str = "action_item";

/// Writes the plan.
pub(crate) fn plan(input: &AgentInput<'_>) -> RetrospectivePlan {
    let source = Source::read(input.text);
    let notes = notes::read(&source);
    let context = context::read(&notes, input);
    let carried = carried::read(input, &notes);
    let mut themes = themes::cluster(&notes);
    let parked = themes
        .split_off(themes.len().min(themes::most(context.box_minutes)))
        .into_iter()
        .map(|theme| theme.title)
        .collect();
    let format = format::choose(&context, &carried, themes.len());
    let actions = actions::propose(&themes, &carried, &context, input.today);
    let mut plan = RetrospectivePlan {
        title: cut(&clean(input.intent), 120),
        summary: String::new(),
        basis: Basis {
            lines_read: source.read_lines(),
            lines_left_out: source.left_out,
            notes: notes.iter().filter(|note| note.tone != notes::Tone::Fact).count(),
            memory: memory(input, carried.len()),
        },
        agenda: agenda::agenda(&context, &format, &carried, &themes),
        hints: hints::hints(&context, &carried, &themes),
        format,
        context,
        carried,
        themes,
        parked,
        actions,
    };
    plan.summary = summary(&plan);
    plan
}

fn memory(input: &AgentInput<'_>, carried: usize) -> String {
    match (input.static_context, carried) {
        (true, _) => "memory did not answer: bring last time's action items yourselves".to_owned(),
        (false, 0) => "memory holds no open action item of an earlier retrospective".to_owned(),
        (false, 1) => "1 action item of earlier retrospectives from memory".to_owned(),
        (false, more) => format!("{more} action items of earlier retrospectives from memory"),
    }
}

fn summary(plan: &RetrospectivePlan) -> String {
    let mut sentences =
        vec![format!("{} minutes, format {}: {}.", plan.context.box_minutes, plan.format.name, plan.format.reason)];
    let open = plan.carried.iter().filter(|action| action.status == ActionStatus::Open).count();
    match (plan.carried.len(), open) {
        (0, _) => {}
        (total, 0) => sentences
            .push(format!("All {total} earlier action item(s) are reported done; check that they had an effect.")),
        (total, open) => {
            sentences.push(format!("Of {total} earlier action item(s), {open} are still open; they come first."))
        }
    }
    let named: Vec<String> = plan.themes.iter().take(3).map(|theme| theme.title.to_lowercase()).collect();
    if named.is_empty() {
        sentences.push("The notes name no theme yet: the first round collects them.".to_owned());
    } else {
        sentences.push(format!("Themes in the notes, heaviest first: {}.", named.join("; ")));
    }
    sentences.join(" ")
}

/// What to remember: each action item for the next retrospective, each one that was reported done, and the plan in short.
pub(crate) fn remember(plan: &RetrospectivePlan, input: &AgentInput<'_>) -> Vec<NewMemory> {
    let item = |content: String| NewMemory {
        content,
        tags: vec![RETRO_ACTION_TAG.to_owned()],
        kind: ACTION_KIND,
        intent: None,
        visibility: Visibility::Workspace,
    };
    let mut memories: Vec<NewMemory> = plan
        .actions
        .iter()
        .filter(|action| action.carries.is_none())
        .map(|action| item(carried::written(action, input.today)))
        .collect();
    let done = plan.carried.iter().filter(|action| action.status == ActionStatus::Done);
    memories.extend(done.map(|action| item(carried::closed(action, input.today))));
    let mut content = format!("Retrospective: {}\n{}\n", plan.title, plan.summary);
    for theme in &plan.themes {
        content.push_str(&format!("Theme: {} ({} notes)\n", theme.title, theme.quotes.len() + theme.more));
    }
    content.push_str(&format!("Held: {}\nExecution: {}\n", input.today, input.execution_id));
    content.truncate(content.floor_char_boundary(MAX_REMEMBERED_BYTES));
    memories.push(NewMemory {
        content,
        tags: vec![RETRO_TAG.to_owned()],
        kind: KIND,
        intent: topic(input.intent),
        visibility: Visibility::Workspace,
    });
    memories
}
