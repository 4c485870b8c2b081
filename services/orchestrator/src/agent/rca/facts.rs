//! Reads a text about an incident as facts: statements with a line, a time if there is one, and the kind of event that they report. Log lines
//! that differ only in numbers are one fact with a count.

use super::report::Mark;
use crate::agent::Evidence;
use crate::agent::lexicon::{LEXICON, clauses, is_hypothetical};
use crate::agent::source::{MAX_STATEMENT_CHARS, Source, cut, sentences, without_bullet};
use crate::agent::timestamp::{TimedPart, Timestamp, TimestampParser};
use std::collections::HashMap;

/// Most facts that are read. The report states the number of further ones.
const MAX_FACTS: usize = 1_500;
const MAX_PRAISE: usize = 6;
/// Lines up to this length are never counted as repetitions of others, because they are words of people rather than log lines.
const MIN_LOG_LINE_BYTES: usize = 24;
/// Most words of a name. A chat line with a time and only capitalised words names the speaker of the lines below it.
const MAX_SPEAKER_WORDS: usize = 3;

#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) mark: Mark,
    pub(super) occurrences: usize,
}

impl Fact {
    pub(super) fn evidence(&self) -> Evidence {
        Evidence { line: self.line, text: self.text.clone() }
    }

    /// Returns true if the statement reports what happened rather than a plan, praise or a supposition.
    pub(super) fn is_report(&self) -> bool {
        let rules = &LEXICON.incident;
        !is_hypothetical(&self.text) && !rules.to_do.occur(&self.text) && !rules.went_well.hold(&self.text)
    }
}

#[derive(Debug, Default)]
pub(super) struct Facts {
    /// In the order of the text.
    pub(super) all: Vec<Fact>,
    /// Number of facts beyond [`MAX_FACTS`].
    pub(super) left_out: usize,
    shapes: HashMap<String, usize>,
}

impl Facts {
    pub(super) fn read(source: &Source, timestamps: &mut TimestampParser) -> Self {
        let mut facts = Self::default();
        let mut speaking: Option<(Timestamp, usize)> = None;
        for line in &source.lines {
            let parts = parts(without_bullet(&line.text), timestamps);
            let is_timed = parts.iter().any(|part| part.timestamp.is_some());
            let names_incident = LEXICON.incident.title.occur(&line.text) && !line.text.ends_with('.');
            // A title and a heading name the incident, but report no event.
            let is_title = line.line == 1 && names_incident && !is_timed;
            if is_title || line.text.starts_with('#') {
                continue;
            }
            if let Some(timestamp) = speaker(&parts) {
                speaking = Some((timestamp, line.line));
                continue;
            }
            // A blank line, or a line with a time of its own, ends the words of the speaker.
            speaking = speaking.filter(|(_, last)| !is_timed && line.line <= last + 1);
            for part in parts {
                let timestamp = part.timestamp.or(speaking.map(|(timestamp, _)| timestamp));
                facts.add(line.line, TimedPart { timestamp, ..part });
            }
            speaking = speaking.map(|(timestamp, _)| (timestamp, line.line));
        }
        facts
    }

    /// Returns the facts that report what happened.
    pub(super) fn reports(&self) -> impl Iterator<Item = &Fact> {
        self.all.iter().filter(|fact| fact.is_report())
    }

    /// Returns the statements in which the text praises something.
    pub(super) fn praise(&self) -> Vec<Evidence> {
        let is_praise = |fact: &&Fact| LEXICON.incident.went_well.hold(&fact.text) && fact.mark != Mark::Attempt;
        self.all.iter().filter(is_praise).take(MAX_PRAISE).map(Fact::evidence).collect()
    }

    fn add(&mut self, line: usize, part: TimedPart) {
        let mark = if part.since { Mark::Symptom } else { mark(&part.text) };
        if matches!(mark, Mark::Symptom | Mark::Note) && part.text.len() > MIN_LOG_LINE_BYTES && !part.since {
            let shape = shape(&part.text);
            if let Some(&first) = self.shapes.get(&shape) {
                self.all[first].occurrences += 1;
                return;
            }
            self.shapes.insert(shape, self.all.len());
        }
        if self.all.len() >= MAX_FACTS {
            self.left_out += 1;
            return;
        }
        let text = cut(part.text.trim_end_matches([';', ',', ' ']), MAX_STATEMENT_CHARS);
        self.all.push(Fact { line, text, timestamp: part.timestamp, mark, occurrences: 1 });
    }
}

