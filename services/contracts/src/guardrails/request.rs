//! Requests of the guardrails tools.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an agent is about to do. Rules apply to kinds of action; the kind also decides what happens without a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Reads, explains or plans; changes nothing.
    Answer,
    /// Writes or changes files of a working tree.
    Edit,
    /// Runs tests or builds.
    Test,
    /// Makes a request to a service outside.
    Request,
    /// Changes settings or infrastructure descriptions.
    Configure,
    /// Commits or merges a change.
    Commit,
    /// Changes the data or the schema of a database.
    Database,
    /// Releases to an environment that somebody uses.
    Deploy,
    /// Deletes data, files or resources.
    Delete,
}

impl ActionKind {
    /// Every kind, from the least risky to the most.
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

    /// The word in requests, rules, logs and metrics.
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

    /// How risky the kind is before any rule was asked.
    pub const fn risk(self) -> Severity {
        match self {
            Self::Answer | Self::Test => Severity::Low,
            Self::Edit | Self::Request | Self::Configure => Severity::Medium,
            Self::Commit | Self::Database => Severity::High,
            Self::Deploy | Self::Delete => Severity::Critical,
        }
    }
}

/// How bad it is when a rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Worth changing.
    Medium,
    /// Goes on only after somebody has acknowledged it.
    High,
    /// Never goes on.
    Critical,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word in rules, replies, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a verdict is about. Its hash is in the verdict token, so that a token is good for this and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActionRequest {
    /// Kind of action.
    pub action: ActionKind,
    /// What the agent wants to achieve, 1 byte to 4 KiB.
    pub intent: String,
    /// Paths that it touches, at most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// What it is about to write, run or send, at most 256 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl ActionRequest {
    /// The canonical bytes that a verdict token's `requestHash` is the SHA-256 of: each field with its length before it, so that no two
    /// requests have the same bytes.
    pub fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + self.intent.len() + self.text.as_deref().map_or(0, str::len));
        let mut field = |text: &str| {
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        };
        field("mcp action request 1");
        field(self.action.name());
        field(&self.intent);
        field(&self.files.len().to_string());
        self.files.iter().for_each(|file| field(file));
        match &self.text {
            Some(text) => {
                field("text");
                field(text);
            }
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
    /// What the agent wants to achieve, 1 byte to 4 KiB.
    pub intent: String,
    /// Paths that it touches, at most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// What it is about to write, run or send, at most 256 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Execution that the verdict is for; one is made where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
}

impl CheckGuardrails {
    /// What the verdict is about.
    pub fn request(&self) -> ActionRequest {
        ActionRequest {
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
    /// Token of a check whose verdict is `acknowledge`; it can be acknowledged once.
    pub verdict_token: String,
    /// Why the action goes on nevertheless, 10 to 2,000 characters; it is logged.
    pub reason: String,
}

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommitFile {
    /// Path in the repository.
    pub path: String,
    /// What the commit adds or changes, as text or unified diff.
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
    /// Branch that it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Execution that the verdict is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
}

/// Arguments of `validate_db_operation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidateDbOperation {
    /// SQL, one or several statements, at most 256 KiB.
    pub statement: String,
    /// Where it will run, such as `production` or `staging`; unknown counts as production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Whether there is a backup that was tried.
    #[serde(default)]
    pub has_backup: bool,
    /// Execution that the verdict is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
}

/// An icon as it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IconUse {
    /// Name or path of the icon.
    pub name: String,
    /// Its SVG source, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub svg: Option<String>,
    /// The text that stands for it, for people who do not see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// True for ornament, which needs no label.
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

/// What `scan_text` can look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Detection {
    /// Keys, tokens, passwords.
    Secret,
    /// Personal data.
    Pii,
    /// Text that tries to give orders to a model.
    PromptInjection,
    /// SQL that destroys data.
    DestructiveSql,
}

impl Detection {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Secret, Self::Pii, Self::PromptInjection, Self::DestructiveSql];

    /// The word in replies and metrics.
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
    /// What to look for; everything where absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detections: Vec<Detection>,
    /// Also answers the text with what was found masked.
    #[serde(default)]
    pub redact: bool,
}
