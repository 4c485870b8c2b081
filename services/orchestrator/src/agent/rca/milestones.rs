//! Finds when an incident began, was noticed, eased and ended, and the durations between. A duration is omitted if one of its ends is missing.

use super::facts::{Fact, Facts};
use super::report::{Interval, Mark, Response};
use crate::agent::lexicon::LEXICON;

/// The facts that bound the phases of an incident.
#[derive(Debug, Default)]
pub(super) struct Milestones<'a> {
    pub(super) started: Option<&'a Fact>,
    /// True if `started` is the first alert, because no symptom is known before it.
    pub(super) started_at_latest: bool,
    pub(super) detected: Option<&'a Fact>,
    pub(super) acted: Option<&'a Fact>,
    pub(super) mitigated: Option<&'a Fact>,
    pub(super) resolved: Option<&'a Fact>,
}

impl<'a> Milestones<'a> {
    pub(super) fn find(facts: &'a Facts) -> Self {
        let rules = &LEXICON.incident;
        let mut timed: Vec<&Fact> = facts.all.iter().filter(|fact| fact.timestamp.is_some()).collect();
        timed.sort_by_key(|fact| fact.timestamp.map(|timestamp| timestamp.at));
        let first = |mark: Mark| timed.iter().find(|fact| fact.mark == mark).copied();
        let is_onset = |fact: &&&Fact| {
            let is_early = matches!(fact.mark, Mark::Symptom | Mark::Detected | Mark::Note);
            is_early && fact.is_report() && rules.onset.hold(&fact.text)
        };
        let onset = timed.iter().find(is_onset).copied();
        let noticed = first(Mark::Detected);
        let earliest = [onset, first(Mark::Symptom)].into_iter().flatten().min_by_key(|fact| fact.timestamp);
        let known = earliest.filter(|start| noticed.is_none_or(|noticed| start.timestamp <= noticed.timestamp));
        // An alert fires after the failure that it reports; a person may notice something else.
        let started = known.or(noticed.filter(|noticed| rules.by_alert.hold(&noticed.text)));
        let since = started.or(noticed).and_then(|fact| fact.timestamp);
        let after: Vec<&Fact> = timed.iter().filter(|fact| fact.timestamp >= since).copied().collect();
        let first = |marks: &[Mark], from| {
            after.iter().find(|fact| fact.timestamp >= from && marks.contains(&fact.mark)).copied()
        };
        let detected = first(&[Mark::Detected], None).or_else(|| first(&[Mark::Response], None));
        let resolved = after.iter().rfind(|fact| fact.mark == Mark::Resolved).copied();
        let is_before_end = |fact: &Fact| resolved.is_none_or(|resolved| fact.timestamp <= resolved.timestamp);
        let mitigated = after.iter().rfind(|fact| fact.mark == Mark::Mitigated && is_before_end(fact)).copied();
        let acted = [Mark::Response, Mark::Attempt, Mark::Mitigated];
        Self {
            started,
            started_at_latest: known.is_none() && started.is_some(),
            acted: first(&acted, detected.and_then(|fact| fact.timestamp)),
            detected,
            mitigated,
            resolved,
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &'a Fact> {
        [self.started, self.detected, self.mitigated, self.resolved].into_iter().flatten()
    }

    pub(super) fn response(&self, facts: &Facts) -> Response {
        let by = self.detected.or_else(|| facts.reports().find(|fact| fact.mark == Mark::Detected));
        Response {
            detect: self.until(self.detected, "when it was noticed"),
            act: self.until(self.acted, "when the first action was taken"),
            mitigate: self.until(self.mitigated, "when an action helped"),
            resolve: self.until(self.resolved, "when it ended"),
            detected_by: by.map(|fact| detector(&fact.text).to_owned()),
        }
    }

    fn until(&self, end: Option<&Fact>, missing: &str) -> Interval {
        let (minutes, basis) = match (self.started, end) {
            (Some(start), Some(end)) if self.started_at_latest && std::ptr::eq(start, end) => {
                (None, format!("the first sign of it is the alert in line {}", start.line))
            }
            (Some(start), Some(end)) => {
                let minutes = start.timestamp.zip(end.timestamp).map(|(from, to)| to.minutes_since(from));
                (minutes, format!("line {} to line {}", start.line, end.line))
            }
            (None, Some(end)) => (None, format!("the beginning is not in the text (end: line {})", end.line)),
            (Some(_), None) => (None, format!("the text does not say {missing}")),
            (None, None) => (None, format!("the text does not say when it began, nor {missing}")),
        };
        Interval { minutes, basis }
    }
}

fn detector(text: &str) -> &'static str {
    let rules = &LEXICON.incident;
    match () {
        () if rules.by_alert.hold(text) => "alert",
        () if rules.by_customer.hold(text) => "customer",
        () => "person",
    }
}
