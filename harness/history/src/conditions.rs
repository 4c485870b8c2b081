//! The conditions of a run: when the process that made the calls stood still, when the machine was crowded, whether the load was the limit, and whether
//! all records were read at the end. They decide whether a broken bound is held against the stack (decision 0027).

use crate::experiment::Span;
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
    /// True if the process that makes the calls used up its own CPU time, so that it may have delayed every call.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub saturated: bool,
    /// True if the stalls of the process that makes the calls were not recorded, so that any time without an answer may be one of them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unobserved: bool,
}

/// Longest time for which calls after a stall are not judged: what waited is sent at once, which the stack must work off. A shorter stall has
/// a shorter one, its own length.
const MOST_SETTLING_US: u64 = 1_000_000;

impl Conditions {
    /// Orders the spans and joins those that overlap; adds to each stall the time to settle.
    pub(crate) fn normal(self) -> Self {
        let stalls = self.stalls.into_iter().map(with_settling).collect();
        Self { stalls: joined(stalls), crowded: joined(self.crowded), ..self }
    }
}

/// Returns a stall with the time to settle after it.
pub(crate) fn with_settling(stall: Span) -> Span {
    Span { until_us: stall.until_us.saturating_add(stall.length_us().min(MOST_SETTLING_US)), ..stall }
}

/// Orders spans, and joins those that overlap.
pub(crate) fn joined(mut spans: Vec<Span>) -> Vec<Span> {
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
