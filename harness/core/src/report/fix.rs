//! `fix.md`: one table of all findings, then for each finding what to change, and one request and reply for each kind of case that was handled wrongly.

use super::ReportError;
use super::figures::{CheckFigures, HardeningFigures, Summary, ViolationFigures};
use super::template::render_template;
use crate::plan::target::TARGET;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

const TEMPLATE: &str = include_str!("fix.md.j2");
/// Kinds of cases of one finding that are shown; the others are in `report.json`.
const MOST_GROUPS: usize = 3;
/// Cases of one kind that are named.
const MOST_CASES: usize = 6;
/// Lines of a request or a reply that are shown.
const MOST_LINES: usize = 12;
/// Characters of such a line that are shown. A command is never cut, because it is there to be copied.
const MOST_LETTERS: usize = 300;

/// A finding, and the checks that fail for the same cause.
#[derive(Serialize)]
struct FixFinding {
    #[serde(flatten)]
    check: CheckFigures,
    also: Vec<String>,
    /// The first case, and the number of the others.
    seen: String,
    groups: Vec<CaseGroup>,
    /// Number of kinds of cases that are not shown.
    more_groups: usize,
}

/// Cases with the same signs. One request and reply stand for all of them.
#[derive(Serialize)]
struct CaseGroup {
    cases: Vec<String>,
    /// Number of cases that are not named.
    more: usize,
    signs: Vec<String>,
    /// The command that repeats the request; the request itself if no command can.
    sent: String,
    reply: String,
}

pub(super) fn render(summary: &Summary, hardening: &HardeningFigures) -> Result<String, ReportError> {
    let of = |state: &'static str| hardening.checks.iter().filter(move |check| check.state == state);
    let mut findings: Vec<FixFinding> =
        of("fail").filter(|check| check.same_cause_as.is_none()).map(|check| finding(check, hardening)).collect();
    // The worst first, because that is the order of work.
    findings.sort_by(|one, other| other.check.score.total_cmp(&one.check.score));
    let mut unclear: Vec<&CheckFigures> = of("unknown").collect();
    unclear.sort_by(|one, other| other.score.total_cmp(&one.score));
    let has_curl = findings.iter().flat_map(|finding| &finding.groups).any(|group| group.sent.starts_with("curl "));
    let values = context! {
        run => Value::from(Serde(summary)), findings => Value::from(Serde(&findings)), unclear => Value::from(Serde(&unclear)), has_curl
    };
    render_template("fix.md", TEMPLATE, values)
}

fn finding(check: &CheckFigures, hardening: &HardeningFigures) -> FixFinding {
    let also = hardening.checks.iter().filter(|other| other.same_cause_as.as_deref() == Some(&check.id));
    let also = also.map(|other| format!("{} ({})", other.id, other.title)).collect();
    let seen = match check.violations.as_slice() {
        [] => check.summary.clone(),
        [only] => case_name(only),
        [first, others @ ..] => format!("{} and {} more", case_name(first), others.len()),
    };
    let mut groups = groups(&check.violations);
    let more_groups = groups.len().saturating_sub(MOST_GROUPS);
    groups.truncate(MOST_GROUPS);
    FixFinding { check: check.clone(), also, seen, groups, more_groups }
}

/// Returns the cases by their signs, in the order of the first case of each.
fn groups(violations: &[ViolationFigures]) -> Vec<CaseGroup> {
    let mut groups: Vec<CaseGroup> = Vec::new();
    for violation in violations {
        let Some(group) = groups.iter_mut().find(|group| group.signs == violation.signs) else {
            groups.push(group_of(violation));
            continue;
        };
        if group.cases.len() < MOST_CASES {
            group.cases.push(case_name(violation));
        } else {
            group.more += 1;
        }
    }
    groups
}

fn group_of(violation: &ViolationFigures) -> CaseGroup {
    // The last exchange is the one that was judged; those before it prepare it.
    let exchange = violation.exchanges.last();
    let sent = exchange.map(|exchange| exchange.curl.clone().unwrap_or_else(|| beginning(&exchange.request)));
    CaseGroup {
        cases: vec![case_name(violation)],
        more: 0,
        signs: violation.signs.clone(),
        sent: sent.unwrap_or_default(),
        reply: beginning(exchange.map(|exchange| exchange.reply.as_str()).unwrap_or_default()),
    }
}

/// Returns the name of a case, without the part if there is only one.
fn case_name(violation: &ViolationFigures) -> String {
    let only_part = format!("{TARGET}: ");
    violation.case.strip_prefix(&only_part).unwrap_or(&violation.case).to_owned()
}

/// Returns the first lines of a text, each cut if it is long.
fn beginning(text: &str) -> String {
    let text = text.trim_end();
    let mut lines: Vec<String> = text.lines().take(MOST_LINES).map(cut).collect();
    if text.lines().nth(MOST_LINES).is_some() {
        lines.push("…".to_owned());
    }
    lines.join("\n")
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(MOST_LETTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_CASES, MOST_LETTERS, MOST_LINES, beginning, groups};
    use crate::report::figures::{ExchangeFigures, ViolationFigures};

    fn violation(case: &str, sign: &str, curl: Option<&str>) -> ViolationFigures {
        let exchange = ExchangeFigures {
            request: format!("request of {case}"),
            reply: format!("reply of {case}"),
            curl: curl.map(str::to_owned),
        };
        ViolationFigures { case: case.to_owned(), signs: vec![sign.to_owned()], exchanges: vec![exchange], file: None }
    }

    #[test]
    fn cases_with_the_same_signs_are_shown_once() {
        let mut violations = vec![violation("target: other", "b", None)];
        violations.extend((0..MOST_CASES + 2).map(|number| violation(&format!("case {number}"), "a", Some("curl x"))));
        let groups = groups(&violations);
        let [other, same] = &groups[..] else { panic!("{}", groups.len()) };
        assert_eq!((other.sent.as_str(), other.reply.as_str()), ("request of target: other", "reply of target: other"));
        assert_eq!(other.cases, ["other"], "a server is the only part");
        assert_eq!((same.cases.len(), same.more, same.sent.as_str()), (MOST_CASES, 2, "curl x"));
        assert_eq!(same.reply, "reply of case 0");
    }

    #[test]
    fn a_long_reply_is_cut() {
        let long = "line\n".repeat(MOST_LINES + 1);
        assert_eq!(beginning(&long).lines().count(), MOST_LINES + 1);
        assert!(beginning(&long).ends_with('…'));
        assert_eq!(beginning("a\nb\n"), "a\nb");
        assert_eq!(beginning(&"ü".repeat(MOST_LETTERS + 1)), format!("{}…", "ü".repeat(MOST_LETTERS)));
        assert_eq!(beginning(""), "");
    }
}
