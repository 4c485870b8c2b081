//! `validate_db_operation`: checks SQL before it runs. The verdict also depends on the environment and on whether there is a backup.

use super::{READ_ONLY, SCOPES, validate};
use crate::judge::{Judge, judge};
use crate::rules::{Subject, is_production};
use mcp_contracts::ToolError;
use mcp_contracts::guardrails::{ActionKind, ActionRequest, ValidateDbOperation, Verdict, tool};
use mcp_contracts::limits::MAX_ENVIRONMENT_BYTES;
use mcp_kit::{CallContext, Tool, ToolInfo};
use std::borrow::Cow;

const INFO: ToolInfo = ToolInfo {
    name: tool::VALIDATE_DB_OPERATION,
    title: "Check SQL statements",
    description: "Checks SQL before it runs. Returns a verdict like `check_guardrails`. An environment that is omitted, or is not a known \
                  test environment (`staging`, `dev`, `test` and the like), counts as production. The token is valid for the request \
                  with action `database`, the statement as text, and the intent `run statements in production without a backup`, or \
                  `… in a rehearsal …`, `… with a backup`.",
    annotations: READ_ONLY,
    scopes: SCOPES,
};

pub(super) fn tool(judge: Judge) -> Tool {
    Tool::new(INFO, move |context: CallContext, operation: ValidateDbOperation| {
        let judge = judge.clone();
        async move { check(&judge, &context, operation).await }
    })
}

async fn check(judge: &Judge, context: &CallContext, operation: ValidateDbOperation) -> Result<Verdict, ToolError> {
    if operation.statement.trim().is_empty() {
        return Err(validate::invalid("`statement` is empty; it must have at least one statement"));
    }
    validate::text("statement", operation.statement.len())?;
    if operation.environment.as_deref().is_some_and(|name| name.len() > MAX_ENVIRONMENT_BYTES) {
        return Err(validate::invalid(format!("`environment` is longer than {MAX_ENVIRONMENT_BYTES} bytes")));
    }
    let execution_id = validate::execution_id(operation.execution_id.as_deref(), context)?;
    let request = request(&operation);
    let (bytes, backup) = (operation.statement.len(), operation.has_backup);
    let judged = judge.judged(context, bytes, move |rules, plan| {
        let subject = Subject {
            // Without the environment and the backup of the token's intent: here they are facts, which rules check as such.
            intent: Cow::Borrowed("run statements"),
            backup,
            is_sql: true,
            place: "statement",
            ..Subject::bare(ActionKind::Database)
        };
        let subject = subject.with_text(&operation.statement).in_environment(operation.environment.as_deref());
        self::judge(rules, plan, &[subject])
    });
    judge.conclude(context, &execution_id, &request, judged.await?)
}

/// Returns the request that the token is valid for. The environment is part of the intent, so that a verdict for a test environment is not
/// valid in production.
fn request(operation: &ValidateDbOperation) -> ActionRequest {
    let place = if is_production(operation.environment.as_deref()) { "production" } else { "a rehearsal" };
    let backup = if operation.has_backup { "with" } else { "without" };
    ActionRequest {
        action: ActionKind::Database,
        intent: format!("run statements in {place} {backup} a backup"),
        files: Vec::new(),
        text: Some(operation.statement.clone()),
    }
}
