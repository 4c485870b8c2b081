//! Reads a file of rules, and reports every problem with its line. Relations between files are checked in `library`.

use super::check::{Check, RuleParts};
use super::model::{Case, Proofs, Rule, SubjectKind};
use super::read_condition::condition;
use super::source::MAX_RULES;
use mcp_contracts::Plan;
use mcp_contracts::guardrails::{ActionKind, Severity};
use mcp_kit::data::yaml::{Node, Value};
use mcp_kit::data::{Fields, Problem, ValueReader};

/// Maximum size of a file, in bytes.
pub(super) const MAX_FILE_BYTES: usize = 1 << 20;

pub(super) const FILE_FIELDS: [&str; 4] = ["category", "off", "severities", "rules"];
pub(super) const RULE_FIELDS: [&str; 11] =
    ["id", "title", "category", "severity", "plan", "locked", "subject", "when", "message", "remediation", "tests"];
pub(super) const CASE_FIELDS: [&str; 9] =
    ["action", "intent", "text", "files", "branch", "bytes", "environment", "backup", "label"];

/// A file of rules. Each `usize` is a line.
#[derive(Debug, Default)]
pub(super) struct ReadFile {
    pub(super) name: String,
    pub(super) off: Vec<(usize, String)>,
    pub(super) severities: Vec<(usize, String, Severity)>,
    pub(super) rules: Vec<ReadRule>,
}

/// A rule without problems, its compiled condition and its line.
#[derive(Debug)]
pub(super) struct ReadRule {
    pub(super) line: usize,
    pub(super) rule: Rule,
    pub(super) check: Check,
    pub(super) parts: RuleParts,
    /// Lines of the cases that must break the rule, and of those that must not.
    pub(super) case_lines: [Vec<usize>; 2],
}

pub(super) fn file(name: &str, text: &str, problems: &mut Vec<Problem>) -> ReadFile {
    let mut reader = ValueReader::new(name, problems);
    let mut read = ReadFile { name: name.to_owned(), ..ReadFile::default() };
    if text.len() > MAX_FILE_BYTES {
        reader.problem(1, format!("the file has {} bytes; at most {MAX_FILE_BYTES} are allowed", text.len()));
        return read;
    }
    let Some(root) = reader.parse(text).filter(|root| root.value != Value::Empty) else { return read };
    let Some(fields) = reader.fields(&root, "a file of rules", &FILE_FIELDS) else { return read };
    let category = fields.get("category").and_then(|_| reader.bounded(&fields, "category", 40));
    read.off = reader.texts(&fields, "off");
    if let Some(node) = fields.get("severities") {
        for entry in reader.entries(node, "`severities`") {
            let severity = reader.word(&entry.node, "a severity", &Severity::ALL, Severity::name);
            read.severities.extend(severity.map(|severity| (entry.line, entry.key.clone(), severity)));
        }
    }
    if let Some(node) = fields.get("rules") {
        let items = reader.list(node, "`rules`");
        if items.len() > MAX_RULES {
            reader.problem(node.line, format!("{} rules in one file; at most {MAX_RULES} are allowed", items.len()));
        }
        read.rules = items.iter().filter_map(|item| rule(&mut reader, item, category.as_deref())).collect();
    }
    read
}

