//! A rule as its author writes it. The published schema is made of these types; reading them from YAML, with the lines of every
//! problem, is `read`'s work, and matching is `engine`'s.

use mcp_contracts::Plan;
use mcp_contracts::guardrails::{ActionKind, Detection, Severity};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Schema of a list that may be written as its only item.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a schema, never a value")]
enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

/// Schema of a case: a text alone, or everything about it.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a schema, never a value")]
enum TextOrCase {
    Text(String),
    Case(Box<Case>),
}

/// A file of rules. In the folder `organisations` it is named after one organisation and changes its rules alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleFile {
    /// Area of the rules of this file that name none, such as `security`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Rules of other files that are out of force, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub off: Vec<String>,
    /// Rules of other files that have another severity, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub severities: BTreeMap<String, Severity>,
    /// The rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// One rule: when it is broken, how bad that is, and what to do instead.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Letters of the area and a number, such as `SEC-001`.
    #[schemars(regex(pattern = r"^[A-Z][A-Z0-9]{1,15}-[0-9]{3,6}$"))]
    pub id: String,
    /// Name for people, at most 120 characters.
    #[schemars(length(min = 1, max = 120))]
    pub title: String,
    /// Area; the file's where it is absent.
    #[serde(default)]
    pub category: String,
    /// How bad it is: `critical` blocks, `high` must be acknowledged, the others are told.
    pub severity: Severity,
    /// The cheapest plan for which the rule is in force.
    #[serde(default)]
    pub plan: Plan,
    /// True where no organisation may switch it off or make it milder.
    #[serde(default)]
    pub locked: bool,
    /// What it looks at.
    #[serde(default)]
    pub subject: SubjectKind,
    /// When the rule is broken.
    pub when: Condition,
    /// What is wrong, for the one who reads the verdict.
    #[schemars(length(min = 1, max = 600))]
    pub message: String,
    /// What to do instead.
    #[schemars(length(min = 1, max = 1000))]
    pub remediation: String,
    /// What shows that the rule works: at least one of each.
    pub tests: Proofs,
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SubjectKind {
    /// An action that is about to happen.
    #[default]
    Action,
    /// An icon of a user interface; its text is its SVG source, its file its name.
    Icon,
}

/// A condition. Every field that is given must hold. Patterns are regular expressions of a linear-time engine, without look-around and
/// back-references; their classes are ASCII unless they say `(?u)`, and they tell capitals from small letters unless they say `(?i)`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// One of these words or phrases is in the text or the intent, in capitals or small letters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub keywords: Vec<String>,
    /// One of these patterns matches within a line of the text. Of a diff the text is what it adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub regex: Vec<String>,
    /// A line that one of these patterns matches as well does not count for `regex`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub except: Vec<String>,
    /// One of these patterns matches somewhere in the text, across lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub block: Vec<String>,
    /// One of these patterns matches within a line that a diff removes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub removed: Vec<String>,
    /// One of these patterns matches in the intent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub intent: Vec<String>,
    /// One of the files is named by one of these globs (`*` stays within a folder, `**` does not).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub files: Vec<String>,
    /// Not every file is named by one of these globs: what only touches such files is left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub except_files: Vec<String>,
    /// No file of the whole action is named by one of these globs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub without: Vec<String>,
    /// The branch is named by one of these globs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub branches: Vec<String>,
    /// The action is one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<ActionKind>")]
    pub actions: Vec<ActionKind>,
    /// Something is larger than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// The text holds one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<Detection>")]
    pub detects: Vec<Detection>,
    /// It happens where customers are; an unknown place counts as that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<bool>,
    /// There is a backup that was tried; where nobody says so there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<bool>,
    /// The icon has a text that stands for it, or needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labelled: Option<bool>,
    /// One of these holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<Self>,
    /// All of these hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<Self>,
    /// This does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not: Option<Box<Self>>,
}

/// Sizes; one of them is exceeded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Size {
    /// The text has more bytes than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_bytes_over: Option<u64>,
    /// There are more files than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_over: Option<u64>,
    /// A file has more bytes than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_bytes_over: Option<u64>,
}

/// The tests of a rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Proofs {
    /// Cases that must break it.
    #[schemars(with = "Vec<TextOrCase>", length(min = 1))]
    pub trips: Vec<Case>,
    /// Near misses that must not.
    #[schemars(with = "Vec<TextOrCase>", length(min = 1))]
    pub passes: Vec<Case>,
}

/// A case of a rule's tests; what is absent is ordinary. A plain text stands for a case with nothing else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// Kind of action; the first that the rule names, or else `edit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionKind>,
    /// Intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// Text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub files: Vec<String>,
    /// Branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Size of the file in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Where it happens, such as `staging`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Whether there is a backup.
    #[serde(default)]
    pub backup: bool,
    /// Text that stands for the icon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}
