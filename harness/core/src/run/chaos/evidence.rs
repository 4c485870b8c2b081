//! Collects evidence that a fault hit, and of its effects: counters of the services, requests on edges, and calls that
//! a service reports as admitted beyond a limit.

use crate::drive::experiment::{CounterName, Experiment};
use crate::drive::scenario::sum;
use crate::plan::topology::Part;
use crate::stack::Stack;
use harness_history::Quota;
use harness_history::experiment::{Counter, EdgeRecord, Fault, Span};
use mcp_contracts::{Service, metric};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Target of a fault of Redis.
const REDIS: &str = "redis";
/// Kinds of faults after which the process of their target is another one.
const ENDS_A_PROCESS: [&str; 3] = ["kill", "stop", "restart"];
/// Interval at which the counters are read.
const EVERY: Duration = Duration::from_millis(250);

/// The counters that an experiment promises something about, read before, during and after its faults.
pub(super) struct Counters {
    read: Vec<Counter>,
}

impl Counters {
    /// Reads every counter of the experiment just before the fault.
    pub(super) async fn before(stack: &Stack, experiment: &Experiment) -> Self {
        let mut counters = Self { read: Vec::new() };
        for promise in &experiment.promises.counters {
            counters.add(&promise.part, &promise.metric, &promise.labels);
        }
        for CounterName { part, metric, labels } in HitCounters::of(experiment).names {
            counters.add(&part, &metric, &labels);
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

    pub(super) fn into_read(self) -> Vec<Counter> {
        self.read
    }

    fn add(&mut self, part: &str, metric: &str, labels: &Labels) {
        let known = |read: &Counter| (&*read.part, &*read.metric, &read.labels) == (part, metric, labels);
        if !self.read.iter().any(known) {
            let (part, metric, labels) = (part.to_owned(), metric.to_owned(), labels.clone());
            self.read.push(Counter { part, metric, labels, before: None, during: None, after: None });
        }
    }

    async fn values(&self, stack: &Stack) -> Vec<Option<f64>> {
        values(stack, self.read.iter().map(|counter| (&*counter.part, &*counter.metric, &counter.labels))).await
    }
}

type Labels = BTreeMap<String, String>;

/// Returns the current values of counters. The metrics of each part are read once.
async fn values<'c>(stack: &Stack, counters: impl Iterator<Item = (&'c str, &'c str, &'c Labels)>) -> Vec<Option<f64>> {
    let mut texts: BTreeMap<&str, Option<String>> = BTreeMap::new();
    let mut values = Vec::new();
    for (part, metric, labels) in counters {
        if !texts.contains_key(part) {
            texts.insert(part, stack.metrics(part).await.ok());
        }
        let labels: Vec<(&str, &str)> = labels.iter().map(|(key, value)| (&**key, &**value)).collect();
        values.push(texts[part].as_ref().map(|text| sum(text, metric, &labels)));
    }
    values
}

/// The counters that show which requests a fault hit, if the fault itself cannot count them. Each injection has a window of its own, from its
/// order to the next injection of the same fault, so that six injections are not credited with one total.
pub(super) struct HitCounters {
    names: Vec<CounterName>,
    /// True if the experiment names them; else they count the hits of faults of Redis only.
    of_every_fault: bool,
}

/// The values of the hit counters when an injection was ordered.
pub(super) struct HitWindow {
    before: Vec<Option<f64>>,
}

impl HitCounters {
    /// Returns the counter that the experiment names or, if it names none, those of calls that services admitted without Redis, because a Redis
    /// that is down cannot count.
    pub(super) fn of(experiment: &Experiment) -> Self {
        if let Some(name) = &experiment.evidence {
            return Self { names: vec![name.clone()], of_every_fault: true };
        }
        let services = experiment.topology.parts.iter().filter(|part| part.kind.service().is_some());
        let unverified = |part: &Part| CounterName {
            part: part.name.clone(),
            metric: metric::RATE_LIMIT_UNVERIFIED_TOTAL.to_owned(),
            labels: BTreeMap::new(),
        };
        Self { names: services.map(unverified).collect(), of_every_fault: false }
    }

    /// Opens the window of an injection; `None` if these counters do not count the hits of this fault.
    pub(super) async fn open(&self, stack: &Stack, target: &str) -> Option<HitWindow> {
        let counts = self.of_every_fault || target == REDIS;
        if counts { Some(HitWindow { before: self.read(stack).await }) } else { None }
    }