fn rule(reader: &mut ValueReader<'_>, node: &Node, category: Option<&str>) -> Option<ReadRule> {
    let before = reader.problem_count();
    reader.item = None;
    let fields = reader.fields(node, "a rule", &RULE_FIELDS)?;
    let id = reader.bounded(&fields, "id", 24);
    if let Some(id) = id.as_deref().filter(|id| !is_id(id)) {
        reader.problem(fields.line("id"), format!("`{id}` is not an id; use letters and a number, such as `SEC-001`"));
    }
    reader.item.clone_from(&id);
    let category = match (fields.get("category"), category) {
        (None, Some(category)) => Some(category.to_owned()),
        (Some(_), _) | (None, None) => reader.bounded(&fields, "category", 40),
    };
    let severity = reader.required(&fields, "severity");
    let severity = severity.and_then(|node| reader.word(node, "`severity`", &Severity::ALL, Severity::name));
    let plan = fields.get("plan").and_then(|node| reader.word(node, "`plan`", &Plan::ALL, Plan::name));
    let subject = fields
        .get("subject")
        .and_then(|node| reader.word(node, "`subject`", &[SubjectKind::Action, SubjectKind::Icon], subject_name));
    let mut parts = RuleParts::default();
    let when = reader.required(&fields, "when").map(|node| condition(reader, &mut parts, node, 0));
    let title = reader.bounded(&fields, "title", 120);
    let message = reader.bounded(&fields, "message", 600);
    let remediation = reader.bounded(&fields, "remediation", 1_000);
    let locked = reader.flag(&fields, "locked").unwrap_or(false);
    let (tests, case_lines) = proofs(reader, &fields);
    // A rule with problems is not used, so that its tests do not report what only follows from these problems.
    let clean = reader.problem_count() == before;
    reader.item = None;
    // Missing fields end the function only here, so that all problems of a rule are reported together.
    let (when, check) = when?;
    let rule = Rule {
        id: id?,
        title: title?,
        category: category?,
        severity: severity?,
        plan: plan.unwrap_or_default(),
        locked,
        subject: subject.unwrap_or_default(),
        when,
        message: message?,
        remediation: remediation?,
        tests,
    };
    clean.then_some(ReadRule { line: node.line, rule, check, parts, case_lines })
}

const fn subject_name(subject: SubjectKind) -> &'static str {
    match subject {
        SubjectKind::Action => "action",
        SubjectKind::Icon => "icon",
    }
}

fn is_id(id: &str) -> bool {
    let Some((area, number)) = id.split_once('-') else { return false };
    let letters = area.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (2..=16).contains(&area.len())
        && letters
        && area.as_bytes()[0].is_ascii_uppercase()
        && (3..=6).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn proofs(reader: &mut ValueReader<'_>, rule: &Fields<'_>) -> (Proofs, [Vec<usize>; 2]) {
    let (mut proofs, mut lines) = (Proofs::default(), [Vec::new(), Vec::new()]);
    let Some(node) = rule.get("tests") else {
        reader.problem(
            rule.line("tests"),
            "`tests` is missing; add a case under `trips` and a similar one under `passes`",
        );
        return (proofs, lines);
    };
    let Some(fields) = reader.fields(node, "`tests`", &["trips", "passes"]) else { return (proofs, lines) };
    let [trips, passes] = &mut lines;
    for (key, into, lines) in [("trips", &mut proofs.trips, trips), ("passes", &mut proofs.passes, passes)] {
        let Some(node) = fields.get(key) else {
            reader.problem(node.line, format!("`{key}` is missing; a rule needs at least one such case"));
            continue;
        };
        for item in reader.list(node, &format!("`{key}`")) {
            if let Some(case) = case(reader, item) {
                into.push(case);
                lines.push(item.line);
            }
        }
    }
    (proofs, lines)
}

fn case(reader: &mut ValueReader<'_>, node: &Node) -> Option<Case> {
    if let Value::Text { text, .. } = &node.value {
        return Some(Case { text: Some(text.clone()), ..Case::default() });
    }
    let fields = reader.fields(node, "a case", &CASE_FIELDS)?;
    let mut text = |key: &str| fields.get(key).and_then(|node| reader.text(node, key)).map(str::to_owned);
    let case = Case {
        intent: text("intent"),
        text: text("text"),
        branch: text("branch"),
        environment: text("environment"),
        label: text("label"),
        ..Case::default()
    };
    Some(Case {
        action: fields.get("action").and_then(|node| reader.word(node, "`action`", &ActionKind::ALL, ActionKind::name)),
        files: reader.texts(&fields, "files").into_iter().map(|(_, text)| text).collect(),
        bytes: reader.number(&fields, "bytes"),
        backup: reader.flag(&fields, "backup").unwrap_or(false),
        ..case
    })
}
