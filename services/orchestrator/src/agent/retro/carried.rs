//! Action items of earlier retrospectives: how they are written to memory, read from it, and found in today's notes.

use super::ACTION_KIND;
use super::notes::{Note, Tone};
use super::plan::{ActionStatus, CarriedAction, ProposedAction};
use crate::agent::lexicon::Cues;
use crate::agent::source::{MAX_STATEMENT_CHARS, clean, cut, without_bullet};
use crate::agent::{AgentInput, RETRO_ACTION_TAG, words};
use jiff::civil::Date;
use mcp_contracts::memory::Memory;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Most items that are checked at the opening.
const MAX_CARRIED: usize = 10;
/// Share of words that makes two texts the same item.
const SAME: f64 = 0.8;
/// Share of words, and how many, that make a note speak of an item.
const SPEAKS_OF: (f64, usize) = (0.5, 2);

static DONE: LazyLock<Cues> = LazyLock::new(|| {
    Cues::new(
        r"done\b|finished|completed?\b|closed|resolved|implemented|introduced|in place|fixed|shipped|works now|erledigt|fertig|abgeschlossen|umgesetzt|hecho|terminad|complet|fait\b|terminé",
    )
});
static NOT_DONE: LazyLock<Cues> = LazyLock::new(|| {
    Cues::new(
        r"open\b|not (?:yet )?(?:done|started|finished)|still|pending|in progress|half|dropped|no time|did ?n['’]?o?t|offen|noch nicht|pendiente|pas encore|en cours",
    )
});

/// An action item as it is remembered.
pub(super) fn written(action: &ProposedAction, today: Date) -> String {
    format!(
        "Retro action: {}\nStatus: open\nOwner: {}\nDue: {}\nMeasure: {}\nTheme: {}\nDecided: {today}\n",
        action.what, action.owner, action.due, action.measure, action.theme
    )
}

/// The same when the notes say that it is done; the newer of two memories counts.
pub(super) fn closed(action: &CarriedAction, today: Date) -> String {
    let said = action.said.as_ref().map_or("", |said| said.text.as_str());
    format!("Retro action: {}\nStatus: done\nSaid: {said}\nClosed: {today}\n", action.what)
}

/// Reads what memory holds and what today's notes say about it; open ones first, the most overdue of them at the top.
pub(super) fn read(input: &AgentInput<'_>, notes: &[Note]) -> Vec<CarriedAction> {
    let mut memories: Vec<&Memory> = input.memories.iter().filter(|memory| is_action(memory)).collect();
    memories.sort_by(|left, right| right.created_at.cmp(&left.created_at).then_with(|| left.id.cmp(&right.id)));
    let mut seen: Vec<BTreeSet<String>> = Vec::new();
    let mut carried: Vec<CarriedAction> = Vec::new();
    for memory in memories {
        let Some(mut action) = parse(memory) else { continue };
        let words = words::significant(&action.what);
        if seen.iter().any(|known| words::overlap(known, &words) >= SAME && known.len().abs_diff(words.len()) <= 2) {
            continue;
        }
        seen.push(words.clone());
        if action.status == ActionStatus::Done {
            continue;
        }
        hear(&mut action, &words, notes);
        action.overdue = action.status == ActionStatus::Open && due(&action).is_some_and(|due| due < input.today);
        carried.push(action);
    }
    carried.extend(told(notes, &carried));
    carried.sort_by_key(|action| (action.status == ActionStatus::Done, due(action).unwrap_or(Date::MAX)));
    carried.truncate(MAX_CARRIED);
    carried
}

/// Earlier items that the notes tell of and memory does not hold.
fn told(notes: &[Note], known: &[CarriedAction]) -> Vec<CarriedAction> {
    let fresh = notes.iter().filter(|note| note.tone == Tone::Earlier).filter(|note| {
        let words = words::significant(&note.text);
        !known.iter().any(|action| {
            action.said.as_ref().is_some_and(|said| said.line == note.line)
                || words::overlap(&words::significant(&action.what), &words) >= SPEAKS_OF.0
        })
    });
    let action = |note: &Note| {
        let (what, state) = note.text.split_once(':').unwrap_or((&note.text, &note.text));
        let done = DONE.hold(state) && !NOT_DONE.hold(state);
        CarriedAction {
            id: None,
            what: what.trim().to_owned(),
            owner: None,
            due: None,
            measure: None,
            status: if done { ActionStatus::Done } else { ActionStatus::Open },
            overdue: false,
            said: Some(note.evidence()),
        }
    };
    fresh.map(action).collect()
}

fn is_action(memory: &Memory) -> bool {
    memory.tags.iter().any(|tag| tag == RETRO_ACTION_TAG) || memory.kind.as_deref() == Some(ACTION_KIND)
}

fn due(action: &CarriedAction) -> Option<Date> {
    action.due.as_ref()?.parse().ok()
}

/// An item out of a memory, ours or one that a person wrote.
fn parse(memory: &Memory) -> Option<CarriedAction> {
    let mut lines = memory.content.lines().map(clean).filter(|line| !line.is_empty());
    let first = lines.next()?;
    let what = first
        .split_once(':')
        .filter(|(name, _)| name.to_lowercase().contains("action"))
        .map_or(first.as_str(), |(_, what)| what);
    let mut action = CarriedAction {
        id: Some(memory.id.clone()),
        what: cut(without_bullet(what.trim()), MAX_STATEMENT_CHARS),
        owner: None,
        due: None,
        measure: None,
        status: if first.contains("[x]") { ActionStatus::Done } else { ActionStatus::Open },
        overdue: false,
        said: None,
    };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = cut(value.trim(), MAX_STATEMENT_CHARS);
        match name.trim().to_lowercase().as_str() {
            "status" if DONE.hold(&value) => action.status = ActionStatus::Done,
            "owner" => action.owner = Some(value),
            "due" => action.due = Some(value),
            "measure" => action.measure = Some(value),
            _ => {}
        }
    }
    (!action.what.is_empty()).then_some(action)
}

/// Takes what a note says about the item; a note among earlier action items counts before others.
fn hear(action: &mut CarriedAction, words: &BTreeSet<String>, notes: &[Note]) {
    let speaks = |note: &&Note| {
        if note.tone != Tone::Earlier && !DONE.occur(&note.text) && !NOT_DONE.occur(&note.text) {
            return false;
        }
        let spoken = words::significant(&note.text);
        spoken.intersection(words).count() >= SPEAKS_OF.1 && words::overlap(&spoken, words) >= SPEAKS_OF.0
    };
    let said =
        notes.iter().filter(|note| note.tone == Tone::Earlier).find(speaks).or_else(|| notes.iter().find(speaks));
    let Some(note) = said else { return };
    action.said = Some(note.evidence());
    if DONE.hold(&note.text) && !NOT_DONE.hold(&note.text) {
        action.status = ActionStatus::Done;
    }
}
