//! The resources of the service: the catalogue in pages, one pattern, recommendations. No resource is longer than [`MAX_RESOURCE_LINES`]
//! lines.

mod address;

use crate::ServiceParts;
use crate::catalog::{Catalog, Pattern};
use crate::score::{self, Histories, Query};
use crate::tools::{SCOPES, bounded, find, known_category, within_plan};
use address::Address;
use futures::FutureExt;
use futures::future::BoxFuture;
use mcp_contracts::limits::{MAX_INTENT_BYTES, MAX_PATTERN_ROLE_BYTES, MAX_RESOURCE_LINES};
use mcp_contracts::patterns::{CATALOG_URI, DETAIL_URI_PREFIX, RECOMMENDATIONS_URI, SelectedPatterns};
use mcp_contracts::{Claims, ErrorCode, Plan, Scope, ToolError};
use mcp_kit::{CallContext, ResourceInfo, ResourceTemplate, ResourceText, Resources};
use serde::Serialize;

/// Patterns on a page of the catalogue, one per line.
pub const PAGE: usize = 50;
/// Maximum number of recommendations in a resource.
const RECOMMENDATIONS: usize = 5;
const JSON: &str = "application/json";

pub struct PatternResources {
    parts: ServiceParts,
}

impl PatternResources {
    pub const fn new(parts: ServiceParts) -> Self {
        Self { parts }
    }
}

impl Resources for PatternResources {
    fn scopes(&self) -> &'static [Scope] {
        SCOPES
    }

    fn list(&self, _context: &CallContext) -> Vec<ResourceInfo> {
        let info = |uri: &str, name: &str, title: &str, description: &str| ResourceInfo {
            uri: uri.to_owned(),
            name: name.to_owned(),
            title: title.to_owned(),
            description: description.to_owned(),
            mime_type: JSON,
        };
        vec![
            info(CATALOG_URI, "catalog", "Catalogue of patterns", "The first page of all patterns, one per line."),
            info(
                RECOMMENDATIONS_URI,
                "recommendations",
                "Patterns for your role",
                "Patterns written for the role in your token, those with the best history first.",
            ),
        ]
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        let template = |uri: String, name: &str, title: &str, description: &str| ResourceTemplate {
            uri_template: uri,
            name: name.to_owned(),
            title: title.to_owned(),
            description: description.to_owned(),
            mime_type: JSON,
        };
        vec![
            template(
                format!("{CATALOG_URI}{{?page,category,role}}"),
                "catalog-page",
                "A page of the catalogue",
                "Patterns of a category or for a role, 50 per page.",
            ),
            template(
                format!("{DETAIL_URI_PREFIX}{{id}}"),
                "detail",
                "One pattern",
                "A pattern with its variables, without its text, which only `inject_pattern` returns.",
            ),
            template(
                format!("{RECOMMENDATIONS_URI}{{?role,task}}"),
                "recommendations-for",
                "Patterns for a task",
                "Patterns for a role and a task, best first, with the parts of their scores.",
            ),
        ]
    }

    fn read(&self, context: CallContext, uri: String) -> BoxFuture<'static, Result<ResourceText, ToolError>> {
        let parts = self.parts.clone();
        async move {
            let catalog = parts.catalog.get();
            let text = match address::parse(&uri)? {
                Address::Catalog { page, category, role } => {
                    catalog_page(&catalog, context.claims.plan, page, category.as_deref(), role.as_deref())?
                }
                Address::Detail { id } => detail(&catalog, context.claims.plan, &id)?,
                Address::Recommendations { role, task } => {
                    let histories = parts.usage.histories(&context.claims.org_id).await?;
                    recommendations(&catalog, &context.claims, role.as_deref(), task.as_deref(), &histories)?
                }
            };
            Ok(ResourceText { mime_type: JSON, text: within_lines(text)? })
        }
        .boxed()
    }
}

/// A pattern on a page of the catalogue.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    title: &'a str,
    category: &'a str,
    summary: &'a str,
    level: &'a str,
    plan: &'a str,
    roles: &'a [String],
    tags: &'a [String],
    /// True if the caller's plan includes it.
    available: bool,
}

