//! Replies of the guardrails tools.

use super::{Detection, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether an action may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It may.
    Allow,
    /// It may once somebody has acknowledged the rules that it breaks.
    Acknowledge,
    /// It may not.
    Block,
}

impl Decision {
    /// The word in replies, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Acknowledge => "acknowledge",
            Self::Block => "block",
        }
    }

    /// What a broken rule of this severity leads to.
    pub const fn of(severity: Severity) -> Self {
        match severity {
            Severity::Low | Severity::Medium => Self::Allow,
            Severity::High => Self::Acknowledge,
            Severity::Critical => Self::Block,
        }
    }
}

/// A rule that the action breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokenRule {
    /// Id of the rule, such as `SEC-001`.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// Area, such as `security`.
    pub category: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do instead.
    pub remediation: String,
    /// Where it was seen, such as `text, line 3` or the path of a file; never the matched text itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
}

/// Reply of `check_guardrails`, `validate_commit`, `validate_db_operation` and `acknowledge_guardrails`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whether the action may go on; of an acknowledged request `allow`.
    pub verdict: Decision,
    /// Broken rules, the worst first.
    pub rules: Vec<BrokenRule>,
    /// True where `acknowledge_guardrails` must follow.
    pub requires_acknowledgement: bool,
    /// True where the broken rules were acknowledged.
    #[serde(default)]
    pub acknowledged: bool,
    /// Signed verdict for other services; absent where the action is blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict_token: Option<String>,
    /// When the token ends (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Execution that the verdict is for.
    pub execution_id: String,
    /// Version of the rules that decided: a digest of all of them.
    pub rules_version: String,
    /// How many rules were looked at.
    pub rules_checked: u32,
}

/// Something that `scan_text` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// What it is.
    pub detection: Detection,
    /// Which kind of it, such as `aws_access_key` or `email`.
    pub kind: String,
    /// How bad it is.
    pub severity: Severity,
    /// First byte of it in the text.
    pub start: usize,
    /// Byte after its last.
    pub end: usize,
    /// Line of its first byte, from 1.
    pub line: usize,
    /// What of it may be shown: its first characters and a mask.
    pub preview: String,
}

/// Reply of `scan_text`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scan {
    /// What was found, in the order of the text, at most 200.
    pub matches: Vec<Match>,
    /// True where there was more.
    pub truncated: bool,
    /// The worst severity; absent where nothing was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<Severity>,
    /// The text with what was found masked, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redacted: Option<String>,
}

/// What is wrong with one icon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IconProblem {
    /// Name of the icon.
    pub icon: String,
    /// The rule that it breaks, such as `ICON-001`.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remediation: String,
}

/// Reply of `validate_icons`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IconReport {
    /// True where no problem is high or critical.
    pub accepted: bool,
    /// How many icons were looked at.
    pub icons: u32,
    /// What is wrong, the worst first.
    pub problems: Vec<IconProblem>,
}
