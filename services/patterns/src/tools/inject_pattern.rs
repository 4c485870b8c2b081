//! `inject_pattern`: returns a pattern with its variables filled in, if a verdict of the guardrails allows exactly this request. Without a
//! verdict nothing is injected.

use super::{SCOPES, execution_id, find, invalid, within_plan};
use crate::ServiceParts;
use crate::catalog::Pattern;
use crate::judged_request::contains;
use mcp_contracts::guardrails::VerdictKind;
use mcp_contracts::limits::MAX_VALUE_BYTES;
use mcp_contracts::patterns::{InjectPattern, InjectedPattern, tool};
use mcp_contracts::{ErrorCode, ToolError, metric};
use mcp_kit::data::did_you_mean;
use mcp_kit::verdict::request_hash;
use mcp_kit::{Annotations, CallContext, Tool, ToolInfo};
use std::collections::BTreeMap;

const INFO: ToolInfo = ToolInfo {
    name: tool::INJECT,
    title: "Use a pattern",
    description: "Returns the text of a pattern with its variables filled in. Needs the `verdictToken` of `check_guardrails` for the same \
                  request and execution, by the same user; without a valid one nothing is injected. The values of `variables` must be parts of \
                  the request that was checked, so put them into its `text` first.",
    annotations: Annotations { read_only: false, destructive: false, idempotent: false },
    scopes: SCOPES,
};

pub(super) fn tool(parts: ServiceParts) -> Tool {
    Tool::new(INFO, move |context: CallContext, request: InjectPattern| {
        let parts = parts.clone();
        async move {
            // Counted here, so that every way out of `inject` is counted.
            let injected = inject(&parts, &context, &request).await;
            let (outcome, reason) = match &injected {
                Ok(_) => ("accepted", "none"),
                Err(error) => ("refused", error.code.name()),
            };
            metrics::counter!(metric::PATTERN_INJECTIONS_TOTAL, "outcome" => outcome, "reason" => reason).increment(1);
            injected
        }
    })
}

/// Injects a pattern. Checks the verdict first, so that a caller without one learns nothing about the catalogue. Uses the verdict up last, so
/// that a mistake in the arguments does not cost it.
async fn inject(
    parts: &ServiceParts,
    context: &CallContext,
    request: &InjectPattern,
) -> Result<InjectedPattern, ToolError> {
    execution_id(&request.execution_id)?;
    let hash = request_hash(&request.request);
    let token = request.verdict_token.as_deref();
    let verdict = parts.verdicts.check_for(token, &context.claims, &request.execution_id, &hash)?;
    let catalog = parts.catalog.get();
    let pattern = find(&catalog, &request.pattern_id)?;
    within_plan(pattern, context.claims.plan)?;
    let values = values(pattern, &request.variables)?;
    require_judged_values(pattern, context, request)?;
    let text = pattern.template.fill(&values);
    match verdict.kind {
        // Not used up: its lifetime limits it, and no person had to acknowledge it (decision 0011).
        VerdictKind::Allow => {}
        VerdictKind::Acknowledged => parts.single_use.take(&verdict).await?,
        VerdictKind::Acknowledge => {
            return Err(ToolError::new(ErrorCode::VerdictInvalid, "the verdict must be acknowledged first"));
        }
    }
    Ok(InjectedPattern {
        pattern_id: pattern.detail.id.clone(),
        title: pattern.detail.title.clone(),
        text,
        verdict_id: verdict.jti,
        execution_id: request.execution_id.clone(),
        catalog_version: catalog.version().to_owned(),
    })
}

/// Returns the value of every variable: the caller's or its default. All problems are reported together.
fn values<'a>(
    pattern: &'a Pattern,
    arguments: &'a BTreeMap<String, String>,
) -> Result<BTreeMap<&'a str, &'a str>, ToolError> {
    let declared = &pattern.detail.variables;
    let mut problems = Vec::new();
    for (name, value) in arguments {
        if !declared.iter().any(|variable| variable.name == *name) {
            let shown: String = name.chars().take(crate::template::MAX_NAME_BYTES).collect();
            let near = did_you_mean(&shown, declared.iter().map(|variable| variable.name.as_str()));
            problems.push(format!("there is no variable `{shown}`{near}"));
        } else if value.len() > MAX_VALUE_BYTES {
            problems.push(format!("`{name}` has {} bytes; at most {MAX_VALUE_BYTES} are allowed", value.len()));
        }
    }
    let mut values = BTreeMap::new();
    for variable in declared {
        let value = arguments.get(&variable.name).filter(|value| !value.trim().is_empty()).map(String::as_str);
        match value.or(variable.default.as_deref()) {
            Some(value) => drop(values.insert(variable.name.as_str(), value)),
            None => problems.push(format!("`{}` is missing: {}", variable.name, variable.description)),
        }
    }
    if problems.is_empty() {
        return Ok(values);
    }
    problems.truncate(MAX_PROBLEMS);
    Err(invalid(format!("invalid variables for `{}`: {}", pattern.detail.id, problems.join("; "))))
}

/// Fails unless every value of the caller is a part of the request that the verdict is for (decision 0023). The role in the token and the roles of
/// the pattern pass too, because the issuer and the operator wrote them.
fn require_judged_values(pattern: &Pattern, context: &CallContext, request: &InjectPattern) -> Result<(), ToolError> {
    let is_role = |value: &str| context.claims.role.0 == value || pattern.detail.roles.iter().any(|role| role == value);
    let foreign = |(name, value): (&String, &String)| {
        let value = value.trim();
        // An empty value stands for the default, which is part of the catalogue.
        let passes = value.is_empty() || is_role(value) || contains(&request.request, value);
        (!passes).then(|| format!("`{name}`"))
    };
    let foreign: Vec<String> = request.variables.iter().filter_map(foreign).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let message =
        format!("the verdict does not cover the values of {}: they are not parts of `request`", foreign.join(", "));
    Err(ToolError::new(ErrorCode::VerdictInvalid, message)
        .with_hint("put the values into `text` of the request, word for word, and call `check_guardrails` again"))
}

/// Maximum number of problems in one error.
const MAX_PROBLEMS: usize = 40;
