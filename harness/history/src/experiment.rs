//! What was done to a stack in an experiment and what was seen beside the calls, and what the experiment promised of it. Times are
//! microseconds of the run's clock.

use crate::threshold::Threshold;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What happened in an experiment beside its calls; `experiment.json` of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Load without a fault, before it; absent where it did not come to that.
    pub steady: Option<Span>,
    /// From the order to inject the first fault until the last one was healed.
    pub fault: Option<Span>,
    /// From there until the load ended.
    pub recovery: Option<Span>,
    /// Every fault, in the order of injection.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What parts said of themselves, about ten times a second each, in the order of time.
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// What passed the ways between parts.
    #[serde(default)]
    pub ways: Vec<Way>,
    /// Counters of services that an expectation is about.
    #[serde(default)]
    pub counters: Vec<Counter>,
    /// Times in which others than the stack and the harness used much of the machine, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crowded: Vec<Span>,
    /// Lines of logs with something in them that must never be there.
    #[serde(default)]
    pub secrets: Vec<SecretSeen>,
    /// Lines of logs that were searched for secrets.
    #[serde(default)]
    pub log_lines: u64,
    /// The logs are with whoever runs the stack, and nothing can be said of them from here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub logs_elsewhere: bool,
    /// Why it ended early; absent where it ran as planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted: Option<String>,
}

impl Experiment {
    /// When the last fault was gone; `None` where one never was, or where there was none.
    pub fn healed_us(&self) -> Option<u64> {
        let healed: Option<Vec<u64>> = self.faults.iter().map(|fault| fault.healed_us).collect();
        healed?.into_iter().max()
    }

    /// The times in which every different fault (kind and target) was in place at once; several where faults come and go.
    pub fn in_place(&self) -> Vec<Span> {
        let mut spans: BTreeMap<(&str, &str), Vec<Span>> = BTreeMap::new();
        for fault in &self.faults {
            let until_us = fault.ending_us.or(fault.healed_us).unwrap_or(u64::MAX);
            let span = Span { from_us: fault.active_us, until_us };
            spans.entry((&*fault.kind, &*fault.target)).or_default().push(span);
        }
        let both = |one: Vec<Span>, other: Vec<Span>| -> Vec<Span> {
            let pairs = one.iter().flat_map(|one| other.iter().map(move |other| one.overlap(*other)));
            pairs.filter(|span| span.length_us() > 0).collect()
        };
        spans.into_values().reduce(both).unwrap_or_default()
    }

    /// From when the last fault was gone until the load ended; `None` where it did not come to that.
    pub fn afterwards(&self) -> Option<Span> {
        let span = Span { from_us: self.healed_us()?, until_us: self.recovery?.until_us };
        (span.length_us() > 0).then_some(span)
    }
}

/// A span of the run's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// From this microsecond on.
    pub from_us: u64,
    /// Until before this one.
    pub until_us: u64,
}

impl Span {
    /// Its length.
    pub const fn length_us(self) -> u64 {
        self.until_us.saturating_sub(self.from_us)
    }

    /// What two spans have in common.
    pub const fn overlap(self, other: Self) -> Self {
        let from_us = if self.from_us > other.from_us { self.from_us } else { other.from_us };
        let until_us = if self.until_us < other.until_us { self.until_us } else { other.until_us };
        Self { from_us, until_us }
    }

    /// Tells whether a moment lies in it.
    pub const fn holds(self, at_us: u64) -> bool {
        at_us >= self.from_us && at_us < self.until_us
    }
}

/// Kind of a fault that asks a part to end.
pub const STOP: &str = "stop";

/// Kind of a fault that changes a file of rules or patterns.
pub const FILE_CHANGED: &str = "file_changed";

/// One fault as it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// What was done, such as `kill redis`.
    pub name: String,
    /// Its kind, such as `kill` or `latency`.
    pub kind: String,
    /// The part, or the way as `memory to redis`.
    pub target: String,
    /// When it was ordered.
    pub ordered_us: u64,
    /// When it was in place.
    pub active_us: u64,
    /// When it was ordered to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending_us: Option<u64>,
    /// When it was gone and that had been made sure of; absent: it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healed_us: Option<u64>,
    /// Requests that it is proven to have hit; absent where nothing could count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<u64>,
    /// What counted them.
    #[serde(default)]
    pub counted_by: String,
}

