//! The record of an experiment beside its calls, and what the experiment promised. Times are microseconds of the run's clock.

use crate::threshold::Threshold;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The record of an experiment beside its calls; `experiment.json` of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// The load before the fault; `None` if the run ended before it.
    pub steady: Option<Span>,
    /// From the order to inject the first fault until the last one was gone.
    pub fault: Option<Span>,
    /// From the end of the last fault until the load ended.
    pub recovery: Option<Span>,
    /// Every fault, in the order of injection.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// Probes of each part, about ten a second, in the order of time.
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// Traffic on the ways between parts.
    #[serde(default)]
    pub ways: Vec<Way>,
    /// Counters of services that a promise names.
    #[serde(default)]
    pub counters: Vec<Counter>,
    /// Spans in which processes other than the stack and the harness used much of the machine, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crowded: Vec<Span>,
    /// Secrets found in logs.
    #[serde(default)]
    pub secrets: Vec<LeakedSecret>,
    /// Number of lines of logs that were searched for secrets.
    #[serde(default)]
    pub log_lines: u64,
    /// True if the logs are not on this machine, so that they could not be searched.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub logs_elsewhere: bool,
    /// Why it ended early; omitted if it ran as planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted: Option<String>,
}

impl Experiment {
    /// When the last fault was gone; `None` if one never was, or if there was no fault.
    pub fn healed_us(&self) -> Option<u64> {
        let healed: Option<Vec<u64>> = self.faults.iter().map(|fault| fault.healed_us).collect();
        healed?.into_iter().max()
    }

    /// The spans in which all faults were in place at once. Faults of one kind and target that follow each other count as one.
    pub fn in_place(&self) -> Vec<Span> {
        let mut spans: BTreeMap<(&str, &str), Vec<Span>> = BTreeMap::new();
        for fault in &self.faults {
            let span = Span { from_us: fault.active_us, until_us: fault.until_us() };
            spans.entry((&*fault.kind, &*fault.target)).or_default().push(span);
        }
        let both = |one: Vec<Span>, other: Vec<Span>| -> Vec<Span> {
            let pairs = one.iter().flat_map(|one| other.iter().map(move |other| one.overlap(*other)));
            pairs.filter(|span| span.length_us() > 0).collect()
        };
        spans.into_values().reduce(both).unwrap_or_default()
    }

    /// Changes of a file of a service, in the order of injection.
    pub(crate) fn file_changes<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Fault> {
        self.faults.iter().filter(move |fault| fault.is_file_change() && fault.target == service)
    }

    /// From the end of the last fault until the load ended; `None` if the load did not last that long.
    pub fn afterwards(&self) -> Option<Span> {
        let span = Span { from_us: self.healed_us()?, until_us: self.recovery?.until_us };
        (span.length_us() > 0).then_some(span)
    }
}

/// A span of the run's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first microsecond.
    pub from_us: u64,
    /// The first microsecond after it.
    pub until_us: u64,
}

impl Span {
    /// Length in microseconds.
    pub const fn length_us(self) -> u64 {
        self.until_us.saturating_sub(self.from_us)
    }

    /// The span that both have in common; its length is 0 if there is none.
    pub const fn overlap(self, other: Self) -> Self {
        let from_us = if self.from_us > other.from_us { self.from_us } else { other.from_us };
        let until_us = if self.until_us < other.until_us { self.until_us } else { other.until_us };
        Self { from_us, until_us }
    }

    /// Returns true if a time lies in the span.
    pub const fn holds(self, at_us: u64) -> bool {
        at_us >= self.from_us && at_us < self.until_us
    }
}

/// Kind of a fault that stops a part with SIGTERM.
pub const STOP: &str = "stop";

/// Kind of a fault that changes a file of rules or patterns.
pub const FILE_CHANGED: &str = "file_changed";

/// One fault as it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Name, such as `kill redis`.
    pub name: String,
    /// Its kind, such as `kill` or `latency`.
    pub kind: String,
    /// The part, or the way, such as `memory to redis`.
    pub target: String,
    /// When it was ordered.
    pub ordered_us: u64,
    /// When it was in place.
    pub active_us: u64,
    /// When it was ordered to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending_us: Option<u64>,
    /// When it was confirmed to be gone; omitted if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healed_us: Option<u64>,
    /// Number of requests that met it; omitted if they could not be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<u64>,
    /// How the hits were counted.
    #[serde(default)]
    pub counted_by: String,
}

impl Fault {
    /// When it was ordered to end, or was gone; the largest time if neither happened.
    pub(crate) fn until_us(&self) -> u64 {
        self.ending_us.or(self.healed_us).unwrap_or(u64::MAX)
    }

    pub(crate) fn is_file_change(&self) -> bool {
        self.kind == FILE_CHANGED
    }
}

