//! From the TOML of a profile to a workload: one pass, every problem noted with its line, nothing guessed.

use super::problem::{Problem, nearest};
use super::text::{DURATION_TEXT, MAX_RATE, STAGES_TEXT, THRESHOLD_TEXT, duration, stages, threshold};
use crate::memory::OPERATIONS;
use harness_core::workload::{Model, Stage, Threshold, Workload};
use mcp_contracts::Service;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml_edit::{Document, Item, Table};

/// How many users a run may have.
pub(super) const USERS: RangeInclusive<u32> = 1..=10_000;
/// How long may be measured.
pub(super) const DURATION: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
/// How many arrivals a second may have.
pub(super) const RATE: RangeInclusive<f64> = 0.001..=MAX_RATE;
/// [`RATE`] in words.
pub(super) const RATE_TEXT: &str = "arrivals per second, above 0 and up to 100000";

const KEYS: &[&str] = &[
    "description",
    "service",
    "users",
    "organisations",
    "model",
    "think_time",
    "rate",
    "stages",
    "warmup",
    "duration",
    "call_deadline",
    "seed_memories",
    "final_read_concurrency",
    "mix",
    "thresholds",
];

/// A range of whole numbers in words.
pub(super) fn range_text(range: &RangeInclusive<u32>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}

