//! Parses a profile (TOML) into a workload. The struct below defines the file: the schema (docs/profile.schema.json), the checks and the values all
//! come from it. A new key is one field.

use harness_core::drive::traffic::operations::{names, service_of};
use harness_core::plan::data_file::form::{self, Filled, Length, Thresholds};
use harness_core::plan::data_file::{DURATION_TEXT, MAX_RATE, Problem, stages};
use harness_core::plan::workload::{FINAL_READ_RECORDS, Model, RateStage, SideArrivals, Workload};
use mcp_contracts::Service;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

pub(super) const USERS: RangeInclusive<u32> = 1..=10_000;
pub(super) const DURATION: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
pub(super) const RATE: RangeInclusive<f64> = 0.001..=MAX_RATE;
/// Default number of users that make the arrivals beside a closed model. At 100 arrivals per second, a user is free for
/// each arrival as long as calls take at most 400 ms.
pub(super) const ARRIVAL_USERS: u32 = 40;
/// [`RATE`] in words.
pub(super) const RATE_TEXT: &str = "arrivals per second, from 0.001 to 100000";

/// A load: which users call, how, for how long, with which mix, and what decides the verdict.
// Without `deny_unknown_fields`, which serde does not combine with `flatten`. The form rejects unknown keys.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Profile {
    #[serde(flatten)]
    load: LoadKeys,
    /// Decides the stack: memory runs alone, every other service needs all of them.
    #[schemars(with = "String", extend("enum" = Service::ALL.map(Service::name)))]
    service: Service,
    /// Number of organisations that the users are spread over; at most one for each user.
    #[schemars(range(min = 1), extend("default" = 1))]
    organisations: u32,
    /// Number of memories stored for each organisation before the warm-up.
    #[schemars(range(max = 1_000_000), extend("default" = 0))]
    seed_memories: u32,
    /// Weights by operation.
    #[schemars(schema_with = "weights")]
    mix: BTreeMap<String, u32>,
    /// Thresholds by operation that decide the verdict; `all` applies to all operations together.
    #[schemars(schema_with = "thresholds")]
    thresholds: Thresholds,
}

/// The keys of every load, on a stack of this product or on a target.
#[derive(Deserialize, JsonSchema)]
pub(super) struct LoadKeys {
    /// What the profile stands for, in one sentence.
    #[serde(rename = "description")]
    #[schemars(extend("default" = ""))]
    _description: String,
    /// Number of concurrent users; each keeps one connection.
    #[schemars(range(min = *USERS.start(), max = *USERS.end()))]
    pub(super) users: u32,
    /// `closed`: a user sends its next call when the last one is answered. `open`: calls arrive at a rate.
    #[schemars(extend("default" = "closed"))]
    model: ModelName,
    /// Pause of a user between two calls, such as `20ms`; only in the closed model.
    #[schemars(extend("default" = "0s", "x-at-least" = "0s", "x-at-most" = "1h"))]
    think_time: Length,
    /// Arrivals per second; only in the open model, without `stages`.
    #[schemars(range(min = *RATE.start(), max = *RATE.end()))]
    rate: Option<f64>,
    /// Arrivals over time, such as `10s:100,20s:100-1000`; only in the open model, without `rate` and `duration`.
    #[schemars(extend("format" = "stages"))]
    stages: Option<String>,
    /// Arrivals per second in addition to the calls of the users. They continue while the service does not answer. Only in the closed model.
    #[schemars(range(min = *RATE.start(), max = *RATE.end()))]
    arrivals: Option<f64>,
    /// Number of further users that make the `arrivals`.
    #[schemars(range(min = *USERS.start(), max = *USERS.end()), extend("default" = ARRIVAL_USERS))]
    arrival_users: u32,
    /// Load before measuring starts, such as `5s`.
    #[schemars(extend("default" = "0s", "x-at-least" = "0s", "x-at-most" = "24h"))]
    warmup: Length,
    /// Length of the measured phase, such as `30s`.
    #[schemars(extend("x-at-least" = "1s", "x-at-most" = "24h"))]
    duration: Option<Length>,
    /// Deadline of one call; the outcome of a call that takes longer is unknown.
    #[schemars(extend("default" = "5s", "x-at-least" = "1ms", "x-at-most" = "10m"))]
    call_deadline: Length,
    /// Longest time without a completed good call while calls wait, such as `1s`.
    #[schemars(extend("default" = "1s", "x-at-least" = "10ms", "x-at-most" = "10m"))]
    longest_gap: Length,
    /// Maximum number of concurrent reads in the final read of every acknowledged write.
    #[schemars(range(min = 1, max = 1_000), extend("default" = 32))]
    final_read_concurrency: u32,
    /// Maximum number of records in the final read. Of more records a sample is read, and the finding says which share of all may be lost.
    #[schemars(range(min = 1_000, max = 1_000_000), extend("default" = FINAL_READ_RECORDS))]
    final_read_records: u32,
}

