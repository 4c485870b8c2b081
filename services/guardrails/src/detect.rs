//! Detection without a model: secrets, personal data, orders to a model and SQL that destroys data. Text in, places out; nothing here
//! reads a file, a clock or a setting, and every part takes time in proportion to the text.

pub mod corpus;
mod finding;
mod injection;
mod mask;
pub mod measure;
mod near;
mod pii;
mod secrets;
mod sql;

use finding::{Findings, Lines};
use mcp_contracts::guardrails::{Detection, Match};
use std::collections::BTreeSet;

pub use mask::redact;

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// The matches in the order of the text.
    pub matches: Vec<Match>,
    /// True where there were more than were asked for.
    pub truncated: bool,
}

/// Looks for the wanted things and tells the first `limit` of them. Matches of one detection never overlap.
pub fn scan(text: &str, wanted: &[Detection], limit: usize) -> Scanned {
    let mut found = Vec::new();
    for detection in Detection::ALL.into_iter().filter(|detection| wanted.contains(detection)) {
        found.extend(every(text, detection).into_sorted());
    }
    found.sort_by_key(|finding| (finding.start, finding.end));
    let truncated = found.len() > limit;
    let mut lines = Lines::new(text);
    let matches = found
        .into_iter()
        .take(limit)
        .map(|finding| Match {
            detection: finding.detection,
            kind: finding.kind.to_owned(),
            severity: finding.severity,
            start: finding.start,
            end: finding.end,
            line: lines.line_of(finding.start),
            preview: mask::preview(&text[finding.start..finding.end]),
        })
        .collect();
    Scanned { matches, truncated }
}

/// Whether anything of a kind is there; it stops at the first.
pub fn any(text: &str, wanted: Detection) -> bool {
    let mut findings = Findings::first(text, wanted);
    look(text, &mut findings);
    !findings.is_empty()
}

/// Whether a text that its sender declares to be SQL holds a statement that is not known to be harmless.
pub fn any_in_sql(text: &str) -> bool {
    let mut findings = Findings::first(text, Detection::DestructiveSql);
    sql::find(text, true, &mut findings);
    !findings.is_empty()
}

/// Each table of the detectors and the date of its facts.
pub fn tables() -> [(&'static str, &'static str); 3] {
    [("accounts", pii::table_date()), ("sql", sql::table_date()), ("tokens", secrets::table_date())]
}

/// Every kind that a text contains, without its places.
pub fn detections_in(text: &str) -> BTreeSet<(Detection, &'static str)> {
    let kinds =
        |detection| every(text, detection).into_sorted().into_iter().map(move |finding| (detection, finding.kind));
    Detection::ALL.into_iter().flat_map(kinds).collect()
}

fn every(text: &str, detection: Detection) -> Findings {
    let mut findings = Findings::all(text, detection);
    look(text, &mut findings);
    findings
}

fn look(text: &str, findings: &mut Findings) {
    match findings.detection() {
        Detection::Secret => secrets::find(text, findings),
        Detection::Pii => pii::find(text, findings),
        Detection::PromptInjection => injection::find(text, findings),
        Detection::DestructiveSql => sql::find(text, false, findings),
    }
}
