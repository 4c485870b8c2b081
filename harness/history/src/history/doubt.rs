//! Decides from the conditions of a run whether its times are reliable, and whether a broken bound counts as a violation (decision 0027).

use super::History;
use crate::experiment::Span;
use crate::view::OpRef;

/// Share of the measured calls that may overlap stalls, or crowded spans, before a broken bound is in doubt.
const MOST_DISTURBED: f64 = 0.05;
/// Share of the measured calls that crowded spans may touch, if the others alone are to show a broken bound.
const MOST_OMITTED: f64 = 0.5;

/// Why a broken bound is not held against the stack.
pub(crate) struct Doubt {
    pub(crate) why: String,
    /// The history without its crowded spans, if these are the only reason and enough is left: a bound that is broken there too is held against the
    /// stack.
    pub(crate) rest: Option<History>,
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

    /// Returns true if a call is not judged at all, because it overlaps a crowded span of a history without them.
    pub(crate) fn is_omitted(&self, op: OpRef<'_>) -> bool {
        self.omits_crowded && self.is_stalled(op)
    }

    /// Returns why a broken bound is not held against the stack; `None` if nothing speaks against it.
    pub(crate) fn doubt(&self) -> Option<Doubt> {
        if let Some(limit) = self.conditions().limits.first() {
            return Some(Doubt { why: limit.clone(), rest: None });
        }
        let stalled = self.share_of_calls(|op| self.is_stalled(op));
        if stalled > MOST_DISTURBED {
            return Some(Doubt {
                why: format!("the harness stood still during {}", percent_of_calls(stalled)),
                rest: None,
            });
        }
        let crowded = self.share_of_calls(|op| self.is_crowded(op));
        if crowded <= MOST_DISTURBED {
            return None;
        }
        let rest = self.without_crowded();
        let is_enough = rest.share_of_calls(|op| rest.is_omitted(op)) <= MOST_OMITTED;
        let why = format!("other processes used the machine during {}", percent_of_calls(crowded));
        Some(Doubt { why, rest: is_enough.then_some(rest) })
    }

    fn share_of_calls(&self, is_meant: impl Fn(OpRef<'_>) -> bool) -> f64 {
        let (calls, meant) =
            self.calls().fold((0u64, 0u64), |(calls, meant), (_, op)| (calls + 1, meant + u64::from(is_meant(op))));
        meant as f64 / calls.max(1) as f64
    }

    /// Returns this history with crowded spans as further stalls, so that no check of time judges what happened in them.
    fn without_crowded(&self) -> Self {
        Self { conditions: self.conditions.clone().with_crowded_as_stalls(), omits_crowded: true, ..self.clone() }
    }
}

fn percent_of_calls(share: f64) -> String {
    format!("{:.0} % of the calls", share * 100.0)
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
