//! The tools, one file each. Here is their list and what they share: bounds of arguments, and how a pattern is found.

mod inject_pattern;
mod log_pattern_usage;
mod select_pattern;

use crate::Parts;
use crate::catalog::{Catalog, Pattern};
use mcp_contracts::limits::MAX_EXECUTION_ID_BYTES;
use mcp_contracts::{ErrorCode, Plan, Scope, ToolError};
use mcp_kit::ToolSet;
use mcp_kit::data::did_you_mean;

/// What every tool and resource of this service needs.
pub(crate) const SCOPES: &[Scope] = &[Scope::PatternsSelect];

/// Every tool, in the order of `tools/list`.
pub fn all(parts: &Parts) -> ToolSet {
    ToolSet::new(vec![
        select_pattern::tool(parts.clone()),
        inject_pattern::tool(parts.clone()),
        log_pattern_usage::tool(parts.clone()),
    ])
}

pub(crate) fn invalid(message: impl Into<String>) -> ToolError {
    ToolError::new(ErrorCode::InvalidArgument, message)
}

/// The pattern with that id.
pub(crate) fn find<'a>(catalog: &'a Catalog, id: &str) -> Result<&'a Pattern, ToolError> {
    catalog.get(id).ok_or_else(|| {
        let ids = catalog.patterns().iter().map(|pattern| pattern.detail.id.as_str());
        let near = if id.len() <= MAX_EXECUTION_ID_BYTES { did_you_mean(id, ids) } else { String::new() };
        let shown: String = id.chars().take(MAX_EXECUTION_ID_BYTES).collect();
        ToolError::new(ErrorCode::NotFound, format!("no pattern has the id `{shown}`{near}"))
            .with_hint("`select_pattern` recommends patterns, `pattern://catalog` lists them")
    })
}

/// Refuses a pattern that the plan does not include.
pub(crate) fn within_plan(pattern: &Pattern, plan: Plan) -> Result<(), ToolError> {
    let needed = pattern.detail.plan;
    if plan >= needed {
        return Ok(());
    }
    let message = format!("`{}` is for the plan `{}`; yours is `{}`", pattern.detail.id, needed.name(), plan.name());
    Err(ToolError::new(ErrorCode::PlanRequired, message).with_hint("`select_pattern` recommends patterns of your plan"))
}

/// Refuses a category that is not there.
pub(crate) fn known_category(catalog: &Catalog, category: &str) -> Result<(), ToolError> {
    let known = catalog.categories();
    if known.contains(category) {
        return Ok(());
    }
    let list: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
    Err(invalid(format!("there is no such category; known are {}", list.join(", "))))
}

/// A text of 1 to `most` bytes that is not only space.
pub(crate) fn bounded(name: &str, text: &str, most: usize) -> Result<(), ToolError> {
    if text.trim().is_empty() || text.len() > most {
        return Err(invalid(format!("`{name}` has {} bytes; it is a text of 1 to {most}", text.len())));
    }
    Ok(())
}

fn execution_id(text: &str) -> Result<(), ToolError> {
    bounded("executionId", text, MAX_EXECUTION_ID_BYTES)
}
