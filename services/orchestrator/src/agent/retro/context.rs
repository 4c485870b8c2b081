//! The length of the sprint and of the meeting, as the notes state them.

use super::notes::Note;
use super::plan::Context;
use crate::agent::AgentInput;
use crate::agent::lexicon::{Cues, LEXICON};

const DEFAULT_BOX_MINUTES: f64 = 60.0;
const SHORTEST_BOX_MINUTES: f64 = 15.0;
const LONGEST_BOX_MINUTES: f64 = 240.0;
const DEFAULT_SPRINT_DAYS: f64 = 14.0;
/// Larger numbers are not what they seem.
const MOST_SPRINT_DAYS: f64 = 60.0;
const MOST_MINUTES: f64 = 600.0;

pub(super) fn read(notes: &[Note], input: &AgentInput<'_>) -> Context {
    let rules = &LEXICON.retrospective;
    let texts: Vec<String> =
        notes.iter().map(|note| note.text.as_str()).chain([input.intent]).map(with_digits).collect();
    let number = |cues: &Cues, unit: f64, most: f64| {
        let in_text = |text: &String| cues.numbers(text)?.first().map(|number| number * unit);
        texts.iter().find_map(|text| in_text(text).filter(|number| (1.0..=most).contains(number)))
    };
    let days = |cues, unit| number(cues, unit, MOST_SPRINT_DAYS);
    let minutes = |cues, unit| number(cues, unit, MOST_MINUTES);
    let sprint_days = days(&rules.sprint_days, 1.0).or_else(|| days(&rules.sprint_weeks, 7.0));
    let box_minutes = minutes(&rules.box_minutes, 1.0).or_else(|| minutes(&rules.box_hours, 60.0));
    let box_minutes = box_minutes.unwrap_or(DEFAULT_BOX_MINUTES).clamp(SHORTEST_BOX_MINUTES, LONGEST_BOX_MINUTES);
    Context { sprint_days: sprint_days.unwrap_or(DEFAULT_SPRINT_DAYS) as u32, box_minutes: box_minutes as u32 }
}

/// Writes numbers as digits: `2-week sprint` for `two-week sprint`.
fn with_digits(text: &str) -> String {
    let words = text.to_lowercase();
    let words = words.split_inclusive(|edge: char| !edge.is_alphanumeric());
    let digits = |word: &str| {
        let (name, edge) = word.split_at(word.trim_end_matches(|edge: char| !edge.is_alphanumeric()).len());
        let number = LEXICON.retrospective.number_words.get(name);
        number.map_or_else(|| word.to_owned(), |number| format!("{number}{edge}"))
    };
    words.map(digits).collect()
}