/// Splits a line into parts. A line that begins with a time, as in a log or a chat, is one statement; other lines are prose and are first split
/// into sentences.
fn parts(text: &str, timestamps: &mut TimestampParser) -> Vec<TimedPart> {
    let is_digit = |character: char| character.is_ascii_digit();
    let head: String = text.chars().take(24).skip_while(|character| !character.is_alphanumeric()).collect();
    if head.starts_with(is_digit) && head.matches(is_digit).count() >= 3 {
        return timestamps.split(text);
    }
    sentences(text).into_iter().flat_map(|sentence| timestamps.split(sentence)).collect()
}

fn speaker(parts: &[TimedPart]) -> Option<Timestamp> {
    let [TimedPart { timestamp: Some(timestamp), text, .. }] = parts else { return None };
    let mut words = text.split(' ').filter(|word| word.chars().any(char::is_alphabetic));
    let is_name = words.clone().all(|word| word.starts_with(char::is_uppercase) || word.starts_with('@'));
    // The colon is that of the time: it is after the name, so the text still contains it.
    (is_name && words.nth(MAX_SPEAKER_WORDS).is_none() && text.contains(':')).then_some(*timestamp)
}

/// Returns a log line with its numbers and ids replaced, so that lines that differ only in these are equal.
fn shape(text: &str) -> String {
    let words = text.split(|character: char| !(character.is_alphanumeric() || character == '-'));
    let word =
        |word: &str| if word.contains(|c: char| c.is_ascii_digit()) { "#".to_owned() } else { word.to_lowercase() };
    words.map(word).collect::<Vec<_>>().join(" ")
}

/// Returns the kind of event that a statement reports. It is a note if no other kind fits.
fn mark(text: &str) -> Mark {
    let rules = &LEXICON.incident;
    let is_factor = |category: &str| super::rule(category).is_some_and(|rule| rule.cues.occur(text));
    let unnoticed = is_factor("detection");
    // "Status page set to degraded", "no alert on errors": such a clause names a failure and reports none.
    let is_about_response = |clause: &str| {
        super::rule("detection").is_some_and(|rule| rule.cues.occur(clause)) || rules.response.hold(clause)
    };
    let kinds: [(Mark, &dyn Fn() -> bool); 7] = [
        (Mark::Attempt, &|| rules.without_effect.occur(text) && rules.mitigated.occur(text)),
        (Mark::Resolved, &|| rules.resolved.hold(text)),
        (Mark::Mitigated, &|| rules.mitigated.hold(text)),
        (Mark::Detected, &|| rules.detected.hold(text) && !unnoticed),
        (Mark::Symptom, &|| clauses(text).any(|clause| is_symptom(clause) && !is_about_response(clause))),
        (Mark::Response, &|| rules.response.hold(text)),
        (Mark::Change, &|| rules.change.hold(text) && !unnoticed && !is_factor("process")),
    ];
    let kind = kinds.into_iter().find(|(_, holds)| !is_hypothetical(text) && holds());
    kind.map_or(Mark::Note, |(mark, _)| mark)
}

/// Returns true if a clause reports a failure, a rise of something bad or a fall of something good. Returns
/// false if the clause says that all is well or that something bad falls, or if it only names a metric.
pub(super) fn is_symptom(clause: &str) -> bool {
    let rules = &LEXICON.incident;
    if rules.health.hold(clause) {
        return false;
    }
    let (is_bad, is_good) = (rules.bad_metric.occur(clause), rules.good_metric.occur(clause));
    let (rises, fall) = (rules.rise.hold(clause), rules.fall.affirmed(clause).next());
    let names_metric = |at: usize| rules.bad_metric.find_all(clause).any(|metric| metric.contains(&at));
    let failure = rules.failure.affirmed(clause).find(|failure| !names_metric(failure.start));
    match (failure, fall) {
        (Some(failure), Some(fall)) => is_good || fall.start < failure.start,
        (Some(_), None) => true,
        (None, Some(_)) => is_good && !rises,
        (None, None) => is_bad && rises,
    }
}
