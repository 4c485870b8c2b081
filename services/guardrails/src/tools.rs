//! The tools of the service, one file each, with their common scopes and annotations.

mod acknowledge_guardrails;
mod check_guardrails;
mod scan_text;
mod validate;
mod validate_commit;
mod validate_db_operation;
mod validate_icons;

use crate::judge::Judge;
use mcp_contracts::Scope;
use mcp_kit::{Annotations, ToolSet};

pub use check_guardrails::QUESTION;

const SCOPES: &[Scope] = &[Scope::GuardrailsValidate];
const READ_ONLY: Annotations = Annotations { read_only: true, destructive: false, idempotent: true };
/// A tool that uses a verdict up.
const SINGLE_USE: Annotations = Annotations { read_only: false, destructive: false, idempotent: false };

/// Returns every tool, in the order of `tools/list`.
pub fn all(judge: &Judge) -> ToolSet {
    ToolSet::new(vec![
        check_guardrails::tool(judge.clone()),
        acknowledge_guardrails::tool(judge.clone()),
        validate_commit::tool(judge.clone()),
        validate_db_operation::tool(judge.clone()),
        validate_icons::tool(judge.clone()),
        scan_text::tool(),
    ])
}
