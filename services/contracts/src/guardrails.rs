//! The guardrails service: tool names, requests, replies, and the claims of verdict tokens.

mod reply;
mod request;
mod verdict;

pub use reply::*;
pub use request::*;
pub use verdict::*;

/// Tool names, in the order of `tools/list`.
pub mod tool {
    /// Checks an action against the rules.
    pub const CHECK: &str = "check_guardrails";
    /// Acknowledges broken rules.
    pub const ACKNOWLEDGE: &str = "acknowledge_guardrails";
    /// Checks a commit.
    pub const VALIDATE_COMMIT: &str = "validate_commit";
    /// Checks SQL statements.
    pub const VALIDATE_DB_OPERATION: &str = "validate_db_operation";
    /// Checks the icons of a user interface.
    pub const VALIDATE_ICONS: &str = "validate_icons";
    /// Scans a text for secrets, personal data, prompt injection and destructive SQL.
    pub const SCAN_TEXT: &str = "scan_text";

    /// Every tool.
    pub const ALL: [&str; 6] = [CHECK, ACKNOWLEDGE, VALIDATE_COMMIT, VALIDATE_DB_OPERATION, VALIDATE_ICONS, SCAN_TEXT];
}

/// Name of the prompt that tells an agent to check an action first.
pub const BEFORE_ACTION_PROMPT: &str = "before_action";
/// URI of the resource with all rules that apply to the caller.
pub const RULES_URI: &str = "guardrail://rules";
/// Prefix of the URI of a rule; its id follows.
pub const RULE_URI_PREFIX: &str = "guardrail://rule/";
