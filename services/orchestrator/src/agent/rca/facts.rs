//! The statements of an incident, each with its line, its time where it has one, and the kind of event it tells of. Lines of a
//! log that differ in numbers alone are one fact with a count.

use super::cues;
use super::report::Mark;
use crate::agent::lexicon::{HYPOTHETICAL, WITHOUT_EFFECT};
use crate::agent::moment::{Clock, Moment, Placed};
use crate::agent::source::{MAX_STATEMENT_CHARS, Source, cut, sentences, without_bullet};
use crate::agent::{AgentInput, Evidence};
use std::collections::{BTreeMap, HashMap};

/// Most facts of a text, after lines of the same form were joined.
const MAX_FACTS: usize = 1_500;
/// Most words of a line that only says who speaks and when.
const MAX_SPEAKER_WORDS: usize = 3;

/// Parts of a system by their plain names, for texts that name none by its own.
const PLAIN_PARTS: [&str; 14] = [
    "db",
    "database",
    "website",
    "login",
    "checkout",
    "search",
    "dashboard",
    "api",
    "payments",
    "app",
    "cache",
    "queue",
    "network",
    "storage",
];

/// A statement of the text.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) moment: Option<Moment>,
    pub(super) mark: Mark,
    pub(super) occurrences: usize,
}

impl Fact {
    pub(super) fn evidence(&self) -> Evidence {
        Evidence { line: self.line, text: self.text.clone() }
    }

    /// Whether it tells what was, not what may be.
    pub(super) fn is_told(&self) -> bool {
        !HYPOTHETICAL.hold(&self.text)
    }
}

/// The statements of an incident.
#[derive(Debug)]
pub(super) struct Facts {
    /// In the order of the text.
    pub(super) all: Vec<Fact>,
    /// How many were past the bound.
    pub(super) left_out: usize,
    /// The part of the system that is named most.
    pub(super) subject: Option<String>,
}

impl Facts {
    pub(super) fn read(source: &Source, clock: &mut Clock, input: &AgentInput<'_>) -> Self {
        let mut reader = Reader::default();
        let mut speaking: Option<(Moment, usize)> = None;
        for line in &source.lines {
            let placed = parts(without_bullet(&line.text), clock);
            if line.text.starts_with('#')
                || (line.line == 1 && cues::TITLE.occur(&line.text) && !line.text.ends_with('.'))
            {
                continue;
            }
            if speaking.is_some_and(|(_, last)| line.line > last + 1) {
                speaking = None;
            }
            if let Some(moment) = speaker(&placed) {
                speaking = Some((moment, line.line));
                continue;
            }
            if placed.iter().any(|part| part.moment.is_some()) {
                speaking = None;
            }
            for mut part in placed {
                if part.moment.is_none() {
                    part.moment = speaking.map(|(moment, _)| moment);
                }
                reader.take(line.line, part);
            }
            speaking = speaking.map(|(moment, _)| (moment, line.line));
        }
        let subject = subject(&reader.all, input);
        Self { all: reader.all, left_out: reader.left_out, subject }
    }

    /// The subject in words.
    pub(super) fn subject(&self) -> &str {
        self.subject.as_deref().unwrap_or("the affected service")
    }

    /// Facts that `wanted` accepts and that tell what was.
    pub(super) fn told(&self, wanted: impl Fn(&Fact) -> bool) -> impl Iterator<Item = &Fact> {
        self.all.iter().filter(move |fact| wanted(fact) && fact.is_told())
    }
}

/// A line as parts: whole where a time is its head (a log, a chat), in sentences where it is prose.
fn parts(text: &str, clock: &mut Clock) -> Vec<Placed> {
    let head: String = text.chars().take(24).collect();
    let heads_with_time = head.chars().filter(char::is_ascii_digit).count() >= 3
        && head
            .trim_start_matches(|character: char| !character.is_alphanumeric())
            .starts_with(|first: char| first.is_ascii_digit());
    if heads_with_time {
        return clock.place(text);
    }
    sentences(text).into_iter().flat_map(|sentence| clock.place(sentence)).collect()
}

/// The time of a line such as `Ann Becker  2:02 PM`, whose next lines are what she says.
fn speaker(placed: &[Placed]) -> Option<Moment> {
    let [Placed { moment: Some(moment), text, .. }] = placed else { return None };
    let words: Vec<&str> = text.split(' ').filter(|word| word.chars().any(char::is_alphabetic)).collect();
    let told = words.iter().filter(|word| !matches!(word.to_lowercase().as_str(), "am" | "pm")).count();
    let is_name = words.iter().all(|word| word.starts_with(char::is_uppercase) || word.starts_with('@'));
    (told <= MAX_SPEAKER_WORDS && is_name && text.chars().any(|character| character.is_ascii_digit()))
        .then_some(*moment)
}