/// What a part said of itself at one moment. `None` is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The part.
    pub part: String,
    /// When it was asked.
    pub asked_us: u64,
    /// When it had answered, or was given up.
    pub told_us: u64,
    /// Status of `/healthz`.
    pub live: Option<u16>,
    /// Status of `/readyz`.
    pub ready: Option<u16>,
    /// Whether `/readyz` said that something is missing while it is ready.
    #[serde(default)]
    pub degraded: bool,
}

/// Requests that passed a way between two parts while callers made theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// From this part.
    pub from: String,
    /// To that part.
    pub to: String,
    /// The span that was counted.
    pub span: Span,
    /// Requests on the way, retries among them.
    pub requests: u64,
    /// Calls of clients that need the way.
    pub calls: u64,
    /// Connections opened on it.
    #[serde(default)]
    pub connects: u64,
}

impl Way {
    /// Its name, as in the target of a fault: `memory to redis`.
    pub fn name(&self) -> String {
        format!("{} to {}", self.from, self.to)
    }
}

/// A counter or gauge of a part before, during and after the fault. `None`: it could not be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counter {
    /// The part.
    pub part: String,
    /// Name of the metric.
    pub metric: String,
    /// Labels that were summed over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Just before the fault.
    pub before: Option<f64>,
    /// The highest value seen during it.
    pub during: Option<f64>,
    /// At the end of the run.
    pub after: Option<f64>,
}

/// A line of a log with something in it that must never be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretSeen {
    /// The log.
    pub log: String,
    /// Line, from 1.
    pub line: u64,
    /// What it is, never itself: `key of tokens`, `token`, `content of a memory`.
    pub what: String,
}

/// What an experiment promised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Promises {
    /// Requests that each fault must be proven to have hit.
    pub least_hits: u64,
    /// Arrivals per second that the load was planned with.
    pub rate_per_second: f64,
    /// Share of planned arrivals that must have been made and answered well before the fault, for the fault to prove anything.
    pub least_baseline: f64,
    /// What must hold before the fault; otherwise the experiment proves nothing.
    #[serde(default)]
    pub steady: Vec<Threshold>,
    /// What must hold during the fault.
    #[serde(default)]
    pub during: Vec<Threshold>,
    /// What must hold once it has recovered.
    #[serde(default)]
    pub after: Vec<Threshold>,
    /// No call takes longer than this.
    pub call_bound_us: u64,
    /// Errors that callers may see during the fault and the recovery: groups such as `quota` and `connect`, statuses as `http_503`, codes of tools.
    #[serde(default)]
    pub errors: Vec<String>,
    /// What parts must say of themselves during the fault.
    #[serde(default)]
    pub readiness: Vec<Readiness>,
    /// A part that is asked to end says for so long that it is not ready, before it is gone; absent where nothing of that was promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_us: Option<u64>,
    /// Most requests on a way for each call that needs it.
    pub most_amplification: f64,
    /// Within this time after the fault is healed the stack is back in its steady state.
    pub recovery_us: u64,
    /// What counters must have done.
    #[serde(default)]
    pub counters: Vec<CounterPromise>,
    /// From so long after a file of rules or patterns changed on, what it says is in force; absent where nothing of that was promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force_us: Option<u64>,
    /// Patterns that a changed file does not have any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<String>,
}

/// What a part must say of itself during the fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// The part.
    pub part: String,
    /// What.
    pub says: ReadyWord,
    /// From so long after the fault is in place.
    pub within_us: u64,
}

/// What `/readyz` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadyWord {
    /// 200.
    Ready,
    /// 200, with something missing.
    Degraded,
    /// 503.
    NotReady,
    /// Nothing: nobody answers.
    Gone,
}

/// What a counter must have done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CounterPromise {
    /// The part.
    pub part: String,
    /// Name of the metric.
    pub metric: String,
    /// Labels that are summed over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether the figure is how much it grew, or its highest value during the fault.
    pub figure: CounterFigure,
    /// The figure is at least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// The figure is at most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
}

/// Which figure of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CounterFigure {
    /// From before the fault to the end of the run.
    Growth,
    /// The highest value during the fault.
    During,
    /// The value at the end of the run.
    After,
}