/// Reads one profile and notes what is wrong with it.
pub(super) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(file: &'a str, text: &'a str, problems: &'a mut Vec<Problem>) -> Self {
        Self { file, text, problems }
    }

    /// The workload, as far as it can be read; it is only good where no problem was noted.
    pub(super) fn workload(mut self, name: &str) -> Option<Workload> {
        let document = match Document::parse(self.text) {
            Ok(document) => document,
            Err(error) => {
                self.note(error.span(), "(syntax)", error.message().replace('\n', ", "), "TOML 1.1");
                return None;
            }
        };
        let table = document.as_table();
        self.unknown_keys(table, "", KEYS);
        let users = self.number(table, "users", USERS, None);
        let length = self.length(table, "duration", DURATION, None);
        let (model, length) = self.model(table, length);
        self.string(table, "description", Some(""));
        let workload = Workload {
            name: name.to_owned(),
            service: self.service(table),
            users,
            organisations: self.number(table, "organisations", 1..=users.max(1), Some(1)),
            model,
            warmup: self.length(table, "warmup", Duration::ZERO..=*DURATION.end(), Some(Duration::ZERO)),
            duration: length,
            call_deadline: self.length(
                table,
                "call_deadline",
                Duration::from_millis(1)..=Duration::from_secs(600),
                Some(Duration::from_secs(5)),
            ),
            mix: self.mix(table),
            seed_memories: self.number(table, "seed_memories", 0..=1_000_000, Some(0)),
            final_read_concurrency: self.number(table, "final_read_concurrency", 1..=1_000, Some(32)),
            thresholds: self.thresholds(table),
        };
        Some(workload)
    }

    fn note(&mut self, span: Option<Range<usize>>, key: &str, what: String, allowed: &str) {
        let place = match span {
            Some(span) => {
                let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
                format!("{}:{}", self.file, before.iter().filter(|byte| **byte == b'\n').count() + 1)
            }
            None => self.file.to_owned(),
        };
        self.problems.push(Problem { place, key: key.to_owned(), what, allowed: allowed.to_owned() });
    }

    fn unknown_keys(&mut self, table: &Table, prefix: &str, known: &[&str]) {
        for (key, _) in table.iter().filter(|(key, _)| !known.contains(key)) {
            let span = table.key(key).and_then(|key| key.span());
            let near = nearest(key, known.iter().copied());
            let what =
                near.map_or_else(|| "unknown key".to_owned(), |near| format!("unknown key; did you mean `{near}`?"));
            self.note(span, &format!("{prefix}{key}"), what, &format!("`{}`", known.join("`, `")));
        }
    }

    fn missing(&mut self, key: &str, allowed: &str) {
        self.note(None, key, "it is missing".to_owned(), allowed);
    }

    fn number(&mut self, table: &Table, key: &str, range: RangeInclusive<u32>, default: Option<u32>) -> u32 {
        let allowed = range_text(&range);
        let Some(item) = table.get(key) else {
            if default.is_none() {
                self.missing(key, &allowed);
            }
            return default.unwrap_or(*range.start());
        };
        let value = item.as_integer().and_then(|value| u32::try_from(value).ok()).filter(|value| range.contains(value));
        value.unwrap_or_else(|| {
            self.note(item.span(), key, format!("`{}` is out of range", written(item)), &allowed);
            *range.start()
        })
    }

    fn string<'t>(&mut self, table: &'t Table, key: &str, default: Option<&'t str>) -> Option<&'t str> {
        let Some(item) = table.get(key) else {
            if default.is_none() {
                self.missing(key, "text in quotes");
            }
            return default;
        };
        if item.as_str().is_none() {
            self.note(item.span(), key, format!("`{}` is not text", written(item)), "text in quotes");
        }
        item.as_str()
    }

    fn length(
        &mut self,
        table: &Table,
        key: &str,
        range: RangeInclusive<Duration>,
        default: Option<Duration>,
    ) -> Duration {
        let needed = default.is_none() && !table.contains_key("stages");
        let fallback = default.unwrap_or(*range.start());
        let Some(text) = self.string(table, key, if needed { None } else { Some("") }) else { return fallback };
        if text.is_empty() && !table.contains_key(key) {
            return fallback;
        }
        let span = table.get(key).and_then(Item::span);
        match duration(text) {
            Ok(value) if range.contains(&value) => value,
            Ok(_) => {
                let allowed = format!("{:?} to {:?}", range.start(), range.end());
                self.note(span, key, format!("`{text}` is out of range"), &allowed);
                fallback
            }
            Err(what) => {
                self.note(span, key, what, DURATION_TEXT);
                fallback
            }
        }
    }

    fn service(&mut self, table: &Table) -> Service {
        let name = self.string(table, "service", None);
        match name {
            None | Some("memory") => {}
            Some(other) => {
                let span = table.get("service").and_then(Item::span);
                self.note(span, "service", format!("no load is written for `{other}`"), "`memory`");
            }
        }
        Service::Memory
    }

    /// The model, and how long it measures.
    fn model(&mut self, table: &Table, length: Duration) -> (Model, Duration) {
        let closed = Model::Closed { think_time: Duration::ZERO };
        let span = |key: &str| table.get(key).and_then(Item::span);
        match self.string(table, "model", Some("closed")) {
            Some("closed") => {
                for key in ["rate", "stages"].into_iter().filter(|key| table.contains_key(key)) {
                    self.note(span(key), key, "it needs `model = \"open\"`".to_owned(), "only in the open model");
                }
                let most = Duration::from_secs(3_600);
                let think_time = self.length(table, "think_time", Duration::ZERO..=most, Some(Duration::ZERO));
                (Model::Closed { think_time }, length)
            }
            Some("open") => {
                if table.contains_key("think_time") {
                    let what = "arrivals of the open model do not wait".to_owned();
                    self.note(span("think_time"), "think_time", what, "only in the closed model");
                }
                self.open(table, length)
            }
            Some(other) => {
                self.note(span("model"), "model", format!("`{other}` is not a model"), "`closed`, `open`");
                (closed, length)
            }
            None => (closed, length),
        }
    }

    fn open(&mut self, table: &Table, length: Duration) -> (Model, Duration) {
        let empty = (Model::Open { stages: Vec::new() }, length);
        match (table.get("rate"), table.get("stages")) {
            (Some(item), None) => {
                let rate = item.as_float().or_else(|| item.as_integer().map(|rate| rate as f64));
                let Some(rate) = rate.filter(|rate| RATE.contains(rate)) else {
                    self.note(item.span(), "rate", format!("`{}` is not a rate", written(item)), RATE_TEXT);
                    return empty;
                };
                (super::constant(rate, length), length)
            }
            (None, Some(item)) => match item.as_str().map(stages) {
                Some(Ok(stages)) => {
                    let sum = stages.iter().map(|stage: &Stage| stage.duration).sum();
                    if table.contains_key("duration") {
                        let span = table.get("duration").and_then(Item::span);
                        self.note(span, "duration", "the stages decide how long".to_owned(), "leave it away");
                    }
                    (Model::Open { stages }, sum)
                }
                Some(Err(what)) => {
                    self.note(item.span(), "stages", what, STAGES_TEXT);
                    empty
                }
                None => {
                    self.note(item.span(), "stages", "it is not text".to_owned(), STAGES_TEXT);
                    empty
                }
            },
            (first, _) => {
                let what = if first.is_some() { "`rate` and `stages` are both given" } else { "it is missing" };
                self.note(first.and_then(Item::span), "rate", what.to_owned(), "either `rate` or `stages`");
                empty
            }
        }
    }

    fn mix(&mut self, table: &Table) -> BTreeMap<String, u32> {
        let allowed = format!("weights of `{}`", OPERATIONS.join("`, `"));
        let Some(mix) = table.get("mix").and_then(Item::as_table) else {
            let span = table.get("mix").and_then(Item::span);
            self.note(span, "mix", "there is no table `[mix]`".to_owned(), &allowed);
            return BTreeMap::new();
        };
        self.unknown_keys(mix, "mix.", OPERATIONS);
        let weights = mix.iter().filter(|(name, _)| OPERATIONS.contains(name)).map(|(name, item)| {
            let weight = item.as_integer().and_then(|weight| u32::try_from(weight).ok());
            (name, item, weight.filter(|weight| *weight <= 1_000))
        });
        let mut sum = BTreeMap::new();
        for (name, item, weight) in weights {
            let Some(weight) = weight else {
                let what = format!("`{}` is not a weight", written(item));
                self.note(item.span(), &format!("mix.{name}"), what, "a whole number from 0 to 1000");
                continue;
            };
            sum.insert(name.to_owned(), weight);
        }
        if !sum.values().any(|weight| *weight > 0) && !mix.is_empty() {
            self.note(mix.span(), "mix", "no operation has a weight above 0".to_owned(), &allowed);
        }
        if mix.is_empty() {
            self.note(mix.span(), "mix", "it is empty".to_owned(), &allowed);
        }
        sum
    }

    fn thresholds(&mut self, table: &Table) -> Vec<Threshold> {
        let Some(item) = table.get("thresholds") else { return Vec::new() };
        let Some(groups) = item.as_table() else {
            self.note(item.span(), "thresholds", "it is not a table".to_owned(), THRESHOLD_TEXT);
            return Vec::new();
        };
        let known: Vec<&str> = std::iter::once("all").chain(OPERATIONS.iter().copied()).collect();
        self.unknown_keys(groups, "thresholds.", &known);
        let mut found = Vec::new();
        for (operation, item) in groups.iter().filter(|(name, _)| known.contains(name)) {
            let key = format!("thresholds.{operation}");
            let Some(bounds) = item.as_array() else {
                self.note(item.span(), &key, "it is not a list".to_owned(), "a list such as `[\"p99<500ms\"]`");
                continue;
            };
            for bound in bounds {
                match bound.as_str().map(|text| threshold(&format!("{operation}:{text}"))) {
                    Some(Ok(threshold)) => found.push(threshold),
                    Some(Err(what)) => self.note(bound.span(), &key, what, THRESHOLD_TEXT),
                    None => self.note(bound.span(), &key, "it is not text".to_owned(), THRESHOLD_TEXT),
                }
            }
        }
        found
    }
}

fn written(item: &Item) -> String {
    item.to_string().trim().to_owned()
}
