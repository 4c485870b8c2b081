//! Themes: notes about the same subject, most important first, with open questions about them.

use super::notes::{Note, Tone};
use super::plan::Theme;
use crate::agent::Evidence;
use crate::agent::lexicon::{LEXICON, Subject};
use crate::agent::source::{capitalised, cut};
use std::cmp::Reverse;

/// Most notes that a theme quotes.
const MAX_QUOTES: usize = 4;
/// Minutes of the time box that one theme needs.
const MINUTES_PER_THEME: u32 = 15;
const MAX_THEMES: usize = 5;
/// Longest note in a title, and in a question, in characters.
const MAX_TITLE_CHARS: usize = 60;
const MAX_QUESTION_CHARS: usize = 90;

/// Returns the number of themes for which a time box has time.
pub(super) fn most(box_minutes: u32) -> usize {
    usize::try_from(box_minutes / MINUTES_PER_THEME).unwrap_or(MAX_THEMES).clamp(1, MAX_THEMES)
}

/// Returns the themes of the notes that judge the way of working. A complaint or an idea about no known subject is a theme of its own; praise
/// about no known subject is omitted.
pub(super) fn cluster(notes: &[Note]) -> Vec<Theme> {
    let is_judgement = |note: &&Note| matches!(note.tone, Tone::Well | Tone::Badly | Tone::Idea | Tone::Thanks);
    let (known, other): (Vec<_>, Vec<_>) = notes
        .iter()
        .filter(is_judgement)
        .map(|note| (subject(&note.text), note))
        .partition(|(place, _)| place.is_some());
    let mut themes: Vec<(usize, Theme)> = Vec::new();
    for (place, subject) in LEXICON.retrospective.subject.iter().enumerate() {
        let notes: Vec<&Note> = known.iter().filter(|(of, _)| *of == Some(place)).map(|(_, note)| *note).collect();
        if !notes.is_empty() {
            themes.push((weight(&notes), theme(subject.title.clone(), Some(place), &notes)));
        }
    }
    for (_, note) in other.into_iter().filter(|(_, note)| matches!(note.tone, Tone::Badly | Tone::Idea)) {
        let title = format!("“{}”", capitalised(&cut(&quoted(note).text, MAX_TITLE_CHARS)));
        themes.push((weight(&[note]), theme(title, None, &[note])));
    }
    themes.sort_by_key(|(weight, theme)| (Reverse(*weight), theme.quotes.first().map(|quote| quote.line)));
    themes.into_iter().map(|(_, theme)| theme).collect()
}

/// Returns the number of the subject with most cues; of several with the same number, the first.
fn subject(text: &str) -> Option<usize> {
    let counts = LEXICON.retrospective.subject.iter().map(|subject| subject.cues.find_all(text).count()).enumerate();
    counts.rev().max_by_key(|(_, count)| *count).filter(|(_, count)| *count > 0).map(|(place, _)| place)
}

/// Complaints weigh most; praise alone keeps a theme at the end.
fn weight(notes: &[&Note]) -> usize {
    let weight = |note: &&Note| match note.tone {
        Tone::Badly => 4,
        Tone::Idea => 2,
        Tone::Well | Tone::Thanks => 1,
        Tone::Earlier | Tone::Fact => 0,
    };
    notes.iter().map(weight).sum()
}

fn is_harsh(note: &Note) -> bool {
    LEXICON.retrospective.harsh.occur(&note.text)
}

/// Returns a note in a form that the whole team may read: a harsh one is replaced by a pointer to its line.
fn quoted(note: &Note) -> Evidence {
    if is_harsh(note) {
        let text = "a harsh word about a person; read it yourself before the meeting".to_owned();
        return Evidence { line: note.line, text };
    }
    note.evidence()
}

fn theme(title: String, subject: Option<usize>, notes: &[&Note]) -> Theme {
    let of = |tones: &[Tone]| notes.iter().filter(|note| tones.contains(&note.tone)).copied().collect::<Vec<&Note>>();
    let (badly, ideas, well) = (of(&[Tone::Badly]), of(&[Tone::Idea]), of(&[Tone::Well, Tone::Thanks]));
    // Two complaints, an idea and praise, if there are any; then further notes in their order.
    let mut chosen: Vec<&Note> =
        [&badly[..badly.len().min(2)], &ideas[..ideas.len().min(1)], &well[..well.len().min(1)]].concat();
    let rest = notes.iter().filter(|note| !chosen.iter().any(|one| std::ptr::eq(*one, **note))).copied();
    let rest: Vec<&Note> = rest.take(MAX_QUOTES - chosen.len()).collect();
    chosen.extend(rest);
    chosen.sort_by_key(|note| note.line);
    Theme {
        title,
        well: well.len(),
        badly: badly.len(),
        ideas: ideas.len(),
        more: notes.len() - chosen.len(),
        quotes: chosen.into_iter().map(quoted).collect(),
        questions: questions(subject.map(|place| &LEXICON.retrospective.subject[place]), &badly, &ideas, &well),
        subject,
        idea: ideas.first().map(|note| quoted(note)),
    }
}

/// Questions about the notes, then those of the subject.
fn questions(subject: Option<&Subject>, badly: &[&Note], ideas: &[&Note], well: &[&Note]) -> Vec<String> {
    let quote = |note: &&Note| format!("“{}” (line {})", cut(&quoted(note).text, MAX_QUESTION_CHARS), note.line);
    let bad = badly.iter().find(|note| !is_harsh(note)).map(quote);
    let about_notes = match (bad, well.first().map(quote)) {
        (Some(bad), Some(good)) => Some(format!("{bad} and {good}: what made the difference between the two?")),
        (Some(bad), None) => Some(format!("{bad}: how did it come about, step by step, and where did it first show?")),
        (None, Some(good)) => Some(format!("{good}: what did we do that made this possible, and how do we keep it?")),
        (None, None) => None,
    };
    let trial = "what is the smallest trial of it, and what would tell us to stop?";
    let about_idea = ideas.first().map(|idea| format!("{}: {trial}", quote(idea)));
    let own: Vec<String> = match subject {
        _ if badly.is_empty() && ideas.is_empty() => {
            vec!["What could have made this go wrong, and who outside the team should know how it was done?".to_owned()]
        }
        Some(subject) => subject.questions.clone(),
        None => vec![
            "What would be different a month from now if this were solved, and what of it is in our hands?".to_owned(),
        ],
    };
    about_notes.into_iter().chain(about_idea).chain(own).collect()
}
