//! What a caller is does not change what is dangerous.

use super::check::{action, control, expect_no_allow};
use harness_core::drive::hardening::{Caller, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::{Plan, Role, Scope, Service};
use serde_json::json;

pub(crate) const SAME_FOR_ALL: HardeningCheck = HardeningCheck {
    id: "MCP-GRD-06",
    title: "no plan, role, scope or workspace of a caller turns the guardrails off",
    score: 8.1,
    why: "An agent runs with the token of its user; if the token of an administrator is not judged, that is the one to steal.",
    sources: &["OWASP MCP02:2025", "OWASP LLM06:2025", "CWE-269", "CWE-807"],
    needs: &[Need::Key, Need::Service(Service::Guardrails)],
    how: "Checks a critical action, and a critical statement for a database, with tokens of every plan, of six roles, of every scope together with and without `admin`, and of workspaces with names such as `admin`. Each must be blocked or refused, without a verdict token. A harmless action must be allowed.",
    remedy: "Let only the rules decide; a plan may add rules and never remove critical ones.",
    fix_in: &["services/guardrails/src/judge.rs"],
    follows: &["MCP-AUTH-06", "MCP-GRD-03"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(same_for_all(probe)),
};

/// Returns callers who might be trusted more than others, each with what is special.
fn callers(probe: &Probe<'_>) -> Vec<(String, Caller)> {
    let mut callers = Vec::new();
    for plan in Plan::ALL {
        callers.push((format!("the plan {}", plan.name()), probe.user_on("ann", "acme", plan)));
    }
    for role in ["admin", "owner", "root", "system", "service", "orchestrator"] {
        let user = probe.user_with("ann", "acme", |grant| grant.role = Role(role.to_owned()));
        callers.push((format!("the role {role}"), user));
    }
    let scopes: [(&str, &[Scope]); 4] = [
        ("the scope admin", &[Scope::Admin]),
        ("every scope", &Scope::ALL),
        ("the scope of workflows", &[Scope::GuardrailsValidate, Scope::Prepaid]),
        ("the scope of acknowledgements", &[Scope::GuardrailsValidate, Scope::GuardrailsAcknowledge]),
    ];
    for (what, scopes) in scopes {
        callers.push((what.to_owned(), probe.user_with_scopes("ann", "acme", scopes)));
    }
    for workspace in ["admin", "sandbox", "test", "trusted"] {
        let user = probe.user_with("ann", "acme", |grant| workspace.clone_into(&mut grant.workspace));
        callers.push((format!("the workspace {workspace}"), user));
    }
    callers
}

async fn same_for_all(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Guardrails)?;
    control(probe, &part, &probe.user("ann", "acme").token).await?;
    let statement = "DROP TABLE customers;";
    for (what, caller) in callers(probe) {
        for (tool, arguments) in [
            ("check_guardrails", action("clean up the old customers", statement)),
            ("validate_db_operation", json!({ "statement": statement, "environment": "production" })),
        ] {
            let request = HttpRequest::tool(tool, &arguments).bearer(&caller.token);
            expect_no_allow(probe, &part, &format!("`{tool}` with {what}"), &request).await;
        }
    }
    Ok(())
}
