//! Requests of the guardrails tools.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kind of an action. Rules apply to kinds of action, and the kind decides what a workflow does without a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Reads, explains or plans; changes nothing.
    Answer,
    /// Writes or changes files of a working tree.
    Edit,
    /// Runs tests or builds.
    Test,
    /// Sends a request to an external service.
    Request,
    /// Changes settings or infrastructure descriptions.
    Configure,
    /// Commits or merges a change.
    Commit,
    /// Changes the data or the schema of a database.
    Database,
    /// Deploys to an environment with users.
    Deploy,
    /// Deletes data, files or resources.
    Delete,
}

impl ActionKind {
    /// Every kind, the least risky first.
    pub const ALL: [Self; 9] = [
        Self::Answer,
        Self::Edit,
        Self::Test,
        Self::Request,
        Self::Configure,
        Self::Commit,
        Self::Database,
        Self::Deploy,
        Self::Delete,
    ];

    /// The name in requests, rules, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Edit => "edit",
            Self::Test => "test",
            Self::Request => "request",
            Self::Configure => "configure",
            Self::Commit => "commit",
            Self::Database => "database",
            Self::Deploy => "deploy",
            Self::Delete => "delete",
        }
    }

    /// Risk of the kind, before any rule is checked.
    pub const fn risk(self) -> Severity {
        match self {
            Self::Answer | Self::Test => Severity::Low,
            Self::Edit | Self::Request | Self::Configure => Severity::Medium,
            Self::Commit | Self::Database => Severity::High,
            Self::Deploy | Self::Delete => Severity::Critical,
        }
    }
}

/// Severity of a broken rule.
// The derived order is that of the variants, the mildest first; it decides which rule is the most severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information.
    Low,
    /// Should be changed.
    Medium,
    /// The action may continue only after a user has acknowledged the rule.
    High,
    /// The action is blocked.
    Critical,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The name in rules, replies, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// The action that a verdict is for. The verdict token has the hash of this request, so it is valid for no other request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActionRequest {
    /// Kind of action.
    pub action: ActionKind,
    /// Purpose of the action, 1 byte to 4 KiB.
    pub intent: String,
    /// Paths of the files that the action touches, at most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Exact text that the action writes, runs or sends, at most 256 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl ActionRequest {
    /// Returns the canonical bytes; their SHA-256 is the `requestHash` of a verdict token. The length of each field precedes it, so that no
    /// two requests have the same bytes.
    pub fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + self.intent.len() + self.text.as_deref().map_or(0, str::len));
        let mut field = |text: &str| {
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        };
        field("mcp action request 1");
        field(self.action.name());
        field(&self.intent);
        // The number of files, so that a path cannot pass for the text that follows.
        field(&self.files.len().to_string());
        self.files.iter().for_each(|file| field(file));
        match &self.text {
            Some(text) => {
                field("text");
                field(text);
            }
            // A missing text must not have the bytes of an empty one.
            None => field("no text"),
        }
        bytes
    }
}

/// Arguments of `check_guardrails`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckGuardrails {
    /// Kind of action.
    pub action: ActionKind,
    /// Purpose of the action, 1 byte to 4 KiB.
    pub intent: String,
    /// Paths of the files that the action touches, at most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Exact text that the action writes, runs or sends, at most 256 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Execution that the verdict is for; if omitted, the id of the call is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
}

impl CheckGuardrails {
    /// Returns the request that the verdict is for.
    pub fn request(&self) -> ActionRequest {
        ActionRequest {
            // The execution is no part of the request: a verdict token names it in a claim of its own.
            action: self.action,
            intent: self.intent.clone(),
            files: self.files.clone(),
            text: self.text.clone(),
        }
    }
}

/// Arguments of `acknowledge_guardrails`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcknowledgeGuardrails {
    /// Token of a check with the verdict `acknowledge`; it can be acknowledged once.
    pub verdict_token: String,
    /// The user's reason to continue, 10 to 2,000 characters; it is logged.
    pub reason: String,
}

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommitFile {
    /// Path in the repository.
    pub path: String,
    /// Change to the file, as text or unified diff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// Size of the file after the commit, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// Arguments of `validate_commit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidateCommit {
    /// Commit message.
    pub message: String,
    /// Files of the commit, 1 to 1,000.
    pub files: Vec<CommitFile>,
    /// Target branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Execution that the verdict is for; if omitted, the id of the call is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
}

/// Arguments of `validate_db_operation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidateDbOperation {
    /// One or more SQL statements, at most 256 KiB.
    pub statement: String,
    /// Environment in which the statements will run, such as `staging`; an omitted or unknown environment counts as production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// True if there is a tested backup.
    #[serde(default)]
    pub has_backup: bool,
    /// Execution that the verdict is for; if omitted, the id of the call is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
}

/// Use of an icon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IconUse {
    /// Name or path of the icon.
    pub name: String,
    /// SVG source of the icon, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub svg: Option<String>,
    /// Alternative text for users who cannot see the icon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// True if the icon is decoration, which needs no label.
    #[serde(default)]
    pub decorative: bool,
}

/// Arguments of `validate_icons`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidateIcons {
    /// The icons, 1 to 500.
    pub icons: Vec<IconUse>,
}

/// Kind of content that `scan_text` detects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Detection {
    /// Keys, tokens and passwords.
    Secret,
    /// Personal data.
    Pii,
    /// Text that tries to instruct a model.
    PromptInjection,
    /// SQL that destroys data.
    DestructiveSql,
}

impl Detection {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Secret, Self::Pii, Self::PromptInjection, Self::DestructiveSql];

    /// The name in replies and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Pii => "pii",
            Self::PromptInjection => "prompt_injection",
            Self::DestructiveSql => "destructive_sql",
        }
    }
}

/// Arguments of `scan_text`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScanText {
    /// The text, 1 byte to 256 KiB.
    pub text: String,
    /// Kinds of content to detect; default all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detections: Vec<Detection>,
    /// If true, the reply has the text with all matches masked.
    #[serde(default)]
    pub redact: bool,
}
