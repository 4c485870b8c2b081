//! The events of an experiment (its faults, probes and counters), and the promises that it is judged by. Times are microseconds of the run's
//! monotonic clock, 0 at its start.

use crate::threshold::Threshold;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that an experiment recorded in addition to its calls: the file `experiment.json` of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// The phase of load before the faults; `None` if the run ended during it.
    pub steady: Option<Span>,
    /// The fault phase: it begins before the first injection and ends when the last fault is healed and a surge of load is over.
    pub fault: Option<Span>,
    /// The recovery phase: from the end of the fault phase to the end of the load.
    pub recovery: Option<Span>,
    /// Every fault, in the order of injection.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// Probes of every part, about ten per second and part, oldest first.
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// Traffic on each edge between two parts that the experiment names.
    #[serde(default)]
    pub ways: Vec<EdgeRecord>,
    /// Counters of services: those that a promise names, and those that count what a fault hit.
    #[serde(default)]
    pub counters: Vec<Counter>,
    /// Spans in which processes other than the stack and the harness used more than a quarter of the machine, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crowded: Vec<Span>,
    /// Secrets found in logs.
    #[serde(default)]
    pub secrets: Vec<LeakedSecret>,
    /// Number of lines of logs that were searched for secrets.
    #[serde(default)]
    pub log_lines: u64,
    /// True if no log was searched: the logs are not on this machine, or the server is one of another maker and has no token to search for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub logs_elsewhere: bool,
    /// True if no part has pages that report its health, as a server that is none of this product.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unprobed: bool,
    /// Why it ended early; omitted if it ran as planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted: Option<String>,
}

impl Experiment {
    /// Returns when the last fault was healed; `None` if there was no fault, or if any fault was never healed.
    pub fn healed_us(&self) -> Option<u64> {
        let healed: Option<Vec<u64>> = self.faults.iter().map(|fault| fault.healed_us).collect();
        healed?.into_iter().max()
    }

    /// Returns the spans in which every fault was in place at the same time. Several injections of one kind on one target count as one fault.
    pub fn in_place(&self) -> Vec<Span> {
        let mut spans: BTreeMap<(&str, &str), Vec<Span>> = BTreeMap::new();
        for fault in &self.faults {
            let span = Span { from_us: fault.active_us, until_us: fault.until_us() };
            spans.entry((&*fault.kind, &*fault.target)).or_default().push(span);
        }
        // A repeated fault has one span for each injection, so each of them is compared with each span of the other fault.
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

    /// Returns the span from the end of the last fault to the end of the load; `None` if a fault was never healed, or the load ended first.
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
    /// The first microsecond after the span.
    pub until_us: u64,
}

impl Span {
    /// Length in microseconds.
    pub const fn length_us(self) -> u64 {
        self.until_us.saturating_sub(self.from_us)
    }

    /// Returns the part that both spans share. Its length is 0 if they do not overlap.
    pub const fn overlap(self, other: Self) -> Self {
        let from_us = if self.from_us > other.from_us { self.from_us } else { other.from_us };
        let until_us = if self.until_us < other.until_us { self.until_us } else { other.until_us };
        // Without an overlap `from_us` is after `until_us`, which `length_us` saturates to 0.
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
    /// When its injection was ordered.
    pub ordered_us: u64,
    /// When its injection was complete, so that it acted.
    pub active_us: u64,
    /// When its heal was ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending_us: Option<u64>,
    /// When its heal was confirmed; omitted if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healed_us: Option<u64>,
    /// Number of requests that it hit; omitted if nothing could count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<u64>,
    /// What counted the hits, such as a rule of the proxy or the name of a metric.
    #[serde(default)]
    pub counted_by: String,
}

impl Fault {
    /// Returns when the fault ended: when its heal was ordered or, if that is unknown, confirmed. Returns `u64::MAX` if it never ended.
    pub(crate) fn until_us(&self) -> u64 {
        self.ending_us.or(self.healed_us).unwrap_or(u64::MAX)
    }

    pub(crate) fn is_file_change(&self) -> bool {
        self.kind == FILE_CHANGED
    }
}

/// One probe of both health endpoints of a part. A status is `None` if the part did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The part.
    pub part: String,
    /// When the probe was sent.
    #[serde(rename = "asked_us")]
    pub sent_us: u64,
    /// When both endpoints had answered or failed to answer.
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
pub struct EdgeRecord {
    /// The part that sends the requests.
    pub from: String,
    /// The part that receives them.
    pub to: String,
    /// The span in which the traffic was counted.
    pub span: Span,
    /// Number of requests, including retries.
    pub requests: u64,
    /// Number of requests that the calls of clients need on this way if nothing is retried.
    pub calls: u64,
    /// Number of connections opened.
    #[serde(default)]
    pub connects: u64,
}

impl EdgeRecord {
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
    /// Minimum number of requests that each fault must hit.
    pub least_hits: u64,
    /// Planned arrivals per second.
    pub rate_per_second: f64,
    /// Minimum share of the arrivals planned before the fault that must end `ok`. Below it, the experiment proves nothing.
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
    /// Maximum duration of any call.
    pub call_bound_us: u64,
    /// Errors that clients may get from the fault on: groups such as `quota` and `connect`, statuses such as `http_503`, codes of tools.
    #[serde(default)]
    pub errors: Vec<String>,
    /// What parts must report during the fault.
    #[serde(default)]
    pub readiness: Vec<Readiness>,
    /// Minimum time for which a part reports *not ready* between SIGTERM and its exit; `None` if this is not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_us: Option<u64>,
    /// Maximum number of requests on a way for each request that the calls of clients need there.
    pub most_amplification: f64,
    /// Maximum time from the end of the last fault until the stack is steady again.
    pub recovery_us: u64,
    /// What counters must show.
    #[serde(default)]
    pub counters: Vec<CounterPromise>,
    /// Maximum time from a change of a rules or patterns file until the change is in force; `None` if this is not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force_us: Option<u64>,
    /// Patterns that the changed file no longer contains, so that they must not be injected any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<String>,
}

impl Default for Promises {
    /// The values of an experiment that sets none: no load, no thresholds, and the bounds that `[expect]` has by default.
    fn default() -> Self {
        Self {
            // Why 30 hits and 95 %: decision 0015.
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
    /// Maximum time from the moment when every fault is in place until the part reports it.
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
    /// Lower bound of the figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Upper bound of the figure.
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
