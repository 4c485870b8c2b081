//! The retrospective agent: turns the notes of a team and the action items of earlier retrospectives into the plan of a retrospective. It
//! prepares a conversation and judges no person.

mod actions;
mod agenda;
mod carried;
mod context;
mod notes;
mod plan;
mod themes;

pub use plan::*;

use super::source::{Source, clean, cut};
use super::words::topic;
use super::{AgentInput, MemoryDraft, RETRO_ACTION_TAG, RETRO_TAG, counted, remembered};
use mcp_contracts::memory::Visibility;

/// Kind of a remembered plan.
const KIND: &str = "retrospective";
/// Kind of a remembered action item.
const ACTION_KIND: &str = "action_item";
const MAX_TITLE_CHARS: usize = 120;

pub(crate) fn plan(input: &AgentInput<'_>) -> RetrospectivePlan {
    let source = Source::read(input.text);
    let notes = notes::read(&source);
    let context = context::read(&notes, input);
    let carried = carried::read(input, &notes);
    let mut themes = themes::cluster(&notes);
    let parked = themes.split_off(themes.len().min(themes::most(context.box_minutes)));
    let mut plan = RetrospectivePlan {
        title: cut(&clean(input.intent), MAX_TITLE_CHARS),
        summary: String::new(),
        basis: Basis {
            lines_read: source.lines.len(),
            lines_left_out: source.left_out,
            notes: notes.iter().filter(|note| note.tone != notes::Tone::Fact).count(),
            memory: match (input.static_context, carried.len()) {
                (true, _) => "memory did not answer: bring the action items of last time yourselves".to_owned(),
                (false, count) => format!("{} of earlier retrospectives", counted(count, "action item")),
            },
        },
        agenda: agenda::agenda(context.box_minutes, &carried, &themes),
        parked: parked.into_iter().map(|theme| theme.title).collect(),
        actions: actions::propose(&themes, &carried, &context, input.today),
        context,
        carried,
        themes,
    };
    plan.summary = summary(&plan);
    plan
}

fn summary(plan: &RetrospectivePlan) -> String {
    let minutes = plan.context.box_minutes;
    let open = plan.carried.iter().filter(|action| action.status == ActionStatus::Open).count();
    let carried = match (plan.carried.len(), open) {
        (0, _) => String::new(),
        (total, 0) => {
            format!(" Earlier action items reported done: {total} of {total}; check that they had an effect.")
        }
        (total, open) => format!(" Earlier action items still open: {open} of {total}; they come first."),
    };
    let titles: Vec<String> = plan.themes.iter().take(3).map(|theme| theme.title.to_lowercase()).collect();
    let themes = match titles.as_slice() {
        [] => "The notes name no theme yet: the first round collects them.".to_owned(),
        titles => format!("Themes in the notes, most important first: {}.", titles.join("; ")),
    };
    format!("{minutes} minutes.{carried} {themes}")
}

/// Returns the memories of a plan: each new item for the next retrospective, each item that is reported done, and a digest of the plan.
pub(crate) fn remember(plan: &RetrospectivePlan, input: &AgentInput<'_>) -> Vec<MemoryDraft> {
    let item = |content: String, visibility| MemoryDraft {
        content,
        tags: vec![RETRO_ACTION_TAG.to_owned()],
        kind: ACTION_KIND,
        intent: None,
        visibility,
    };
    let new = plan.actions.iter().filter(|action| action.carries.is_none());
    let new = new.map(|action| item(carried::open_memory(action, input.today), Visibility::Workspace));
    let done = plan.carried.iter().filter(|action| action.status == ActionStatus::Done);
    // An item that is closed is visible to those who saw it open.
    let seen_by = |action: &CarriedAction| {
        let source = input.memories.iter().find(|memory| Some(&memory.id) == action.id.as_ref());
        source.map_or(Visibility::Workspace, |memory| memory.visibility)
    };
    let done = done.map(|action| item(carried::done_memory(action, input.today), seen_by(action)));
    let mut memories: Vec<MemoryDraft> = new.chain(done).collect();
    let mut content = format!("Retrospective: {}\n{}\n", plan.title, plan.summary);
    for theme in &plan.themes {
        content.push_str(&format!("Theme: {} ({} notes)\n", theme.title, theme.well + theme.badly + theme.ideas));
    }
    content.push_str(&format!("Held: {}\n", input.today));
    memories.push(MemoryDraft {
        content: remembered(content, input),
        tags: vec![RETRO_TAG.to_owned()],
        kind: KIND,
        intent: topic(input.intent),
        visibility: Visibility::Workspace,
    });
    memories
}
