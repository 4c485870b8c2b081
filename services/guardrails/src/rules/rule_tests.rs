//! Runs the tests of a rule, and rejects a rule that every ordinary action violates.

use super::model::SubjectKind;
use super::pattern::HARMLESS;
use super::scan::SetUse;
use super::set::{Compiled, RuleSet};
use super::subject::Subject;
use mcp_contracts::Plan;
use mcp_contracts::guardrails::ActionKind;
use mcp_kit::data::Problem;
use std::borrow::Cow;
use std::sync::Arc;

/// Runs the tests of a rule. Returns a problem for each case whose result differs from the expected one, or a single problem if the rule matches
/// everything.
pub(super) fn run_tests(
    file: &str,
    line: usize,
    case_lines: &[Vec<usize>; 2],
    compiled: &Arc<Compiled>,
) -> Vec<Problem> {
    let rule = &compiled.rule;
    let problem = |line, message: String| Problem { file: file.to_owned(), line, item: Some(rule.id.clone()), message };
    let set = match RuleSet::new(vec![(Arc::clone(compiled), rule.severity)], SetUse::One) {
        Ok(set) => set,
        Err(why) => return vec![problem(line, why)],
    };
    // The highest plan is used, because every rule applies to it.
    let breaks = |subject: &Subject<'_>| !set.broken(subject, Plan::Enterprise).is_empty();
    if breaks_everything(rule.subject, &breaks) {
        return vec![problem(line, "the rule would match everything; make it more specific".to_owned())];
    }
    let [trips, passes] = case_lines;
    let of = |cases| std::iter::zip(cases, [&rule.tests.trips, &rule.tests.passes]);
    let mut problems = Vec::new();
    for ((lines, cases), expected) in of([trips, passes]).zip([true, false]) {
        for (line, case) in lines.iter().zip(cases) {
            if breaks(&Subject::of_case(rule, case)) != expected {
                let why =
                    if expected { "must break the rule and does not" } else { "must not break the rule and does" };
                problems.push(problem(*line, format!("this case {why}")));
            }
        }
    }
    problems
}

/// Returns true if every kind of action with every harmless text violates the rule.
fn breaks_everything(kind: SubjectKind, breaks: &impl Fn(&Subject<'_>) -> bool) -> bool {
    let files = ["src/main.rs".to_owned()];
    ActionKind::ALL.into_iter().all(|action| {
        HARMLESS.iter().all(|text| {
            let subject = Subject {
                kind,
                intent: Cow::Borrowed("finish the task"),
                files: Cow::Borrowed(&files),
                all_files: Cow::Borrowed(&files),
                branch: Some("topic/one"),
                bytes: Some(1_000),
                labelled: true,
                ..Subject::bare(action)
            };
            breaks(&subject.with_text(text))
        })
    })
}
