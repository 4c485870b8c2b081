//! Reads the notes of a team: every statement with its tone. The section decides the tone, else the words do. A note whose words decide nothing
//! is a fact.

use crate::agent::Evidence;
use crate::agent::lexicon::LEXICON;
use crate::agent::source::{MAX_STATEMENT_CHARS, Source, cut, sentences, without_bullet};

const MAX_NOTES: usize = 1_000;
/// A longer line is a note and not the name of a section.
const MAX_SECTION_WORDS: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Well,
    Badly,
    Idea,
    Thanks,
    /// About an earlier action item.
    Earlier,
    /// Context, numbers, anything else.
    Fact,
}

#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) tone: Tone,
}

impl Note {
    pub(super) fn evidence(&self) -> Evidence {
        Evidence { line: self.line, text: self.text.clone() }
    }
}

pub(super) fn read(source: &Source) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut section: Option<Tone> = None;
    let mut last = 0;
    for line in &source.lines {
        let is_heading = line.text.starts_with('#');
        let text = without_bullet(&line.text);
        if let Some(tone) = section_tone(text) {
            (section, last) = (Some(tone), line.line);
            continue;
        }
        // Two blank lines or a heading of another kind end a section.
        if is_heading || line.line > last + 2 {
            section = None;
        }
        last = line.line;
        if is_heading {
            continue;
        }
        let (tone, text) = prefixed(&line.text, text).map_or((section, text), |(tone, text)| (Some(tone), text));
        notes.extend(sentences(text).into_iter().map(|sentence| Note {
            line: line.line,
            text: cut(sentence.trim_end_matches([';', ' ']), MAX_STATEMENT_CHARS),
            tone: tone.unwrap_or_else(|| tone_of_words(sentence)),
        }));
    }
    notes.truncate(MAX_NOTES);
    notes
}

fn section_tone(text: &str) -> Option<Tone> {
    let sections = &LEXICON.retrospective.sections;
    let tones = [
        (&sections.earlier, Tone::Earlier),
        (&sections.badly, Tone::Badly),
        (&sections.well, Tone::Well),
        (&sections.idea, Tone::Idea),
        (&sections.thanks, Tone::Thanks),
        (&sections.fact, Tone::Fact),
    ];
    let is_name = text.split_whitespace().nth(MAX_SECTION_WORDS).is_none();
    tones.into_iter().find(|(names, _)| is_name && names.are_all_of(text)).map(|(_, tone)| tone)
}

/// Returns the tone of a line such as `good: …`, `+ …` or `👍 …`, and the rest of the line.
fn prefixed<'a>(raw: &'a str, text: &'a str) -> Option<(Tone, &'a str)> {
    const MARKS: [(&str, Tone); 5] =
        [("+ ", Tone::Well), ("👍", Tone::Well), ("👎", Tone::Badly), ("💡", Tone::Idea), ("❤", Tone::Thanks)];
    if let Some((tone, rest)) = MARKS.into_iter().find_map(|(mark, tone)| Some((tone, raw.strip_prefix(mark)?))) {
        return Some((tone, rest.trim_start()));
    }
    let (name, rest) = text.split_once(':')?;
    let tone = section_tone(name)?;
    // The name of a fact is a part of it: `mood: 3/5` without its name is only a number.
    let rest = if tone == Tone::Fact { text } else { rest.trim() };
    rest.chars().any(char::is_alphanumeric).then_some((tone, rest))
}

fn tone_of_words(text: &str) -> Tone {
    let rules = &LEXICON.retrospective;
    let is_good = rules.good.hold(text);
    let is_bad = rules.bad.hold(text) || (rules.good.occur(text) && !is_good);
    match (rules.idea.hold(text), is_good, is_bad) {
        (true, _, _) => Tone::Idea,
        (false, true, false) => Tone::Well,
        (false, false, true) => Tone::Badly,
        (false, _, _) => Tone::Fact,
    }
}