/// What a part reported of itself at one time. `None` is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The part.
    pub part: String,
    /// When the probe was sent.
    #[serde(rename = "asked_us")]
    pub sent_us: u64,
    /// When it was answered, or given up.
    #[serde(rename = "told_us")]
    pub answered_us: u64,
    /// Status of `/healthz`.
    pub live: Option<u16>,
    /// Status of `/readyz`.
    pub ready: Option<u16>,
    /// True if `/readyz` reported a missing dependency while the part is ready.
    #[serde(default)]
    pub degraded: bool,
}

/// Traffic on the way between two parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The part that sends the requests.
    pub from: String,
    /// The part that receives them.
    pub to: String,
    /// The span in which it was counted.
    pub span: Span,
    /// Number of requests, with retries.
    pub requests: u64,
    /// Number of calls of clients that need the way.
    pub calls: u64,
    /// Number of connections opened.
    #[serde(default)]
    pub connects: u64,
}

impl Way {
    /// Name of the way, as in the target of a fault: `memory to redis`.
    pub fn name(&self) -> String {
        format!("{} to {}", self.from, self.to)
    }
}

/// A counter or gauge of a part before, during and after the fault. `None` if it could not be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counter {
    /// The part.
    pub part: String,
    /// Name of the metric.
    pub metric: String,
    /// Labels that it must have; series with these labels are summed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Just before the fault.
    pub before: Option<f64>,
    /// The highest value sampled during it.
    pub during: Option<f64>,
    /// At the end of the run.
    pub after: Option<f64>,
}

/// A line of a log that has a secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeakedSecret {
    /// The log.
    pub log: String,
    /// Line, from 1.
    pub line: u64,
    /// Kind of the secret, never the secret itself: `key of tokens`, `token`, `content of a memory`.
    pub what: String,
}

/// What an experiment promised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Promises {
    /// Least number of requests that each fault must hit.
    pub least_hits: u64,
    /// Planned arrivals per second.
    pub rate_per_second: f64,
    /// Least share of the planned arrivals before the fault that must end `ok`; with fewer the experiment proves nothing.
    pub least_baseline: f64,
    /// Thresholds before the fault; if they do not hold the experiment proves nothing.
    #[serde(default)]
    pub steady: Vec<Threshold>,
    /// Thresholds during the fault.
    #[serde(default)]
    pub during: Vec<Threshold>,
    /// Thresholds once the stack is steady again.
    #[serde(default)]
    pub after: Vec<Threshold>,
    /// Longest time that any call may take.
    pub call_bound_us: u64,
    /// Errors that clients may get since the fault: groups such as `quota` and `connect`, statuses such as `http_503`, codes of tools.
    #[serde(default)]
    pub errors: Vec<String>,
    /// What parts must report during the fault.
    #[serde(default)]
    pub readiness: Vec<Readiness>,
    /// Least time that a part reports *not ready* between SIGTERM and its end; `None`: not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_us: Option<u64>,
    /// Most requests on a way for each call that needs it.
    pub most_amplification: f64,
    /// Longest time from the end of the last fault until the stack is steady again.
    pub recovery_us: u64,
    /// What counters must show.
    #[serde(default)]
    pub counters: Vec<CounterPromise>,
    /// Longest time from the change of a file of rules or patterns until it is in force; `None`: not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force_us: Option<u64>,
    /// Patterns that the changed file no longer has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<String>,
}

impl Default for Promises {
    /// The values of an experiment that sets none: no load, no thresholds, and the bounds that `[expect]` has by default.
    fn default() -> Self {
        Self {
            least_hits: 30,
            rate_per_second: 0.0,
            least_baseline: 0.95,
            steady: Vec::new(),
            during: Vec::new(),
            after: Vec::new(),
            call_bound_us: u64::MAX,
            errors: Vec::new(),
            readiness: Vec::new(),
            notice_us: None,
            most_amplification: 1.5,
            recovery_us: 5_000_000,
            counters: Vec::new(),
            in_force_us: None,
            withdrawn: Vec::new(),
        }
    }
}

/// What a part must report during the fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// The part.
    pub part: String,
    /// What it must report.
    pub says: ReadyWord,
    /// Longest time from the fault until it reports that.
    pub within_us: u64,
}

/// What a part reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadyWord {
    /// 200.
    Ready,
    /// 200, with a missing dependency.
    Degraded,
    /// 503.
    NotReady,
    /// No answer.
    Gone,
}

/// What a counter must show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CounterPromise {
    /// The part.
    pub part: String,
    /// Name of the metric.
    pub metric: String,
    /// Labels that it must have; series with these labels are summed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The figure that is bounded.
    pub figure: CounterFigure,
    /// Least value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Most value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
}

/// A figure of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CounterFigure {
    /// Growth from before the fault to the end of the run.
    Growth,
    /// The highest value during the fault.
    During,
    /// The value at the end of the run.
    After,
}