#[derive(Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ModelName {
    Closed,
    Open,
}

fn weights(_: &mut SchemaGenerator) -> Schema {
    form::weights(&names())
}

fn thresholds(_: &mut SchemaGenerator) -> Schema {
    form::thresholds(&names())
}

/// Returns the parts of the workload that can be read, and every problem. The workload can be used only if there is no problem.
pub(super) fn parse(name: &str, file: &str, text: &str) -> Result<(Workload, Vec<Problem>), Vec<Problem>> {
    let mut profile = form::read::<Profile>(file, text, &[])?;
    check(&mut profile);
    let (profile, problems) = profile.into_parts();
    let workload = Workload {
        service: Some(profile.service),
        organisations: profile.organisations,
        thresholds: profile.thresholds.0,
        mix: profile.mix,
        seed_memories: profile.seed_memories,
        ..profile.load.workload(name)
    };
    Ok((workload, problems))
}

impl LoadKeys {
    /// Returns a load with these keys, which makes no call yet.
    pub(super) fn workload(&self, name: &str) -> Workload {
        let (model, duration) = model(self);
        Workload {
            name: name.to_owned(),
            service: None,
            operations: Vec::new(),
            users: self.users,
            organisations: 1,
            model,
            beside: self.arrivals.map(|rate| SideArrivals { rate, users: self.arrival_users }),
            warmup: self.warmup.0,
            duration,
            call_deadline: self.call_deadline.0,
            longest_gap: self.longest_gap.0,
            thresholds: Vec::new(),
            mix: BTreeMap::new(),
            seed_memories: 0,
            final_read_concurrency: self.final_read_concurrency,
            final_read_records: self.final_read_records,
        }
    }

    pub(super) const fn model(&self) -> ModelName {
        self.model
    }
}

/// Reports problems that concern several keys.
fn check(profile: &mut Filled<'_, Profile>) {
    let (users, organisations) = (profile.value.load.users, profile.value.organisations);
    if organisations > users {
        profile.note("organisations", format!("`{organisations}` is out of range"), "1 to the number of users");
    }
    let model = profile.value.load.model;
    check_load(profile, model);
    let operations: Vec<String> = profile.value.mix.keys().cloned().collect();
    let memory = profile.has("service") && profile.value.service == Service::Memory;
    for name in operations.iter().filter(|_| memory) {
        if let Some(other) = service_of(name).filter(|other| *other != Service::Memory.name()) {
            let what = format!("it calls `{other}`, which does not run beside `service = \"memory\"`");
            profile.note(&format!("mix.{name}"), what, &format!("`service = \"{other}\"`"));
        }
    }
}

/// Reports problems of the keys that every load has.
pub(super) fn check_load<T>(profile: &mut Filled<'_, T>, model: ModelName) {
    let (rate, stages) = (profile.has("rate"), profile.has("stages"));
    match model {
        ModelName::Closed => {
            for key in ["rate", "stages"].into_iter().filter(|key| profile.has(key)).collect::<Vec<_>>() {
                profile.note(key, "it needs `model = \"open\"`", "only in the open model");
            }
        }
        ModelName::Open => {
            if profile.has("arrivals") {
                profile.note("arrivals", "the open model has its own arrivals", "only in the closed model");
            }
            if profile.has("think_time") {
                profile.note("think_time", "arrivals of the open model do not wait", "only in the closed model");
            }
            match (rate, stages) {
                (true, true) => profile.note("rate", "`rate` and `stages` are both given", "either `rate` or `stages`"),
                (false, false) => profile.note("rate", "it is missing", "either `rate` or `stages`"),
                (false, true) if profile.has("duration") => {
                    profile.note("duration", "the stages decide how long", "remove `duration`");
                }
                _ => {}
            }
        }
    }
    if !stages && !profile.has("duration") {
        profile.note("duration", "it is missing", DURATION_TEXT);
    }
}

/// Returns the model, and the duration of the measured phase.
fn model(profile: &LoadKeys) -> (Model, Duration) {
    // Without `duration` this is a placeholder: the stages decide, or `check` has reported that it is missing.
    let length = profile.duration.map_or(*DURATION.start(), |length| length.0);
    match (profile.model, profile.rate, &profile.stages) {
        (ModelName::Closed, ..) => (Model::Closed { think_time: profile.think_time.0 }, length),
        (ModelName::Open, Some(rate), _) => (constant(rate, length), length),
        (ModelName::Open, None, text) => {
            let stages = text.as_deref().map(stages).and_then(Result::ok).unwrap_or_default();
            let sum = stages.iter().map(|stage| stage.duration).sum();
            (Model::Open { stages }, sum)
        }
    }
}

/// Returns an open model with a constant rate.
pub(super) fn constant(rate: f64, duration: Duration) -> Model {
    Model::Open { stages: vec![RateStage { from_per_second: rate, to_per_second: rate, duration }] }
}

#[cfg(test)]
mod fuzz;
