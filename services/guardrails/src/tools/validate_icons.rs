//! `validate_icons`: checks the icons of a user interface for dangerous content and for accessibility.

use super::{READ_ONLY, SCOPES, validate};
use crate::judge::{Judge, cost_of_files, run};
use crate::rules::{Rules, Subject, SubjectKind};
use mcp_contracts::guardrails::{ActionKind, Decision, IconProblem, IconReport, IconUse, ValidateIcons, tool};
use mcp_contracts::limits::MAX_ICONS;
use mcp_contracts::{Plan, ToolError, metric};
use mcp_kit::{CallContext, Tool, ToolInfo};
use std::borrow::Cow;

const INFO: ToolInfo = ToolInfo {
    name: tool::VALIDATE_ICONS,
    title: "Check icons",
    description: "Checks the icons of a user interface: scripts and requests to other servers in their SVG source, sizes that do not \
                  scale, and missing labels for users who cannot see the icon.",
    annotations: READ_ONLY,
    scopes: SCOPES,
};

pub(super) fn tool(judge: Judge) -> Tool {
    Tool::new(INFO, move |context: CallContext, request: ValidateIcons| {
        let judge = judge.clone();
        async move { check(&judge, &context, request).await }
    })
}

async fn check(judge: &Judge, context: &CallContext, request: ValidateIcons) -> Result<IconReport, ToolError> {
    if request.icons.is_empty() {
        return Err(validate::invalid("`icons` is empty; it must have at least one icon"));
    }
    validate::count("icons", request.icons.len(), MAX_ICONS)?;
    if let Some(at) = request.icons.iter().position(|icon| icon.name.trim().is_empty()) {
        return Err(validate::invalid(format!("`icons[{at}].name` is empty")));
    }
    let size = |icon: &IconUse| icon.name.len() + icon.svg.as_deref().map_or(0, str::len);
    let bytes = request.icons.iter().map(size).sum();
    validate::text("icons[].svg", bytes)?;
    let (rules, plan) = (judge.rules(context), context.claims.plan);
    let work = bytes + cost_of_files(request.icons.iter().map(|icon| &*icon.name));
    let report = run(work, move || report(&rules, plan, &request.icons)).await?;
    for problem in &report.problems {
        let labels = [("rule", problem.rule.clone()), ("severity", problem.severity.name().to_owned())];
        metrics::counter!(metric::GUARDRAIL_ACTIVATIONS_TOTAL, &labels).increment(1);
    }
    Ok(report)
}

fn report(rules: &Rules, plan: Plan, icons: &[IconUse]) -> IconReport {
    let mut problems: Vec<IconProblem> = icons.iter().flat_map(|icon| problems(rules, plan, icon)).collect();
    // The sort is stable: icons of the same severity keep their order.
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    let accepted = problems.iter().all(|problem| Decision::of(problem.severity) == Decision::Allow);
    IconReport { accepted, icons: icons.len() as u32, problems }
}

fn problems(rules: &Rules, plan: Plan, icon: &IconUse) -> Vec<IconProblem> {
    let name = std::slice::from_ref(&icon.name);
    let svg = icon.svg.as_deref().unwrap_or_default();
    let subject = Subject {
        kind: SubjectKind::Icon,
        files: Cow::Borrowed(name),
        all_files: Cow::Borrowed(name),
        // Without `with_text`, because the source of an icon is never a diff.
        text: Cow::Borrowed(svg),
        bytes: icon.svg.as_ref().map(|svg| svg.len() as u64),
        labelled: icon.decorative || icon.label.as_deref().is_some_and(|label| !label.trim().is_empty()),
        ..Subject::bare(ActionKind::Edit)
    };
    let problem = |broken: crate::rules::RuleViolation<'_>| {
        let rule = &broken.rule.compiled.rule;
        IconProblem {
            icon: icon.name.clone(),
            rule: rule.id.clone(),
            severity: broken.rule.severity,
            message: rule.message.clone(),
            remediation: rule.remediation.clone(),
        }
    };
    rules.set.broken(&subject, plan).into_iter().map(problem).collect()
}
