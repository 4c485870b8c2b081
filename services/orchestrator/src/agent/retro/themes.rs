//! Themes: notes that are about the same subject, heaviest first, with the questions to ask about them.

use super::context::TENSION;
use super::notes::{Note, Tone};
use super::plan::Theme;
use super::subjects::Subject;
use crate::agent::Evidence;
use crate::agent::lexicon::Cues;
use crate::agent::source::{capitalised, cut};
use crate::agent::words;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Most notes that a theme quotes.
const MAX_QUOTES: usize = 4;
/// Minutes of the box that one theme needs at least.
const MINUTES_PER_THEME: u32 = 15;
/// Most themes, whatever the box.
const MAX_THEMES: usize = 5;
/// Most groups of notes by the words that they share.
const MAX_GROUPS: usize = 12;
/// Count of cues that beats every other subject.
const ABOVE_ALL: usize = 100;
/// Longest note inside a question, in characters.
const MAX_QUESTION_CHARS: usize = 90;

static HARSH: LazyLock<Cues> = LazyLock::new(|| {
    Cues::new(
        r"garbage|idiot|stupid|incompetent|lazy\b|useless|crap\b|shit|hates?\b|['’]s fault|fault of|dumm\b|unfähig|tont[oa]\b|incompétent",
    )
});

/// A note as the plan may show it to everyone: a harsh word about somebody stays out of the round.
fn shown(note: &Note) -> Evidence {
    if HARSH.occur(&note.text) {
        return Evidence {
            line: note.line,
            text: "a harsh word about somebody; read it yourself before the meeting".to_owned(),
        };
    }
    note.evidence()
}

/// How many themes a box has time for.
pub(super) fn most(box_minutes: u32) -> usize {
    usize::try_from(box_minutes / MINUTES_PER_THEME).unwrap_or(MAX_THEMES).clamp(1, MAX_THEMES)
}

/// Clusters the notes that say something about the way of working.
pub(super) fn cluster(notes: &[Note]) -> Vec<Theme> {
    let telling: Vec<&Note> =
        notes.iter().filter(|note| matches!(note.tone, Tone::Well | Tone::Badly | Tone::Idea | Tone::Thanks)).collect();
    let mut by_subject: BTreeMap<Subject, Vec<&Note>> = BTreeMap::new();
    let mut others: Vec<&Note> = Vec::new();
    for note in telling {
        match subject(&note.text) {
            Some(subject) => by_subject.entry(subject).or_default().push(note),
            None => others.push(note),
        }
    }
    let mut themes: Vec<(usize, Theme)> =
        by_subject.into_iter().map(|(subject, notes)| (weight(&notes), known(subject, &notes))).collect();
    themes.extend(by_words(others).into_iter().map(|(title, notes)| (weight(&notes), other(title, &notes))));
    themes.sort_by_key(|(weight, theme)| (std::cmp::Reverse(*weight), theme.quotes.first().map(|quote| quote.line)));
    themes.into_iter().map(|(_, theme)| theme).collect()
}

/// The subject with the most cues; the first of the table among equals.
fn subject(text: &str) -> Option<Subject> {
    let scored =
        Subject::ALL.into_iter().map(|subject| (count(subject, text), subject)).filter(|(count, _)| *count > 0);
    scored.reduce(|best, other| if other.0 > best.0 { other } else { best }).map(|(_, subject)| subject)
}

/// Cues of a subject; how people treat each other weighs more than what they were talking about.
fn count(subject: Subject, text: &str) -> usize {
    if subject == Subject::Together && (TENSION.hold(text) || HARSH.occur(text)) {
        return ABOVE_ALL;
    }
    if subject.cues().occur(text) { subject.cues().count(text).max(1) } else { 0 }
}

/// What hurts weighs most; praise alone keeps a theme at the end.
fn weight(notes: &[&Note]) -> usize {
    notes
        .iter()
        .map(|note| match note.tone {
            Tone::Badly => 4,
            Tone::Idea => 2,
            Tone::Well | Tone::Thanks => 1,
            Tone::Earlier | Tone::Fact => 0,
        })
        .sum()
}

fn known(subject: Subject, notes: &[&Note]) -> Theme {
    let knowledge = subject.knowledge();
    let mut theme = theme(knowledge.title.to_owned(), notes);
    if theme.badly + theme.ideas == 0 {
        theme.questions.push(
            "What could have made this go wrong, and who outside the team should know how it was done?".to_owned(),
        );
    } else {
        theme.questions.extend(knowledge.questions.map(str::to_owned));
    }
    theme.subject = Some(subject);
    theme
}

