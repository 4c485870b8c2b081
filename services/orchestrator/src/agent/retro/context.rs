//! The team as its notes show it: size, sprint, setting, time box, mood, numbers, situation.

use super::notes::{Note, Tone};
use super::plan::{Situation, TeamContext};
use crate::agent::AgentInput;
use crate::agent::figures::figures;
use crate::agent::lexicon::{Cues, LEXICON};

const DEFAULT_BOX_MINUTES: f64 = 60.0;
const SHORTEST_BOX_MINUTES: f64 = 15.0;
const LONGEST_BOX_MINUTES: f64 = 240.0;
const DEFAULT_SPRINT_DAYS: f64 = 14.0;
/// Larger numbers are not what they seem.
const MOST_SPRINT_DAYS: f64 = 60.0;
const MOST_MINUTES: f64 = 600.0;
const MOST_PEOPLE: f64 = 99.0;
const MAX_METRICS: usize = 10;
/// Below this part of its scale a mood is low.
const LOW_MOOD: f64 = 0.55;
/// Notes of praise from which on a lack of complaints is remarkable.
const MANY_PRAISE: usize = 3;

pub(super) fn read(notes: &[Note], input: &AgentInput<'_>) -> TeamContext {
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
    let mood = notes.iter().find(|note| rules.mood_score.occur(&note.text));
    let mood = mood.or_else(|| notes.iter().find(|note| rules.mood.hold(&note.text)));
    let evidence: Vec<_> = notes.iter().filter(|note| note.tone != Tone::Idea).map(Note::evidence).collect();
    TeamContext {
        team_size: number(&rules.team_size, 1.0, MOST_PEOPLE).map(|size| size as u32),
        sprint_days: sprint_days.unwrap_or(DEFAULT_SPRINT_DAYS) as u32,
        setting: setting(notes).map(str::to_owned),
        box_minutes: box_minutes as u32,
        mood: mood.map(Note::evidence),
        situations: situations(notes, input),
        metrics: figures(&evidence, MAX_METRICS),
    }
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

fn setting(notes: &[Note]) -> Option<&'static str> {
    let rules = &LEXICON.retrospective;
    let hold = |cues: &Cues| notes.iter().any(|note| cues.hold(&note.text));
    match (hold(&rules.hybrid), hold(&rules.remote), hold(&rules.on_site)) {
        (true, _, _) | (false, true, true) => Some("hybrid"),
        (false, true, false) => Some("remote"),
        (false, false, true) => Some("on_site"),
        (false, false, false) => None,
    }
}

fn situations(notes: &[Note], input: &AgentInput<'_>) -> Vec<Situation> {
    let cues = &LEXICON.retrospective.situations;
    let hold = |cues: &Cues| cues.hold(input.intent) || notes.iter().any(|note| cues.hold(&note.text));
    let is_low = |score: Vec<f64>| score[1] > 0.0 && score[0] / score[1] < LOW_MOOD;
    let low_mood = notes.iter().filter_map(|note| LEXICON.retrospective.mood_score.numbers(&note.text)).any(is_low);
    let count = |tone: Tone| notes.iter().filter(|note| note.tone == tone).count();
    let all_praise = count(Tone::Well) + count(Tone::Thanks) >= MANY_PRAISE && count(Tone::Badly) == 0;
    let situations = [
        (Situation::Tension, hold(&cues.tension)),
        (Situation::Fatigue, hold(&cues.fatigue) || low_mood),
        (Situation::Incident, hold(&cues.incident)),
        (Situation::Shipped, hold(&cues.shipped)),
        (Situation::NewTeam, hold(&cues.new_team)),
        (Situation::Quiet, hold(&cues.quiet)),
        (Situation::AllPraise, all_praise),
    ];
    situations.into_iter().filter_map(|(situation, holds)| holds.then_some(situation)).collect()
}
