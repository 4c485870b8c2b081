//! The guardrails service: tool names, requests, replies, and the claims of the verdict that other services demand.

mod reply;
mod request;
mod verdict;

pub use reply::*;
pub use request::*;
pub use verdict::*;

/// Tool names, in the order of `tools/list`.
pub mod tool {
    /// Asks whether an action may go on.
    pub const CHECK: &str = "check_guardrails";
    /// Acknowledges what a check asked for.
    pub const ACKNOWLEDGE: &str = "acknowledge_guardrails";
    /// Checks what a commit changes.
    pub const VALIDATE_COMMIT: &str = "validate_commit";
    /// Checks statements of a database.
    pub const VALIDATE_DB_OPERATION: &str = "validate_db_operation";
    /// Checks the icons of a user interface.
    pub const VALIDATE_ICONS: &str = "validate_icons";
    /// Looks for secrets, personal data, prompt injection and destructive statements.
    pub const SCAN_TEXT: &str = "scan_text";

    /// Every tool.
    pub const ALL: [&str; 6] = [CHECK, ACKNOWLEDGE, VALIDATE_COMMIT, VALIDATE_DB_OPERATION, VALIDATE_ICONS, SCAN_TEXT];
}

/// Name of the prompt that reminds an agent to consult the rules.
pub const BEFORE_ACTION_PROMPT: &str = "before_action";
/// URI of the resource with every rule in force for the caller.
pub const RULES_URI: &str = "guardrail://rules";
/// URI of one rule, before its id.
pub const RULE_URI_PREFIX: &str = "guardrail://rule/";