fn other(title: String, notes: &[&Note]) -> Theme {
    let mut theme = theme(title, notes);
    if theme.badly + theme.ideas == 0 {
        return theme;
    }
    theme
        .questions
        .push("What would be different a month from now if this were solved, and who would notice first?".to_owned());
    theme.questions.push("Which part of it is in our own hands?".to_owned());
    theme
}

fn theme(title: String, notes: &[&Note]) -> Theme {
    let of = |wanted: &[Tone]| notes.iter().filter(|note| wanted.contains(&note.tone)).copied().collect::<Vec<&Note>>();
    let (badly, ideas, well) = (of(&[Tone::Badly]), of(&[Tone::Idea]), of(&[Tone::Well, Tone::Thanks]));
    let mut quoted: Vec<&Note> =
        badly.iter().take(2).chain(ideas.iter().take(1)).chain(well.iter().take(1)).copied().collect();
    for note in notes {
        if quoted.len() < MAX_QUOTES && !quoted.iter().any(|known| std::ptr::eq(*known, *note)) {
            quoted.push(note);
        }
    }
    quoted.sort_by_key(|note| note.line);
    Theme {
        title,
        well: well.len(),
        badly: badly.len(),
        ideas: ideas.len(),
        more: notes.len() - quoted.len(),
        quotes: quoted.into_iter().map(shown).collect(),
        questions: questions(&badly, &ideas, &well),
        subject: None,
        idea: ideas.first().map(|note| shown(note)),
    }
}

/// Questions out of the notes themselves.
fn questions(badly: &[&Note], ideas: &[&Note], well: &[&Note]) -> Vec<String> {
    let quote = |note: &Note| format!("“{}” (line {})", cut(&shown(note).text, MAX_QUESTION_CHARS), note.line);
    let badly: Vec<&&Note> = badly.iter().filter(|note| !HARSH.occur(&note.text)).collect();
    let mut questions = Vec::new();
    match (badly.first(), well.first()) {
        (Some(bad), Some(good)) => {
            questions.push(format!("{} and {}: what made the difference between the two?", quote(bad), quote(good)))
        }
        (Some(bad), None) => {
            questions.push(format!("{}: how did it come about, step by step, and where did it first show?", quote(bad)))
        }
        (None, Some(good)) => {
            questions.push(format!("{}: what did we do that made this possible, and how do we keep it?", quote(good)))
        }
        (None, None) => {}
    }
    if let Some(idea) = ideas.first() {
        questions.push(format!("{}: what is the smallest trial of it, and what would tell us to stop?", quote(idea)));
    }
    questions
}

/// Notes of no known subject, grouped by the words that they share.
fn by_words(notes: Vec<&Note>) -> Vec<(String, Vec<&Note>)> {
    let mut left: Vec<(BTreeSet<String>, &Note)> =
        notes.into_iter().map(|note| (words::significant(&note.text), note)).collect();
    let mut groups = Vec::new();
    while groups.len() < MAX_GROUPS {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for word in left.iter().flat_map(|(words, _)| words) {
            *counts.entry(word).or_default() += 1;
        }
        let shared = counts
            .into_iter()
            .filter(|(_, count)| *count >= 2)
            .reduce(|best, other| if other.1 > best.1 { other } else { best });
        let Some(word) = shared.map(|(word, _)| word.to_owned()) else { break };
        let (group, rest) = left.into_iter().partition(|(words, _)| words.contains(&word));
        left = rest;
        let group: Vec<(BTreeSet<String>, &Note)> = group;
        groups.push((format!("About “{word}”"), group.into_iter().map(|(_, note)| note).collect()));
    }
    groups.extend(single(left));
    groups
}

/// Complaints and ideas that stand alone are themes of their own; praise that does is one theme together.
fn single(left: Vec<(BTreeSet<String>, &Note)>) -> Vec<(String, Vec<&Note>)> {
    let (heavy, light): (Vec<&Note>, Vec<&Note>) =
        left.into_iter().map(|(_, note)| note).partition(|note| matches!(note.tone, Tone::Badly | Tone::Idea));
    let mut groups: Vec<(String, Vec<&Note>)> =
        heavy.into_iter().map(|note| (format!("“{}”", capitalised(&cut(&note.text, 60))), vec![note])).collect();
    if !light.is_empty() {
        groups.push(("What else went well".to_owned(), light));
    }
    groups
}
