//! What the conditions of a run say of its calls, and whether a broken bound is held against the stack (decision 0027).

use super::History;
use crate::experiment::Span;
use crate::view::OpRef;

/// Share of the measured calls that may overlap stalls, or crowded spans, before a broken bound is in doubt.
const MOST_DISTURBED: f64 = 0.05;
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
