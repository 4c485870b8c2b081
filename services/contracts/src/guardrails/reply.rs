//! Replies of the guardrails tools.

use super::{Detection, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Decision about an action.
// The derived order is that of the variants, because the greatest decision of all broken rules is that about the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The action may continue.
    Allow,
    /// The action may continue after a user has acknowledged the broken rules.
    Acknowledge,
    /// The action must not continue.
    Block,
}

impl Decision {
    /// The name in replies, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Acknowledge => "acknowledge",
            Self::Block => "block",
        }
    }

    /// Returns the decision that a broken rule of `severity` leads to.
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
    /// Title of the rule.
    pub title: String,
    /// Category of the rule, such as `security`.
    pub category: String,
    /// Severity.
    pub severity: Severity,
    /// Description of the problem.
    pub message: String,
    /// How to fix the problem.
    pub remediation: String,
    /// Places of the problem, such as `text, line 3` or the path of a file. The matched text is never included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
}

/// Reply of `check_guardrails`, `validate_commit`, `validate_db_operation` and `acknowledge_guardrails`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Decision about the action; `allow` if the broken rules were acknowledged.
    pub verdict: Decision,
    /// Broken rules, the most severe first.
    pub rules: Vec<BrokenRule>,
    /// True if `acknowledge_guardrails` must be called before the action.
    pub requires_acknowledgement: bool,
    /// True if the broken rules were acknowledged.
    #[serde(default)]
    pub acknowledged: bool,
    /// Signed verdict for other services; omitted if the action is blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict_token: Option<String>,
    /// Expiry of the token (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Execution that the verdict is for.
    pub execution_id: String,
    /// Version of the rules: a digest of all of them.
    pub rules_version: String,
    /// Number of rules checked.
    pub rules_checked: u32,
}

/// A match of `scan_text`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// Kind of content.
    pub detection: Detection,
    /// Exact kind, such as `aws_access_key` or `email`.
    pub kind: String,
    /// Severity.
    pub severity: Severity,
    /// Offset of its first byte in the text.
    pub start: usize,
    /// Offset after its last byte.
    pub end: usize,
    /// Line of its first byte, from 1.
    pub line: usize,
    /// Masked preview: the first characters of the match.
    pub preview: String,
}

/// Reply of `scan_text`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scan {
    /// Matches in the order of the text, at most 200.
    pub matches: Vec<Match>,
    /// True if there are more matches.
    pub truncated: bool,
    /// Highest severity; omitted if there are no matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<Severity>,
    /// The text with all matches masked; only if the request has `redact`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redacted: Option<String>,
}

/// A problem of an icon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IconProblem {
    /// Name of the icon.
    pub icon: String,
    /// Id of the broken rule, such as `ICON-001`.
    pub rule: String,
    /// Severity.
    pub severity: Severity,
    /// Description of the problem.
    pub message: String,
    /// How to fix the problem.
    pub remediation: String,
}

/// Reply of `validate_icons`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IconReport {
    /// True if no problem has the severity high or critical.
    pub accepted: bool,
    /// Number of icons checked.
    pub icons: u32,
    /// Problems, the most severe first.
    pub problems: Vec<IconProblem>,
}