    /// Closes a window: fills in the number of requests that the fault hit, unless the fault counted them itself.
    pub(super) async fn close(&self, stack: &Stack, window: HitWindow, fault: &mut Fault) {
        let after = self.read(stack).await;
        let grown = self.names.iter().zip(window.before).zip(after).map(|((name, before), after)| {
            let restarted = fault.target == name.part && ENDS_A_PROCESS.contains(&&*fault.kind);
            Some(growth(before?, after?, restarted))
        });
        let grown = grown.collect::<Option<Vec<f64>>>();
        if let (Some(grown), None) = (grown, fault.hits) {
            fault.hits = Some(grown.iter().sum::<f64>().max(0.0) as u64);
            fault.counted_by = self.names[0].metric.clone();
        }
    }

    async fn read(&self, stack: &Stack) -> Vec<Option<f64>> {
        values(stack, self.names.iter().map(|name| (&*name.part, &*name.metric, &name.labels))).await
    }
}

/// Returns how much a counter grew. If its part was restarted meanwhile, the counter began at 0 again; its value shows that only if it is lower now.
fn growth(before: f64, after: f64, restarted: bool) -> f64 {
    if restarted || after < before { after } else { after - before }
}

/// Requests on edges before the fault.
pub(super) struct EdgeTraffic {
    ways: Vec<EdgeCounts>,
}

/// The requests and connections on one edge; `None` if they cannot be counted.
struct EdgeCounts {
    from: String,
    to: String,
    before: Option<(u64, u64)>,
}

impl EdgeTraffic {
    pub(super) fn before(stack: &Stack, experiment: &Experiment) -> Self {
        let before = |from: &str, to: &str| edge_counts(stack, from, to);
        let ways = experiment.ways.iter();
        let ways = ways.map(|way| EdgeCounts {
            from: way.from.clone(),
            to: way.to.clone(),
            before: before(&way.from, &way.to),
        });
        Self { ways: ways.collect() }
    }

    /// Returns the requests and connections since then. `calls` is filled in later, from the history.
    pub(super) fn after(self, stack: &Stack, span: Span) -> Vec<EdgeRecord> {
        let counted = self.ways.into_iter().filter_map(|EdgeCounts { from, to, before }| {
            let (requests, connects) = before?;
            let (now, opened) = edge_counts(stack, &from, &to)?;
            Some(EdgeRecord { from, to, span, requests: now - requests, calls: 0, connects: opened - connects })
        });
        counted.collect()
    }
}

/// Returns the requests and connections on an edge so far.
fn edge_counts(stack: &Stack, from: &str, to: &str) -> Option<(u64, u64)> {
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
    shares(quotas, bypassed as u64)
}

/// Divides the calls that a service declares among the limited organisations, by their limits. The counter has no
/// organisation, and to excuse each of them by all of it would excuse the same call several times.
fn shares(quotas: &[Quota], declared: u64) -> BTreeMap<String, u64> {
    let mut limits: BTreeMap<&str, u64> = BTreeMap::new();
    for quota in quotas {
        let limit = limits.entry(&quota.tenant).or_default();
        *limit = quota.limit.max(*limit);
    }
    let all = limits.values().sum::<u64>().max(1);
    limits.into_iter().map(|(tenant, limit)| (tenant.to_owned(), (declared * limit).div_ceil(all))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Quota, growth, shares};

    #[test]
    fn a_counter_of_a_restarted_part_grew_from_zero() {
        assert_eq!(growth(540.0, 556.0, false), 16.0);
        assert_eq!(growth(540.0, 120.0, false), 120.0, "it is lower, so its part was restarted by something else");
        assert_eq!(growth(120.0, 130.0, true), 130.0, "a value that is higher again says nothing of a restart");
    }

    #[test]
    fn a_declared_call_excuses_one_organisation() {
        let quota =
            |tenant: &str, limit| Quota { tenant: tenant.to_owned(), operations: Vec::new(), limit, window_us: None };
        assert_eq!(shares(&[quota("small", 80)], 9)["small"], 9, "one organisation has all of it");
        let two = shares(&[quota("small", 80), quota("small", 20), quota("large", 240)], 40);
        assert_eq!((two["small"], two["large"]), (10, 30));
        assert!(shares(&[], 9).is_empty());
    }
}
