//! The tools of the service, one file each. This file has the checks of arguments and of plans that they share.

mod inject_pattern;
mod log_pattern_usage;
mod select_pattern;

use crate::ServiceParts;
use crate::catalog::{Catalog, Pattern};
use mcp_contracts::limits::MAX_EXECUTION_ID_BYTES;
use mcp_contracts::{ErrorCode, Plan, Scope, ToolError};
use mcp_kit::ToolSet;
use mcp_kit::data::did_you_mean;

/// Scopes of every tool and resource of this service.
pub(crate) const SCOPES: &[Scope] = &[Scope::PatternsSelect];

/// Returns every tool, in the order of `tools/list`.
pub fn all(parts: &ServiceParts) -> ToolSet {
    ToolSet::new(vec![
        select_pattern::tool(parts.clone()),
        inject_pattern::tool(parts.clone()),
        log_pattern_usage::tool(parts.clone()),
    ])
}

pub(crate) fn invalid(message: impl Into<String>) -> ToolError {
    ToolError::new(ErrorCode::InvalidArgument, message)
}

pub(crate) fn find<'a>(catalog: &'a Catalog, id: &str) -> Result<&'a Pattern, ToolError> {
    catalog.get(id).ok_or_else(|| {
        let ids = catalog.patterns().iter().map(|pattern| pattern.detail.id.as_str());
        // The time to compare with every id grows with the length of `id`, which the client chose.
        let near = if id.len() <= MAX_EXECUTION_ID_BYTES { did_you_mean(id, ids) } else { String::new() };
        let shown: String = id.chars().take(MAX_EXECUTION_ID_BYTES).collect();
        ToolError::new(ErrorCode::NotFound, format!("no pattern has the id `{shown}`{near}"))
            .with_hint("`select_pattern` recommends patterns, `pattern://catalog` lists them")
    })
}

/// Fails if the plan does not include the pattern.
pub(crate) fn within_plan(pattern: &Pattern, plan: Plan) -> Result<(), ToolError> {
    let needed = pattern.detail.plan;
    if plan >= needed {
        return Ok(());
    }
    let message = format!("`{}` needs the plan `{}`; yours is `{}`", pattern.detail.id, needed.name(), plan.name());
    Err(ToolError::new(ErrorCode::PlanRequired, message)
        .with_hint("`select_pattern` recommends patterns that your plan includes"))
}

/// Fails if no pattern has this category.
pub(crate) fn known_category(catalog: &Catalog, category: &str) -> Result<(), ToolError> {
    let categories = catalog.categories();
    if categories.contains(category) {
        return Ok(());
    }
    let list: Vec<String> = categories.iter().map(|category| format!("`{category}`")).collect();
    Err(invalid(format!("unknown `category`; expected one of {}", list.join(", "))))
}

/// Fails unless the text has 1 to `most` bytes and is not only white space.
pub(crate) fn bounded(name: &str, text: &str, most: usize) -> Result<(), ToolError> {
    if text.trim().is_empty() || text.len() > most {
        return Err(invalid(format!("`{name}` has {} bytes; it must be text of 1 to {most} bytes", text.len())));
    }
    Ok(())
}

fn execution_id(text: &str) -> Result<(), ToolError> {
    bounded("executionId", text, MAX_EXECUTION_ID_BYTES)
}
