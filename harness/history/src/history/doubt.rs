//! Decides from the conditions of a run whether its times are reliable, and whether a broken bound counts as a violation (decision 0027).

use super::History;
use super::backlog::Backlog;
use crate::conditions::{Conditions, joined};
use crate::experiment::Span;
use crate::op::{ErrorKind, Phase};
use crate::view::OpRef;

/// Share of the measured calls that may overlap stalls, or disturbed spans, before every broken bound is in doubt.
const MOST_DISTURBED: f64 = 0.05;
/// Share of the measured calls that disturbed spans may touch, if the others alone are to show a broken bound.
const MOST_OMITTED: f64 = 0.5;
/// Time before a crowded span that is omitted as well. The machine is sampled once a second, and a process that uses half of it is noticed in the
/// sample in which it runs for half a second: it may have run for as long in the sample before.
const UNNOTICED_US: u64 = 500_000;
/// Time before and after a call that failed on the machine of the harness, which has no descriptor or memory left then.
const FAILING_US: u64 = 100_000;
/// A stall explains a wait of this many times its length: what waited in it is sent at once, and waits for what was sent before it.
const STALL_TIMES: u64 = 2;
/// Stalls disturb a wait if they are more than this part of it: one of ten.
const STALLED_ONE_OF: u64 = 10;

/// Why a broken bound is not held against the stack.
pub(crate) struct Doubt {
    pub(crate) why: String,
    /// The history without its disturbed spans, if these are the only reason and enough is left: a bound that is broken there too is held against
    /// the stack.
    pub(crate) rest: Option<History>,
    /// True if few calls were disturbed, so that only a check which omits them can be in doubt.
    pub(crate) is_slight: bool,
}

impl History {
    /// Returns true if a call overlaps a stall, so that its time says nothing about the stack.
    pub fn is_stalled(&self, op: OpRef<'_>) -> bool {
        overlaps(&self.conditions().stalls, span_of(op))
    }

    /// Returns true if a call overlaps a crowded span.
    pub fn is_crowded(&self, op: OpRef<'_>) -> bool {
        overlaps(&self.conditions().crowded, span_of(op))
    }

    /// Returns the length of the part of a span in which no stall was.
    pub(crate) fn undisturbed_us(&self, span: Span) -> u64 {
        span.length_us().saturating_sub(self.stalled_us(span))
    }

    /// Returns true if other processes used the machine in a span, or the harness stood still for more than a tenth of it.
    pub(crate) fn is_disturbed(&self, span: Span) -> bool {
        let is_crowded = self.conditions().crowded.iter().any(|crowded| crowded.overlap(span).length_us() > 0);
        is_crowded || self.stalled_us(span).saturating_mul(STALLED_ONE_OF) > span.length_us()
    }

    fn stalled_us(&self, span: Span) -> u64 {
        let stalls = &self.conditions().stalls;
        let first = stalls.partition_point(|stall| stall.until_us <= span.from_us);
        let during = stalls[first..].iter().take_while(|stall| stall.from_us < span.until_us);
        during.map(|stall| stall.overlap(span).length_us()).sum()
    }

    /// Returns true if stalls in a span explain that it is longer than the bound. A short stall does not explain a wait of many seconds.
    pub fn is_explained_by_stalls(&self, span: Span, bound_us: u64) -> bool {
        let stalled_us = self.stalled_us(span);
        stalled_us > 0 && span.length_us() <= bound_us.saturating_add(stalled_us.saturating_mul(STALL_TIMES))
    }

    /// Returns true if a call is not judged at all, because it overlaps a crowded span, or a failure of the harness, of a history without them.
    pub(crate) fn is_omitted(&self, op: OpRef<'_>) -> bool {
        overlaps(&self.omitted, span_of(op))
    }

    /// Returns why a broken bound is not held against the stack; `None` if nothing speaks against it.
    pub(crate) fn doubt(&self) -> Option<Doubt> {
        if let Some(limit) = self.conditions().limits.first() {
            return Some(Doubt { why: limit.clone(), rest: None, is_slight: false });
        }
        let stalled = self.share_of_calls(|op| self.is_stalled(op));
        if stalled > MOST_DISTURBED {
            let why = format!("the harness stood still during {}", percent_of_calls(stalled));
            return Some(Doubt { why, rest: None, is_slight: false });
        }
        let local = self.local_spans();
        let crowded = self.share_of_calls(|op| self.is_crowded(op));
        let why = if !self.conditions().crowded.is_empty() {
            format!("other processes used the machine during {}", percent_of_calls(crowded))
        } else if !local.is_empty() {
            "calls failed because of the harness and not of the service".to_owned()
        } else if stalled > 0.0 {
            format!("the harness stood still during {}", percent_of_calls(stalled))
        } else {
            return None;
        };
        let calls = local.len() + self.calls().count();
        let failed_here = local.len() as f64 / calls.max(1) as f64;
        let is_slight = crowded <= MOST_DISTURBED && failed_here <= MOST_DISTURBED;
        let rest = self.without_disturbed(local);
        let is_enough = rest.share_of_calls(|op| rest.is_stalled(op)) <= MOST_OMITTED;
        Some(Doubt { why, rest: is_enough.then_some(rest), is_slight })
    }

    fn share_of_calls(&self, is_meant: impl Fn(OpRef<'_>) -> bool) -> f64 {
        let (calls, meant) =
            self.calls().fold((0u64, 0u64), |(calls, meant), (_, op)| (calls + 1, meant + u64::from(is_meant(op))));
        meant as f64 / calls.max(1) as f64
    }

    /// Returns the times of the measured calls that failed on the machine of the harness. Meanwhile fewer calls than planned reached the stack.
    fn local_spans(&self) -> Vec<Span> {
        let is_local = |op: &OpRef<'_>| matches!(op.outcome().error(), Some(ErrorKind::Local(_)));
        let span = |op: OpRef<'_>| {
            let Span { from_us, until_us } = span_of(op);
            Span { from_us: from_us.saturating_sub(FAILING_US), until_us: until_us.saturating_add(FAILING_US) }
        };
        self.ops().filter(|op| op.phase() == Phase::Measured && is_local(op)).map(span).collect()
    }

    /// Returns this history with its disturbed spans as further stalls, so that no check of time judges what happened in them. A crowded span, and a
    /// stall, includes the time in which the calls that waited at its end are worked off.
    fn without_disturbed(&self, local: Vec<Span>) -> Self {
        let conditions = self.conditions();
        let crowded = conditions
            .crowded
            .iter()
            .map(|crowded| Span { from_us: crowded.from_us.saturating_sub(UNNOTICED_US), ..*crowded });
        let crowded = joined(crowded.collect());
        let disturbed = joined(crowded.iter().chain(&conditions.stalls).copied().collect());
        let backlog = Backlog::of(|| self.calls().map(|(_, op)| span_of(op)), disturbed);
        let with_echo = |span: &Span| backlog.with_echo(*span);
        let omitted = joined(crowded.iter().map(with_echo).chain(local).collect());
        let stalls = joined(conditions.stalls.iter().map(with_echo).chain(omitted.iter().copied()).collect());
        Self { conditions: Conditions { stalls, ..conditions.clone() }, omitted, ..self.clone() }
    }
}

fn percent_of_calls(share: f64) -> String {
    if share < 0.01 { "less than 1 % of the calls".to_owned() } else { format!("{:.0} % of the calls", share * 100.0) }
}

/// The span that the latency of a call covers.
pub(crate) fn span_of(op: OpRef<'_>) -> Span {
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
