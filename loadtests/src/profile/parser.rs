//! Parses the TOML of a profile into a workload in one pass. Every problem is noted with its line, and a profile with a
//! problem is never used.

use harness_core::drive::traffic::operations::{names, service_of};
use harness_core::plan::data_file::{MAX_RATE, Problem, ProblemList, STAGES_TEXT, source_text, stages};
use harness_core::plan::workload::{Model, RateStage, Workload};
use mcp_contracts::Service;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml_edit::{Document, Item, Table};

pub(super) const USERS: RangeInclusive<u32> = 1..=10_000;
pub(super) const DURATION: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
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

/// Parses one profile and notes every problem.
pub(super) struct ProfileParser<'a> {
    text: &'a str,
    notes: ProblemList<'a>,
}

impl<'a> ProfileParser<'a> {
    pub(super) const fn new(file: &'a str, text: &'a str) -> Self {
        Self { text, notes: ProblemList::new(file, text) }
    }

    pub(super) fn problems(self) -> Vec<Problem> {
        self.notes.problems()
    }

    /// Returns the workload with placeholders for invalid values, or `None` if the text is not TOML. The workload must only be used if no problem was
    /// noted.
    pub(super) fn workload(&mut self, name: &str) -> Option<Workload> {
        let document = match Document::parse(self.text) {
            Ok(document) => document,
            Err(error) => {
                self.notes.syntax(&error);
                return None;
            }
        };
        let table = document.as_table();
        self.notes.unknown_keys(table, "", KEYS);
        let users = self.notes.number(table, "users", USERS, None);
        // With stages `duration` must be omitted, because the sum of the stages is the duration. The value here is only a placeholder.
        let staged = table.contains_key("stages").then_some(*DURATION.start());
        let length = self.notes.length(table, "duration", DURATION, staged);
        let (model, length) = self.model(table, length);
        self.notes.string(table, "description", Some(""));
        let workload = Workload {
            name: name.to_owned(),
            service: self.service(table),
            users,
            organisations: self.notes.number(table, "organisations", 1..=users.max(1), Some(1)),
            model,
            warmup: self.notes.length(table, "warmup", Duration::ZERO..=*DURATION.end(), Some(Duration::ZERO)),
            duration: length,
            call_deadline: self.notes.length(
                table,
                "call_deadline",
                Duration::from_millis(1)..=Duration::from_secs(600),
                Some(Duration::from_secs(5)),
            ),
            mix: self.notes.weights(table, "mix", &names()),
            seed_memories: self.notes.number(table, "seed_memories", 0..=1_000_000, Some(0)),
            final_read_concurrency: self.notes.number(table, "final_read_concurrency", 1..=1_000, Some(32)),
            thresholds: self.notes.thresholds(table, "thresholds", &names()),
        };
        Some(workload)
    }

    /// Returns the service under load, which decides the stack: memory runs alone, and any other service runs with all services.
    fn service(&mut self, table: &Table) -> Service {
        let Some(name) = self.notes.string(table, "service", None) else { return Service::Memory };
        let service = Service::ALL.into_iter().find(|service| service.name() == name).unwrap_or_else(|| {
            let span = table.get("service").and_then(Item::span);
            let allowed = Service::ALL.map(|service| format!("`{}`", service.name())).join(", ");
            self.notes.note(span, "service", format!("`{name}` is not a service"), &allowed);
            Service::Memory
        });
        if service == Service::Memory {
            self.only_memory(table);
        }
        service
    }

    fn only_memory(&mut self, table: &Table) {
        let mix = table.get("mix").and_then(Item::as_table_like);
        for (name, item) in mix.into_iter().flat_map(|mix| mix.iter()) {
            if let Some(other) = service_of(name).filter(|other| *other != Service::Memory.name()) {
                let what = format!("it calls `{other}`, which does not run beside `service = \"memory\"`");
                self.notes.note(item.span(), &format!("mix.{name}"), what, &format!("`service = \"{other}\"`"));
            }
        }
    }

    /// Returns the model and the duration of the measured phase.
    fn model(&mut self, table: &Table, length: Duration) -> (Model, Duration) {
        let closed = Model::Closed { think_time: Duration::ZERO };
        let span = |key: &str| table.get(key).and_then(Item::span);
        match self.notes.string(table, "model", Some("closed")) {
            Some("closed") => {
                for key in ["rate", "stages"].into_iter().filter(|key| table.contains_key(key)) {
                    self.notes.note(span(key), key, "it needs `model = \"open\"`".to_owned(), "only in the open model");
                }
                let most = Duration::from_secs(3_600);
                let think_time = self.notes.length(table, "think_time", Duration::ZERO..=most, Some(Duration::ZERO));
                (Model::Closed { think_time }, length)
            }
            Some("open") => {
                if table.contains_key("think_time") {
                    let what = "arrivals of the open model do not wait".to_owned();
                    self.notes.note(span("think_time"), "think_time", what, "only in the closed model");
                }
                self.open(table, length)
            }
            Some(other) => {
                self.notes.note(span("model"), "model", format!("`{other}` is not a model"), "`closed`, `open`");
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
                    self.notes.note(item.span(), "rate", format!("`{}` is not a rate", source_text(item)), RATE_TEXT);
                    return empty;
                };
                (constant(rate, length), length)
            }
            (None, Some(item)) => match item.as_str().map(stages) {
                Some(Ok(stages)) => {
                    let sum = stages.iter().map(|stage: &RateStage| stage.duration).sum();
                    if table.contains_key("duration") {
                        let span = table.get("duration").and_then(Item::span);
                        self.notes.note(span, "duration", "the stages decide how long".to_owned(), "remove `duration`");
                    }
                    (Model::Open { stages }, sum)
                }
                Some(Err(what)) => {
                    self.notes.note(item.span(), "stages", what, STAGES_TEXT);
                    empty
                }
                None => {
                    self.notes.note(item.span(), "stages", "it is not text".to_owned(), STAGES_TEXT);
                    empty
                }
            },
            (first, _) => {
                let what = if first.is_some() { "`rate` and `stages` are both given" } else { "it is missing" };
                self.notes.note(first.and_then(Item::span), "rate", what.to_owned(), "either `rate` or `stages`");
                empty
            }
        }
    }
}

/// The open model at one rate.
pub(super) fn constant(rate: f64, duration: Duration) -> Model {
    Model::Open { stages: vec![RateStage { from_per_second: rate, to_per_second: rate, duration }] }
}
