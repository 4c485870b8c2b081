//! Checks the size and form of arguments. Every error names its argument.

use mcp_contracts::limits::{
    MAX_EXECUTION_ID_BYTES, MAX_FILES, MAX_INTENT_BYTES, MAX_PATH_BYTES, MAX_TEXT_BYTES, REASON_CHARS, is_execution_id,
};
use mcp_contracts::{ErrorCode, ToolError};
use mcp_kit::CallContext;

pub(super) fn invalid(message: impl Into<String>) -> ToolError {
    ToolError::new(ErrorCode::InvalidArgument, message)
}

fn too_large(what: &str, size: usize, unit: &str, most: usize) -> ToolError {
    ToolError::new(ErrorCode::TooLarge, format!("`{what}` has {size} {unit}; at most {most} are allowed"))
        .with_hint("nothing was checked; split the request")
}

pub(super) fn intent(what: &str, intent: &str) -> Result<(), ToolError> {
    if intent.trim().is_empty() {
        return Err(invalid(format!("`{what}` is empty; describe the purpose of the action")));
    }
    if intent.len() > MAX_INTENT_BYTES {
        return Err(too_large(what, intent.len(), "bytes", MAX_INTENT_BYTES));
    }
    Ok(())
}

pub(super) fn text(what: &str, bytes: usize) -> Result<(), ToolError> {
    if bytes > MAX_TEXT_BYTES { Err(too_large(what, bytes, "bytes", MAX_TEXT_BYTES)) } else { Ok(()) }
}

pub(super) fn count(what: &str, count: usize, most: usize) -> Result<(), ToolError> {
    if count > most { Err(too_large(what, count, "items", most)) } else { Ok(()) }
}

pub(super) fn files<'f>(files: impl ExactSizeIterator<Item = &'f str>) -> Result<(), ToolError> {
    count("files", files.len(), MAX_FILES)?;
    for (at, path) in files.enumerate() {
        if path.trim().is_empty() {
            return Err(invalid(format!("`files[{at}]` is empty; it must be a path")));
        }
        if path.len() > MAX_PATH_BYTES {
            return Err(too_large(&format!("files[{at}]"), path.len(), "bytes", MAX_PATH_BYTES));
        }
    }
    Ok(())
}

/// Returns the execution id of a verdict: the one in the request or, if omitted, the one of the call.
pub(super) fn execution_id(requested: Option<&str>, context: &CallContext) -> Result<String, ToolError> {
    let Some(id) = requested else { return Ok(context.execution_id.to_string()) };
    if is_execution_id(id) {
        Ok(id.to_owned())
    } else {
        Err(invalid(format!(
            "`executionId` must be 1 to {MAX_EXECUTION_ID_BYTES} letters, digits, `-`, `_`, `.` or `:`"
        )))
    }
}

/// Returns the reason without spaces at its ends. Fails if it is too short or too long.
pub(super) fn reason(reason: &str) -> Result<&str, ToolError> {
    let reason = reason.trim();
    match reason.chars().count() {
        length if REASON_CHARS.contains(&length) => Ok(reason),
        length => Err(invalid(format!(
            "`reason` has {length} characters; {} to {} are required",
            REASON_CHARS.start(),
            REASON_CHARS.end()
        ))
        .with_hint("give the user's reason to continue although rules are broken; the verdict is not used up")),
    }
}