#[derive(Default)]
struct Reader {
    all: Vec<Fact>,
    left_out: usize,
    shapes: HashMap<String, usize>,
}

impl Reader {
    fn take(&mut self, line: usize, part: Placed) {
        let mark = if part.since { Mark::Symptom } else { mark(&part.text) };
        if matches!(mark, Mark::Symptom | Mark::Note) && part.text.len() > 24 {
            let shape = shape(&part.text);
            match self.shapes.get(&shape) {
                Some(&known) if !part.since => {
                    self.all[known].occurrences += 1;
                    return;
                }
                Some(_) | None => drop(self.shapes.insert(shape, self.all.len())),
            }
        }
        if self.all.len() >= MAX_FACTS {
            self.left_out += 1;
            return;
        }
        let text = cut(part.text.trim_end_matches([';', ',', ' ']), MAX_STATEMENT_CHARS);
        self.all.push(Fact { line, text, moment: part.moment, mark, occurrences: 1 });
    }
}

/// A line without what differs between lines of the same form.
fn shape(text: &str) -> String {
    let word =
        |word: &str| if word.bytes().any(|byte| byte.is_ascii_digit()) { "#".to_owned() } else { word.to_lowercase() };
    text.split(|character: char| !(character.is_alphanumeric() || character == '-'))
        .map(word)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The kind of event that a statement tells of.
fn mark(text: &str) -> Mark {
    if WITHOUT_EFFECT.occur(text) && (cues::MITIGATED.occur(text) || text.len() < 60) {
        return Mark::Attempt;
    }
    if cues::UNDETECTED.occur(text) {
        return Mark::Note;
    }
    let told = !HYPOTHETICAL.hold(text);
    if told && cues::RESOLVED.hold(text) && !text.to_lowercase().contains("unresolved") {
        return Mark::Resolved;
    }
    if told && cues::MITIGATED.hold(text) {
        return Mark::Mitigated;
    }
    if told && cues::DETECTED.hold(text) {
        return Mark::Detected;
    }
    if told && cues::CHANGE.hold(text) && !cues::SYMPTOM.hold(text) && !text.to_lowercase().contains("status page") {
        return Mark::Change;
    }
    if told && cues::ACTING.hold(text) {
        return Mark::Response;
    }
    if told && cues::SYMPTOM.hold(text) {
        return Mark::Symptom;
    }
    if cues::RESPONSE.occur(text) || (!told && cues::MITIGATED.occur(text)) {
        return Mark::Response;
    }
    Mark::Note
}

/// The name of a part that the text names most: `checkout-api`, `orders_db`, `payment-service`.
fn subject(facts: &[Fact], input: &AgentInput<'_>) -> Option<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let telling = facts.iter().map(|fact| {
        let weight = match fact.mark {
            Mark::Change | Mark::Mitigated | Mark::Attempt => 3,
            Mark::Symptom | Mark::Detected => 2,
            Mark::Response | Mark::Resolved | Mark::Note => 1,
        };
        (fact.text.as_str(), weight)
    });
    for (text, weight) in telling.chain([(input.intent, 3)]) {
        for word in text.split(|character: char| !(character.is_ascii_alphanumeric() || matches!(character, '-' | '_')))
        {
            if names_a_part(word) {
                *counts.entry(word.to_owned()).or_default() += weight;
            }
        }
    }
    if counts.is_empty() {
        let texts = facts.iter().map(|fact| fact.text.as_str()).chain([input.intent]);
        let mut words =
            texts.flat_map(|text| text.split(|character: char| !character.is_alphanumeric())).map(str::to_lowercase);
        return words.find(|word| PLAIN_PARTS.contains(&word.as_str()));
    }
    counts
        .into_iter()
        .max_by(|left, right| left.1.cmp(&right.1).then_with(|| right.0.cmp(&left.0)))
        .map(|(word, _)| word)
}

fn names_a_part(word: &str) -> bool {
    const ENDINGS: [&str; 18] = [
        "service", "svc", "api", "db", "gateway", "worker", "queue", "cache", "proxy", "cluster", "server", "backend",
        "frontend", "app", "web", "consumer", "lb", "redis",
    ];
    let lower = word.starts_with(|first: char| first.is_ascii_lowercase());
    let parts: Vec<&str> = word.split(['-', '_']).collect();
    lower
        && (2..=4).contains(&parts.len())
        && word.len() <= 40
        && parts.iter().all(|part| !part.is_empty())
        && parts.last().is_some_and(|last| ENDINGS.contains(last))
}
