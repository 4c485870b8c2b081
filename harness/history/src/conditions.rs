//! The conditions of a run: when the process that made the calls stood still, when the machine was crowded, whether the load was the limit, and whether
//! all records were read at the end. They decide whether a broken bound is held against the stack (decision 0027).

use crate::experiment::Span;
use crate::history::History;
use crate::view::OpRef;
use serde::{Deserialize, Serialize};

/// The conditions of a run, beside its calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conditions {
    /// The measured phase of a load; `None` if it is not known.
    pub measured: Option<Span>,
    /// Spans in which the process that makes the calls did not run.
    pub stalls: Vec<Span>,
    /// Spans in which processes other than the stack and the harness used more than a quarter of the machine.
    pub crowded: Vec<Span>,
    /// Why the load itself was the limit, such as a driver that sent too late; one sentence each.
    pub limits: Vec<String>,
    /// Number of records that the final read chose at random and read by their ids; `None` if it read every record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled: Option<u64>,
}

/// Share of the measured calls that may overlap stalls, or crowded spans, before a broken bound is in doubt.
const MOST_DISTURBED: f64 = 0.05;
/// Longest time for which calls after a stall are not judged: what waited is sent at once, which the stack must work off. A shorter stall has
/// a shorter one, its own length.
const MOST_SETTLING_US: u64 = 1_000_000;

impl Conditions {
    /// Orders the spans and joins those that overlap; adds to each stall the time to settle.
    pub(crate) fn normal(mut self) -> Self {
        for stall in &mut self.stalls {
            stall.until_us = stall.until_us.saturating_add(stall.length_us().min(MOST_SETTLING_US));
        }
        Self { stalls: joined(self.stalls), crowded: joined(self.crowded), ..self }
    }
}

impl History {
    /// Returns true if a call overlaps a stall, so that its time says nothing about the stack.
    pub(crate) fn is_stalled(&self, op: OpRef<'_>) -> bool {
        overlaps(&self.conditions().stalls, span_of(op))
    }

    /// Returns true if a call overlaps a crowded span.
    pub(crate) fn is_crowded(&self, op: OpRef<'_>) -> bool {
        overlaps(&self.conditions().crowded, span_of(op))
    }

    /// Returns the length of the part of a span in which no stall was.
    pub(crate) fn undisturbed_us(&self, span: Span) -> u64 {
        let stalled: u64 = self.conditions().stalls.iter().map(|stall| stall.overlap(span).length_us()).sum();
        span.length_us().saturating_sub(stalled)
    }

    /// Returns why a broken bound is not held against the stack; `None` if nothing speaks against it.
    pub fn doubt(&self) -> Option<String> {
        if let Some(limit) = self.conditions().limits.first() {
            return Some(limit.clone());
        }
        let (mut calls, mut stalled, mut crowded) = (0u64, 0u64, 0u64);
        for (_, op) in self.calls() {
            calls += 1;
            stalled += u64::from(self.is_stalled(op));
            crowded += u64::from(self.is_crowded(op));
        }
        let share = |count: u64| count as f64 / calls.max(1) as f64;
        let text = |share: f64| format!("{:.0} % of the calls", share * 100.0);
        if share(stalled) > MOST_DISTURBED {
            return Some(format!("the harness stood still during {}", text(share(stalled))));
        }
        let is_crowded = share(crowded) > MOST_DISTURBED;
        is_crowded.then(|| format!("other processes used the machine during {}", text(share(crowded))))
    }
}

/// The span that the latency of a call covers.
fn span_of(op: OpRef<'_>) -> Span {
    Span {
        from_us: op.planned_us().map_or(op.invoke_us(), |planned_us| planned_us.min(op.invoke_us())),
        until_us: op.complete_us(),
    }
}

/// Returns true if a span shares a moment with one of these, which are in order and apart.
fn overlaps(spans: &[Span], span: Span) -> bool {
    let next = spans.partition_point(|other| other.until_us <= span.from_us);
    spans.get(next).is_some_and(|other| other.from_us <= span.until_us)
}

fn joined(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable_by_key(|span| span.from_us);
    let mut apart: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match apart.last_mut().filter(|last| last.until_us >= span.from_us) {
            Some(last) => last.until_us = last.until_us.max(span.until_us),
            None => apart.push(span),
        }
    }
    apart
}
