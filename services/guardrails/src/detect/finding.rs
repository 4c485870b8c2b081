//! Collects the findings of a detector and removes overlaps. Knowledge of single detectors does not belong here.

use super::normal::{Normal, OffsetMap};
use mcp_contracts::guardrails::{Detection, Severity};
use std::ops::Range;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) detection: Detection,
    pub(super) kind: &'static str,
    pub(super) severity: Severity,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Collects the places of one detection.
#[derive(Debug)]
pub(super) struct Findings {
    detection: Detection,
    first_only: bool,
    length: usize,
    places: OffsetMap,
    found: Vec<Finding>,
}

impl Findings {
    /// Collects everything in `text`.
    pub(super) fn all(text: &str, detection: Detection) -> Self {
        Self { detection, first_only: false, length: text.len(), places: OffsetMap::default(), found: Vec::new() }
    }

    /// Collects only the first finding.
    pub(super) fn first(text: &str, detection: Detection) -> Self {
        Self { first_only: true, ..Self::all(text, detection) }
    }

    /// Treats the places that are added from now on as places in the normal form.
    pub(super) fn read_normal(&mut self, normal: &Normal<'_>) {
        self.places = normal.places();
    }

    /// Scans a decoded text with `look`, and adds its first finding at `place` of this text.
    pub(super) fn add_within(&mut self, place: Range<usize>, look: impl FnOnce(&mut Self)) {
        let mut inner = Self { length: usize::MAX, first_only: true, ..Self::all("", self.detection) };
        look(&mut inner);
        if let Some(found) = inner.into_sorted().first() {
            self.add(found.kind, found.severity, place);
        }
    }

    pub(super) fn detection(&self) -> Detection {
        self.detection
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns true if only the first finding is wanted and was added.
    pub(super) fn done(&self) -> bool {
        self.first_only && !self.found.is_empty()
    }

    /// Adds a finding; ignores an empty place.
    pub(super) fn add(&mut self, kind: &'static str, severity: Severity, place: Range<usize>) {
        let place = self.places.back(place);
        let end = place.end.min(self.length);
        if place.start < end {
            self.found.push(Finding { detection: self.detection, kind, severity, start: place.start, end });
        }
    }

    /// Returns the findings in order. Merges those that overlap: the most severe kind (the first of equals) stays, and its place covers all of
    /// them, so that masking hides all.
    pub(super) fn into_sorted(mut self) -> Vec<Finding> {
        self.found.sort_by_key(|finding| (finding.start, std::cmp::Reverse(finding.end)));
        let mut kept: Vec<Finding> = Vec::with_capacity(self.found.len());
        for finding in self.found {
            match kept.last_mut() {
                Some(last) if finding.start < last.end => {
                    last.end = last.end.max(finding.end);
                    if finding.severity > last.severity {
                        (last.kind, last.severity) = (finding.kind, finding.severity);
                    }
                }
                Some(_) | None => kept.push(finding),
            }
        }
        kept
    }
}

/// Computes line numbers of places that are requested in ascending order.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// Returns the line number of a byte, from 1. Must be called with ascending bytes.
    pub(super) fn line_of(&mut self, byte: usize) -> usize {
        self.line += self.text.as_bytes()[self.at..byte].iter().filter(|byte| **byte == b'\n').count();
        self.at = byte;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_findings_become_one_with_the_worst_severity() {
        let mut findings = Findings::all(&"x".repeat(40), Detection::Secret);
        findings.add("late", Severity::Low, 30..99);
        findings.add("mild", Severity::Medium, 2..12);
        findings.add("bad", Severity::Critical, 10..20);
        findings.add("none", Severity::Critical, 25..25);
        let told: Vec<_> = findings.into_sorted().iter().map(|found| (found.kind, found.start, found.end)).collect();
        assert_eq!(told, [("bad", 2, 20), ("late", 30, 40)]);
    }

    #[test]
    fn lines_are_counted_from_one() {
        let mut lines = Lines::new("a\nb\n\nc");
        assert_eq!([lines.line_of(0), lines.line_of(2), lines.line_of(2), lines.line_of(5)], [1, 2, 2, 4]);
    }
}
