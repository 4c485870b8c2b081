//! Detection without a model: secrets, personal data, orders to a model and SQL that destroys data. Text in, places out; nothing here
//! reads a file, a clock or a setting, and every part takes time in proportion to the text.

pub mod corpus;
mod decode;
mod finding;
mod injection;
mod mask;
pub mod measure;
mod near;
mod normal;
mod pii;
mod secrets;
mod sql;

use decode::Passage;
use finding::{Findings, Lines};
use mcp_contracts::guardrails::{Detection, Match};
use normal::Normal;
use std::cell::OnceCell;
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
    let input = ScanInput::of(text);
    for detection in Detection::ALL.into_iter().filter(|detection| wanted.contains(detection)) {
        found.extend(every(&input, detection).into_sorted());
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

/// Returns true if the text has at least one finding of this detection. Stops at the first.
pub fn any(text: &str, wanted: Detection) -> bool {
    let mut findings = Findings::first(text, wanted);
    run_detectors(&ScanInput::of(text), &mut findings);
    !findings.is_empty()
}

/// Returns true if a text that its sender declares to be SQL contains a statement that is not known to be harmless.
pub fn any_in_sql(text: &str) -> bool {
    let mut findings = Findings::first(text, Detection::DestructiveSql);
    sql::find(&Normal::of(text).text, true, &mut findings);
    !findings.is_empty()
}

/// Each table of the detectors and the date of its facts.
pub fn tables() -> [(&'static str, &'static str); 6] {
    let [tokens, secrets] = secrets::table_dates();
    [
        ("accounts", pii::table_date()),
        ("confusables", normal::table_date()),
        ("orders", injection::table_date()),
        ("secrets", secrets),
        ("sql", sql::table_date()),
        ("tokens", tokens),
    ]
}

/// Every kind that a text contains, without its places.
pub fn detections_in(text: &str) -> BTreeSet<(Detection, &'static str)> {
    let input = ScanInput::of(text);
    let kinds =
        |detection| every(&input, detection).into_sorted().into_iter().map(move |finding| (detection, finding.kind));
    Detection::ALL.into_iter().flat_map(kinds).collect()
}

/// A text as it is, in its normal form, and what is encoded in it.
struct ScanInput<'t> {
    raw: &'t str,
    normal: Normal<'t>,
    passages: OnceCell<Vec<Passage>>,
}

impl<'t> ScanInput<'t> {
    fn of(raw: &'t str) -> Self {
        Self { raw, normal: Normal::of(raw), passages: OnceCell::new() }
    }
}

fn every(input: &ScanInput<'_>, detection: Detection) -> Findings {
    let mut findings = Findings::all(input.raw, detection);
    run_detectors(input, &mut findings);
    findings
}

fn run_detectors(input: &ScanInput<'_>, findings: &mut Findings) {
    let detection = findings.detection();
    if detection == Detection::PromptInjection {
        injection::find_hidden(input.raw, findings);
    }
    findings.read_normal(&input.normal);
    run_text_detectors(&input.normal.text, findings);
    for passage in input.passages.get_or_init(|| decode::passages(&input.normal.text)) {
        // Addresses of people in a token are the business of who issued it.
        if findings.done() || detection == Detection::Pii && !passage.escaped {
            continue;
        }
        findings.add_within(passage.place.clone(), |findings| match detection {
            Detection::PromptInjection => injection::find_wrapped(&passage.text, findings),
            Detection::Secret | Detection::Pii | Detection::DestructiveSql => {
                run_text_detectors(&passage.text, findings)
            }
        });
    }
}

fn run_text_detectors(text: &str, findings: &mut Findings) {
    if findings.done() {
        return;
    }
    match findings.detection() {
        Detection::Secret => secrets::find(text, findings),
        Detection::Pii => pii::find(text, findings),
        Detection::PromptInjection => injection::find(text, findings),
        Detection::DestructiveSql => sql::find(text, false, findings),
    }
}

#[cfg(test)]
mod fuzz;
