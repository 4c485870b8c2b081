//! Reads a text about an incident as facts: statements with a line, a time if there is one, and the kind of event that they report. Log lines
//! that differ only in numbers are one fact with a count.

use super::report::{Category, Mark};
use crate::agent::lexicon::{LEXICON, clauses, is_hypothetical};
use crate::agent::source::{MAX_STATEMENT_CHARS, Source, cut, sentences, without_bullet};
use crate::agent::timestamp::{TimedPart, Timestamp, TimestampParser};
use crate::agent::{AgentInput, Evidence};
use std::collections::{BTreeMap, HashMap};

/// Most facts that are read. The report states the number of further ones.
const MAX_FACTS: usize = 1_500;
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
    /// The part of the system that the text names most often.
    pub(super) subject: Option<String>,
    shapes: HashMap<String, usize>,
}

impl Facts {
    pub(super) fn read(source: &Source, timestamps: &mut TimestampParser, input: &AgentInput<'_>) -> Self {
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
        facts.subject = subject(&facts.all, input);
        facts
    }

    pub(super) fn subject(&self) -> &str {
        self.subject.as_deref().unwrap_or("the affected service")
    }

    /// Returns the facts that report what happened.
    pub(super) fn reports(&self) -> impl Iterator<Item = &Fact> {
        self.all.iter().filter(|fact| fact.is_report())
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
    let monitoring_failed = |text: &str| Category::Detection.rule().cues.occur(text);
    // "Status page set to degraded", "no alert on errors": such a clause names a failure and reports none.
    let is_about_response = |clause: &str| monitoring_failed(clause) || rules.response.hold(clause);
    if is_hypothetical(text) {
        Mark::Note
    } else if rules.without_effect.occur(text) && rules.mitigated.occur(text) {
        Mark::Attempt
    } else if rules.resolved.hold(text) {
        Mark::Resolved
    } else if rules.mitigated.hold(text) {
        Mark::Mitigated
    } else if rules.detected.hold(text) && !monitoring_failed(text) {
        Mark::Detected
    } else if clauses(text).any(|clause| is_symptom(clause) && !is_about_response(clause)) {
        Mark::Symptom
    } else if rules.response.hold(text) {
        Mark::Response
    } else if rules.change.hold(text) && !monitoring_failed(text) && !Category::Process.rule().cues.occur(text) {
        Mark::Change
    } else {
        Mark::Note
    }
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

/// Returns the name that the text uses most for a part of the system, such as `checkout-api` or `orders_db`; a plain word such as `database` if
/// the text has no such name.
fn subject(facts: &[Fact], input: &AgentInput<'_>) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    // A part that was changed or failed is more likely the subject than one that only a note mentions.
    let weighted = facts.iter().map(|fact| {
        let weight = match fact.mark {
            Mark::Change | Mark::Mitigated | Mark::Attempt => 3,
            Mark::Symptom | Mark::Detected => 2,
            Mark::Response | Mark::Resolved | Mark::Note => 1,
        };
        (fact.text.as_str(), weight)
    });
    for (text, weight) in weighted.chain([(input.intent, 3)]) {
        let words = text.split(|character: char| !(character.is_ascii_alphanumeric() || "-_".contains(character)));
        for word in words.filter(|word| names_a_part(word)) {
            *counts.entry(word).or_default() += weight;
        }
    }
    let plain = || {
        let texts = facts.iter().map(|fact| fact.text.as_str()).chain([input.intent]);
        let mut words = texts.flat_map(|text| text.split(|c: char| !c.is_alphanumeric())).map(str::to_lowercase);
        words.find(|word| LEXICON.incident.plain_parts.contains(word))
    };
    let most = counts.into_iter().max_by(|left, right| left.1.cmp(&right.1).then_with(|| right.0.cmp(left.0)));
    most.map(|(word, _)| word.to_owned()).or_else(plain)
}

fn names_a_part(word: &str) -> bool {
    let parts: Vec<&str> = word.split(['-', '_']).collect();
    let ends = |last: &&str| LEXICON.incident.part_endings.iter().any(|ending| ending == last);
    word.starts_with(|first: char| first.is_ascii_lowercase())
        && (2..=4).contains(&parts.len())
        && word.len() <= 40
        && parts.iter().all(|part| !part.is_empty())
        && parts.last().is_some_and(ends)
}
