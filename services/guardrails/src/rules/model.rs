//! A rule as its author writes it. The published schema is generated from these types. `read` reads them from YAML (serde would stop at the first
//! problem), and `set` matches them.

use mcp_contracts::Plan;
use mcp_contracts::guardrails::{ActionKind, Detection, Severity};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Schema of a list; a single item stands for a list of one.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "used for the schema only")]
enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

/// Schema of a case; a text stands for a case with only that text.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "used for the schema only")]
enum TextOrCase {
    Text(String),
    Case(Box<Case>),
}

/// A file of rules. A file in the folder `organisations` is named after an organisation and changes only the rules of that one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleFile {
    /// Category of the rules in this file that do not set one, such as `security`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Ids of rules in other files to switch off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub off: Vec<String>,
    /// New severities of rules in other files, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub severities: BTreeMap<String, Severity>,
    /// Rules that this file adds or replaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// A rule: its condition, its severity and its remediation.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Letters and a number, such as `SEC-001`.
    #[schemars(regex(pattern = r"^[A-Z][A-Z0-9]{1,15}-[0-9]{3,6}$"))]
    pub id: String,
    /// Title, at most 120 characters.
    #[schemars(length(min = 1, max = 120))]
    pub title: String,
    /// Category of the rule. If omitted, the category of the file.
    #[serde(default)]
    pub category: String,
    /// Severity of a broken rule: `critical` blocks the action, `high` requires acknowledgement, the others are reported.
    pub severity: Severity,
    /// Cheapest plan to which the rule applies.
    #[serde(default)]
    pub plan: Plan,
    /// If true, an organisation cannot switch the rule off or lower its severity.
    #[serde(default)]
    pub locked: bool,
    /// What the rule checks.
    #[serde(default)]
    pub subject: SubjectKind,
    /// Condition under which the rule is broken.
    pub when: Condition,
    /// Description of the problem, for the reader of the verdict.
    #[schemars(length(min = 1, max = 600))]
    pub message: String,
    /// How to fix the problem.
    #[schemars(length(min = 1, max = 1000))]
    pub remediation: String,
    /// Tests of the rule, at least one of each kind.
    pub tests: Proofs,
}

/// What a rule checks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SubjectKind {
    /// An action, before it happens.
    #[default]
    Action,
    /// An icon of a user interface. Its SVG source is the text, its name is the file.
    Icon,
}

/// A condition. All given fields must hold. Patterns are regular expressions of a linear-time engine, without look-around and
/// back-references. Character classes are ASCII unless the pattern has `(?u)`, and matching is case-sensitive unless it has `(?i)`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// The text or the intent contains one of these words or phrases, in upper or lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub keywords: Vec<String>,
    /// One of these patterns matches a line of the text. Of a diff, only the lines that it adds or keeps are searched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub regex: Vec<String>,
    /// `regex` ignores lines that one of these patterns matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub except: Vec<String>,
    /// One of these patterns matches the text, across lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub block: Vec<String>,
    /// One of these patterns matches a line that a diff removes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub removed: Vec<String>,
    /// One of these patterns matches the intent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub intent: Vec<String>,
    /// One of these globs matches one of the files (`*` matches within a folder, `**` across folders).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub files: Vec<String>,
    /// These globs do not match all files: an action that touches only such files does not break the rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub except_files: Vec<String>,
    /// None of these globs matches a file of the whole action.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub without: Vec<String>,
    /// One of these globs matches the branch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub branches: Vec<String>,
    /// The action is one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<ActionKind>")]
    pub actions: Vec<ActionKind>,
    /// One of these sizes is exceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// The detectors find one of these in the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<Detection>")]
    pub detects: Vec<Detection>,
    /// The action happens in production. An unknown environment counts as production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<bool>,
    /// There is a tested backup; default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<bool>,
    /// The icon has a label or needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labelled: Option<bool>,
    /// At least one of these conditions holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<Self>,
    /// All of these conditions hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<Self>,
    /// This condition does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not: Option<Box<Self>>,
}

/// Limits of sizes; at least one must be exceeded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Size {
    /// The text has more bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_bytes_over: Option<u64>,
    /// The action has more files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_over: Option<u64>,
    /// A file has more bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_bytes_over: Option<u64>,
}

/// The tests of a rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Proofs {
    /// Cases that must break the rule.
    #[schemars(with = "Vec<TextOrCase>", length(min = 1))]
    pub trips: Vec<Case>,
    /// Similar cases that must not break the rule.
    #[schemars(with = "Vec<TextOrCase>", length(min = 1))]
    pub passes: Vec<Case>,
}

/// A test case of a rule. Omitted fields have ordinary values. A plain text stands for a case with only that text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// Kind of action; default is the first kind that the rule names, else `edit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionKind>,
    /// Intent of the action; default is `finish the task`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// Text that the action writes, runs or sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Paths of the files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub files: Vec<String>,
    /// Branch of the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Size of the file in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Environment, such as `staging`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// True if there is a backup.
    #[serde(default)]
    pub backup: bool,
    /// Label of the icon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}