/// Renders a page of the catalogue as JSON, with each pattern on its own line.
pub(crate) fn catalog_page(
    catalog: &Catalog,
    plan: Plan,
    page: usize,
    category: Option<&str>,
    role: Option<&str>,
) -> Result<String, ToolError> {
    // An unknown category is an error, because an empty page would look as if the category had no patterns. Roles are
    // free text.
    category.map_or(Ok(()), |category| known_category(catalog, category))?;
    role.map_or(Ok(()), |role| bounded("role", role, MAX_PATTERN_ROLE_BYTES))?;
    let selected = |pattern: &&Pattern| {
        let detail = &pattern.detail;
        category.is_none_or(|category| detail.category == category)
            && role.is_none_or(|role| detail.roles.iter().any(|target| target.eq_ignore_ascii_case(role)))
    };
    let patterns: Vec<&Pattern> = catalog.patterns().iter().filter(selected).collect();
    // An empty selection has one empty page, so that page 1 always exists.
    let pages = patterns.len().div_ceil(PAGE).max(1);
    if page > pages {
        let message = format!("there is no page {page}; the last page is {pages}");
        return Err(ToolError::new(ErrorCode::NotFound, message));
    }
    let line = |pattern: &&Pattern| {
        let detail = &pattern.detail;
        let line = Line {
            id: &detail.id,
            title: &detail.title,
            category: &detail.category,
            summary: &detail.summary,
            level: detail.level.name(),
            plan: detail.plan.name(),
            roles: &detail.roles,
            tags: &detail.tags,
            available: detail.plan <= plan,
        };
        serde_json::to_string(&line).map(|line| format!("    {line}"))
    };
    let lines: Result<Vec<String>, _> = patterns.iter().skip((page - 1) * PAGE).take(PAGE).map(line).collect();
    let lines = lines.map_err(|error| not_serializable(&error))?.join(",\n");
    // Written by hand, because `to_string_pretty` would spend a line on each field of a pattern.
    let (count, version) = (patterns.len(), catalog.version());
    Ok(format!(
        "{{\n  \"page\": {page},\n  \"pages\": {pages},\n  \"count\": {count},\n  \"catalogVersion\": \"{version}\",\n  \"patterns\": [\n{lines}\n  ]\n}}"
    ))
}

fn detail(catalog: &Catalog, plan: Plan, id: &str) -> Result<String, ToolError> {
    let pattern = find(catalog, id)?;
    within_plan(pattern, plan)?;
    pretty(&pattern.detail)
}

fn recommendations(
    catalog: &Catalog,
    claims: &Claims,
    role: Option<&str>,
    task: Option<&str>,
    histories: &Histories,
) -> Result<String, ToolError> {
    role.map_or(Ok(()), |role| bounded("role", role, MAX_PATTERN_ROLE_BYTES))?;
    task.map_or(Ok(()), |task| bounded("task", task, MAX_INTENT_BYTES))?;
    let query = Query {
        intent: task.unwrap_or_default(),
        role: role.unwrap_or(&claims.role.0),
        category: None,
        recent: &[],
        plan: claims.plan,
        limit: RECOMMENDATIONS,
    };
    let selected: SelectedPatterns = match task {
        // Without a task there is nothing to match, so role and history decide.
        Some(_) => score::select(catalog, &query, histories),
        None => score::for_role(catalog, &query, histories),
    };
    pretty(&selected)
}

fn pretty(value: &impl Serialize) -> Result<String, ToolError> {
    serde_json::to_string_pretty(value).map_err(|error| not_serializable(&error))
}

fn not_serializable(error: &serde_json::Error) -> ToolError {
    ToolError::new(ErrorCode::Internal, format!("failed to serialize the resource: {error}"))
}

fn within_lines(text: String) -> Result<String, ToolError> {
    let lines = text.lines().count();
    if lines > MAX_RESOURCE_LINES {
        let message = format!("the resource has {lines} lines; at most {MAX_RESOURCE_LINES} are allowed");
        return Err(ToolError::new(ErrorCode::TooLarge, message));
    }
    Ok(text)
}
