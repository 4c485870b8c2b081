//! Action items of earlier retrospectives: how they are written to memory, read back, and recognised in the notes.

use super::ACTION_KIND;
use super::notes::{Note, Tone};
use super::plan::{ActionStatus, CarriedAction, ProposedAction};
use crate::agent::lexicon::LEXICON;
use crate::agent::source::{MAX_STATEMENT_CHARS, clean, cut, without_bullet};
use crate::agent::{AgentInput, RETRO_ACTION_TAG, words};
use jiff::civil::Date;
use mcp_contracts::memory::Memory;
use std::collections::BTreeSet;

const MAX_CARRIED: usize = 10;
/// Two items that share this part of their words are the same, if their lengths differ by at most two words.
const SAME: f64 = 0.8;
/// A note that shares this part of its words with an item, and at least two of them, is about it.
const ABOUT: f64 = 0.5;
const LEAST_SHARED_WORDS: usize = 2;

/// Returns the text with which an open item is stored in memory.
pub(super) fn open_memory(action: &ProposedAction, today: Date) -> String {
    let ProposedAction { what, owner, due, measure, theme, .. } = action;
    format!(
        "Retro action: {what}\nStatus: open\nOwner: {owner}\nDue: {due}\nMeasure: {measure}\nTheme: {theme}\nDecided: {today}\n"
    )
}

/// Returns the text with which an item is stored that the notes report as done. It replaces the open one, because the newer of two memories of an
/// item counts.
pub(super) fn done_memory(action: &CarriedAction, today: Date) -> String {
    let report = action.said.as_ref().map_or("", |note| note.text.as_str());
    format!("Retro action: {}\nStatus: done\nSaid: {report}\nClosed: {today}\n", action.what)
}

/// Returns the items of memory and of the notes: open ones first, beginning with the longest overdue.
pub(super) fn read(input: &AgentInput<'_>, notes: &[Note]) -> Vec<CarriedAction> {
    let is_item = |memory: &&Memory| {
        memory.tags.iter().any(|tag| tag == RETRO_ACTION_TAG) || memory.kind.as_deref() == Some(ACTION_KIND)
    };
    let mut memories: Vec<&Memory> = input.memories.iter().filter(is_item).collect();
    memories.sort_by(|left, right| right.created_at.cmp(&left.created_at).then_with(|| left.id.cmp(&right.id)));
    let mut newest: Vec<BTreeSet<String>> = Vec::new();
    let mut carried: Vec<CarriedAction> = Vec::new();
    for mut action in memories.into_iter().filter_map(parse) {
        let words = words::significant(&action.what);
        let is_same =
            |other: &BTreeSet<String>| words::overlap(other, &words) >= SAME && other.len().abs_diff(words.len()) <= 2;
        if newest.iter().any(is_same) {
            continue;
        }
        newest.push(words.clone());
        if action.status == ActionStatus::Open {
            apply_notes(&mut action, &words, notes);
            let is_past = due(&action).is_some_and(|due| due < input.today);
            action.overdue = action.status == ActionStatus::Open && is_past;
            carried.push(action);
        }
    }
    let of_notes = items_of_notes(notes, &carried);
    carried.extend(of_notes);
    carried.sort_by_key(|action| (action.status == ActionStatus::Done, due(action).unwrap_or(Date::MAX)));
    carried.truncate(MAX_CARRIED);
    carried
}

/// Returns earlier items that only the notes mention.
fn items_of_notes(notes: &[Note], remembered: &[CarriedAction]) -> Vec<CarriedAction> {
    let is_new = |note: &&Note| {
        let words = words::significant(&note.text);
        note.tone == Tone::Earlier
            && !remembered.iter().any(|action| {
                action.said.as_ref().is_some_and(|said| said.line == note.line)
                    || words::overlap(&words::significant(&action.what), &words) >= ABOUT
            })
    };
    let item = |note: &Note| {
        let (what, state) = note.text.split_once(':').unwrap_or((&note.text, &note.text));
        CarriedAction { said: Some(note.evidence()), ..new_item(None, what.trim().to_owned(), reports_done(state)) }
    };
    notes.iter().filter(is_new).map(item).collect()
}

fn new_item(id: Option<String>, what: String, is_done: bool) -> CarriedAction {
    let status = if is_done { ActionStatus::Done } else { ActionStatus::Open };
    CarriedAction { id, what, owner: None, due: None, status, overdue: false, said: None }
}

fn reports_done(text: &str) -> bool {
    LEXICON.retrospective.done.hold(text) && !LEXICON.retrospective.not_done.hold(text)
}

fn due(action: &CarriedAction) -> Option<Date> {
    action.due.as_ref()?.parse().ok()
}

/// Parses an item from a memory, which this agent or a person wrote.
fn parse(memory: &Memory) -> Option<CarriedAction> {
    let mut lines = memory.content.lines().map(clean).filter(|line| !line.is_empty());
    let first = lines.next()?;
    let labelled = first.split_once(':').filter(|(label, _)| label.to_lowercase().contains("action"));
    let what = labelled.map_or(first.as_str(), |(_, what)| what);
    let what = cut(without_bullet(what.trim()), MAX_STATEMENT_CHARS);
    let mut action = new_item(Some(memory.id.clone()), what, first.contains("[x]"));
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = cut(value.trim(), MAX_STATEMENT_CHARS);
        match name.trim().to_lowercase().as_str() {
            "status" if LEXICON.retrospective.done.hold(&value) => action.status = ActionStatus::Done,
            "owner" => action.owner = Some(value),
            "due" => action.due = Some(value),
            _ => {}
        }
    }
    (!action.what.is_empty()).then_some(action)
}

/// Applies the note about an item; one in the section of earlier items counts before others.
fn apply_notes(action: &mut CarriedAction, words: &BTreeSet<String>, notes: &[Note]) {
    let rules = &LEXICON.retrospective;
    let is_about = |note: &&Note| {
        let states = note.tone == Tone::Earlier || rules.done.occur(&note.text) || rules.not_done.occur(&note.text);
        let note = words::significant(&note.text);
        states && note.intersection(words).count() >= LEAST_SHARED_WORDS && words::overlap(&note, words) >= ABOUT
    };
    let in_section = notes.iter().filter(|note| note.tone == Tone::Earlier).find(is_about);
    let Some(note) = in_section.or_else(|| notes.iter().find(is_about)) else { return };
    action.said = Some(note.evidence());
    if reports_done(&note.text) {
        action.status = ActionStatus::Done;
    }
}
