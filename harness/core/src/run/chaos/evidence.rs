//! Collects evidence that a fault hit, and of its effects: counters of the services, requests on edges, and calls that
//! a service reports as admitted beyond a limit.

use crate::drive::experiment::{CounterName, Experiment};
use crate::drive::scenario::sum;
use crate::plan::topology::PartKind;
use crate::stack::Stack;
use harness_history::Quota;
use harness_history::experiment::{Counter, Fault, Span, Way};
use mcp_contracts::{Service, metric};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Interval at which the counters are read.
const EVERY: Duration = Duration::from_millis(250);

/// The counters that an experiment reads before, during and after its faults.
pub(super) struct Counters {
    read: Vec<Counter>,
    /// Positions of the counters that the experiment names as evidence of a hit.
    evidence: Vec<usize>,
    /// Positions of the counters of calls that services admitted without Redis. They count the hits of a fault of
    /// Redis, because a Redis that is down cannot count.
    of_redis: Vec<usize>,
}

impl Counters {
    /// Reads every counter of the experiment just before the fault.
    pub(super) async fn before(stack: &Stack, experiment: &Experiment) -> Self {
        let mut counters = Self { read: Vec::new(), evidence: Vec::new(), of_redis: Vec::new() };
        for promise in &experiment.promises.counters {
            let (part, metric) = (promise.part.clone(), promise.metric.clone());
            counters.add(CounterName { part, metric, labels: promise.labels.clone() });
        }
        if let Some(name) = &experiment.evidence {
            let at = counters.add(name.clone());
            counters.evidence.push(at);
        }
        for part in experiment.topology.parts.iter().filter(|part| part.kind != PartKind::Redis) {
            let metric = metric::RATE_LIMIT_UNVERIFIED_TOTAL.to_owned();
            let at = counters.add(CounterName { part: part.name.clone(), metric, labels: BTreeMap::new() });
            counters.of_redis.push(at);
        }
        for (at, value) in counters.values(stack).await.into_iter().enumerate() {
            counters.read[at].before = value;
        }
        counters
    }

    /// Samples the counters until the faults are healed, and keeps the highest value of each.
    pub(super) async fn during(mut self, stack: &Stack, done: &CancellationToken) -> Self {
        loop {
            let last = tokio::select! {
                () = done.cancelled() => true,
                () = tokio::time::sleep(EVERY) => false,
            };
            for (at, value) in self.values(stack).await.into_iter().enumerate() {
                // The maximum, because a gauge such as an active fallback may be 0 again at the end of the fault.
                let during = &mut self.read[at].during;
                *during = match (*during, value) {
                    (Some(high), Some(value)) => Some(high.max(value)),
                    (high, value) => value.or(high),
                };
            }
            if last {
                return self;
            }
        }
    }

    pub(super) async fn after(&mut self, stack: &Stack) {
        for (at, value) in self.values(stack).await.into_iter().enumerate() {
            self.read[at].after = value;
        }
    }

    /// Fills in how many requests each fault hit, from the counters, if the fault itself could not count them.
    pub(super) fn count_hits(&self, faults: &mut [Fault]) {
        for fault in faults.iter_mut().filter(|fault| fault.hits.is_none()) {
            let of_redis = fault.target == "redis";
            let counting = if !self.evidence.is_empty() {
                &self.evidence
            } else if of_redis {
                &self.of_redis
            } else {
                continue;
            };
            let grown = counting.iter().map(|at| growth(&self.read[*at])).collect::<Option<Vec<f64>>>();
            if let Some(grown) = grown {
                fault.hits = Some(grown.iter().sum::<f64>().max(0.0) as u64);
                fault.counted_by = self.read[counting[0]].metric.clone();
            }
        }
    }

    pub(super) fn into_read(self) -> Vec<Counter> {
        self.read
    }

    fn add(&mut self, name: CounterName) -> usize {
        let known =
            |read: &Counter| (&read.part, &read.metric, &read.labels) == (&name.part, &name.metric, &name.labels);
        if let Some(at) = self.read.iter().position(known) {
            return at;
        }
        let CounterName { part, metric, labels } = name;
        self.read.push(Counter { part, metric, labels, before: None, during: None, after: None });
        self.read.len() - 1
    }

    /// Returns the current values. The metrics of each part are read once.
    async fn values(&self, stack: &Stack) -> Vec<Option<f64>> {
        let mut texts: BTreeMap<&str, Option<String>> = BTreeMap::new();
        for counter in &self.read {
            if !texts.contains_key(counter.part.as_str()) {
                texts.insert(&counter.part, stack.metrics(&counter.part).await.ok());
            }
        }
        let value = |counter: &Counter| {
            let text = texts.get(counter.part.as_str())?.as_ref()?;
            let labels: Vec<(&str, &str)> = counter.labels.iter().map(|(key, value)| (&**key, &**value)).collect();
            Some(sum(text, &counter.metric, &labels))
        };
        self.read.iter().map(value).collect()
    }
}

/// Returns how much a counter grew. If its part was restarted meanwhile, the counter began at 0 again.
fn growth(counter: &Counter) -> Option<f64> {
    let (before, after) = (counter.before?, counter.after.or(counter.during)?);
    Some(if after < before { after } else { after - before })
}

/// Requests on edges before the fault.
pub(super) struct EdgeTraffic {
    ways: Vec<Passed>,
}

/// The requests and connections on one edge; `None` if they cannot be counted.
struct Passed {
    from: String,
    to: String,
    before: Option<(u64, u64)>,
}

impl EdgeTraffic {
    pub(super) fn before(stack: &Stack, experiment: &Experiment) -> Self {
        let before = |from: &str, to: &str| passed(stack, from, to);
        let ways = experiment.ways.iter();
        let ways =
            ways.map(|way| Passed { from: way.from.clone(), to: way.to.clone(), before: before(&way.from, &way.to) });
        Self { ways: ways.collect() }
    }

    /// Returns the requests and connections since then. `calls` is filled in later, from the history.
    pub(super) fn after(self, stack: &Stack, span: Span) -> Vec<Way> {
        let counted = self.ways.into_iter().filter_map(|Passed { from, to, before }| {
            let (requests, connects) = before?;
            let (now, opened) = passed(stack, &from, &to)?;
            Some(Way { from, to, span, requests: now - requests, calls: 0, connects: opened - connects })
        });
        counted.collect()
    }
}

/// Returns the requests and connections on an edge so far.
fn passed(stack: &Stack, from: &str, to: &str) -> Option<(u64, u64)> {
    let tally = stack.proxy(from, to)?.tally();
    Some((tally.operations, tally.connections))
}

/// Returns the number of calls that memory reported as admitted beyond the limit, by organisation. Only memory is read, because limited
/// organisations call no other service.
pub(super) async fn declared(quotas: &[Quota], stack: &Stack, experiment: &Experiment) -> BTreeMap<String, u64> {
    let mut bypassed = 0.0;
    for part in experiment.topology.of(Service::Memory) {
        if let Ok(text) = stack.metrics(&part.name).await {
            bypassed += sum(&text, metric::RATE_LIMIT_BYPASS_TOTAL, &[]);
        }
    }
    // The counter has no organisation. With one limited organisation, all of it belongs to that one.
    quotas.iter().map(|quota| (quota.tenant.clone(), bypassed as u64)).collect()
}
