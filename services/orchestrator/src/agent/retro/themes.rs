//! Themes: notes about the same subject, most important first. The subjects and their questions are data.

use super::notes::{Note, Tone};
use super::plan::Theme;
use crate::agent::Evidence;
use crate::agent::lexicon::LEXICON;
use crate::agent::source::{capitalised, cut};
use std::cmp::Reverse;

/// Most notes that a theme quotes.
const MAX_QUOTES: usize = 4;
/// Minutes of the time box that one theme needs.
const MINUTES_PER_THEME: u32 = 15;
const MAX_THEMES: usize = 5;
/// Longest note in a title, in characters.
const MAX_TITLE_CHARS: usize = 60;

/// Returns the number of themes for which a time box has time.
pub(super) fn most(box_minutes: u32) -> usize {
    usize::try_from(box_minutes / MINUTES_PER_THEME).unwrap_or(MAX_THEMES).clamp(1, MAX_THEMES)
}

/// Returns the themes of the notes that judge the way of working. A complaint or an idea about no known subject is a theme of its own; praise
/// about no known subject is omitted.
pub(super) fn cluster(notes: &[Note]) -> Vec<Theme> {
    let mut clusters: Vec<(Option<usize>, Vec<&Note>)> = Vec::new();
    for note in notes.iter().filter(|note| !matches!(note.tone, Tone::Earlier | Tone::Fact)) {
        let subject = subject(&note.text);
        match clusters.iter_mut().find(|(of, _)| of.is_some() && *of == subject) {
            Some((_, notes)) => notes.push(note),
            None if subject.is_some() || matches!(note.tone, Tone::Badly | Tone::Idea) => {
                clusters.push((subject, vec![note]));
            }
            None => {}
        }
    }
    let mut themes: Vec<Theme> = clusters.into_iter().map(|(subject, notes)| theme(subject, &notes)).collect();
    // A complaint weighs most; praise alone keeps a theme at the end. The sort is stable: of equal themes the first noted comes first.
    themes.sort_by_key(|theme| Reverse(4 * theme.badly + 2 * theme.ideas + theme.well));
    themes
}

/// Returns the number of the subject with most cues; of several with the same number, the first.
fn subject(text: &str) -> Option<usize> {
    let counts = LEXICON.retrospective.subject.iter().map(|subject| subject.cues.find_all(text).count()).enumerate();
    counts.rev().max_by_key(|(_, count)| *count).filter(|(_, count)| *count > 0).map(|(place, _)| place)
}

/// Returns a note in a form that the whole team may read: a harsh one is replaced by a pointer to its line.
fn quoted(note: &Note) -> Evidence {
    if LEXICON.retrospective.harsh.occur(&note.text) {
        let text = "a harsh word about a person; read it yourself before the meeting".to_owned();
        return Evidence { line: note.line, text };
    }
    note.evidence()
}

fn theme(subject: Option<usize>, notes: &[&Note]) -> Theme {
    let count = |tones: &[Tone]| notes.iter().filter(|note| tones.contains(&note.tone)).count();
    let known = subject.map(|place| &LEXICON.retrospective.subject[place]);
    let own_title = || format!("“{}”", capitalised(&cut(&quoted(notes[0]).text, MAX_TITLE_CHARS)));
    Theme {
        title: known.map_or_else(own_title, |subject| subject.title.clone()),
        well: count(&[Tone::Well, Tone::Thanks]),
        badly: count(&[Tone::Badly]),
        ideas: count(&[Tone::Idea]),
        quotes: notes.iter().take(MAX_QUOTES).map(|note| quoted(note)).collect(),
        questions: known.map_or(&LEXICON.retrospective.questions, |subject| &subject.questions).clone(),
        subject,
        idea: notes.iter().find(|note| note.tone == Tone::Idea).map(|note| quoted(note)),
    }
}
