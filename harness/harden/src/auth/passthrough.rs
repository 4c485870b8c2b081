//! Tokens that a service issued for another purpose, and tokens for one peer at another.

use harness_core::drive::hardening::{Caller, HardeningCheck, HttpRequest, Need, Probe, Stop, signed};
use mcp_contracts::guardrails::VERDICT_AUDIENCE;
use mcp_contracts::{Scope, Service};
use serde_json::{Value, json};

/// A key that no stack has.
const FOREIGN_KEY: &str = "a-key-of-the-attacker-that-no-stack-was-started-with";

pub(crate) const PASSTHROUGH: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-10",
    title: "no token that was issued for one purpose or one peer opens another service",
    score: 8.1,
    why: "A verdict, a confirmation or a delegated token passes through more hands than an access token; a service that takes it as one lets its holder act as the user.",
    sources: &[
        "MCP security best practices, token passthrough",
        "MCP 2026-07-28, authorization, token audience binding and validation",
        "OWASP API2:2023",
        "CWE-863",
    ],
    needs: &[Need::Key, Need::Service(Service::Memory), Need::Service(Service::Guardrails)],
    how: "Sends the verdict token of a check, the confirmation token of a deletion, and access tokens for the audience of verdicts and of each service, to every service: each must get 401. A token with only the scope that the orchestrator delegates to memory must get 403 at the tools of every other service.",
    remedy: "Sign each kind of token with a key or an audience of its own, and give a delegated token the scopes of one call.",
    fix_in: &["services/kit/src/auth.rs", "services/kit/src/verdict.rs", "services/kit/src/delegate.rs"],
    follows: &["MCP-AUTH-01", "MCP-AUTH-06", "MCP-AUTH-09", "MCP-AUTH-13"],
    alone: false,
    probing: |probe| Box::pin(passthrough(probe)),
};

async fn passthrough(probe: &Probe<'_>) -> Result<(), Stop> {
    let ann = probe.user("ann", "acme");
    let issued = issued(probe, &ann).await?;
    for (service, part) in probe.services() {
        probe.control(&part, "an access token", &HttpRequest::tools_list().bearer(&ann.token)).await?;
        // If a service takes every signature, a token of another purpose shows nothing.
        let forged = signed(&ann.claims(), FOREIGN_KEY);
        let forged = HttpRequest::tools_list().bearer(&forged);
        probe.control_if(&part, "a token of another key is refused", &forged, |answer| answer.has_status(401)).await?;
        for (case, token) in &issued {
            probe.expect_status(&part, case, &HttpRequest::tools_list().bearer(token), 401).await;
        }
        delegated(probe, service, &part).await?;
    }
    Ok(())
}

/// Returns tokens of this user that are no access tokens, each with its kind.
async fn issued(probe: &Probe<'_>, ann: &Caller) -> Result<Vec<(String, String)>, Stop> {
    let (memory, guardrails) = (probe.need(Service::Memory)?, probe.need(Service::Guardrails)?);
    let text = |value: &Value, what: &str| {
        value.as_str().map(str::to_owned).ok_or_else(|| Stop::Unclear(format!("the reply has no {what}")))
    };
    let harmless = json!({ "action": "answer", "intent": "explain the release notes", "text": "p99 rose to 4.1 s" });
    let check = HttpRequest::tool("check_guardrails", &harmless).bearer(&ann.token);
    let checked = probe.control(&guardrails, "a harmless action is checked", &check).await?;
    let dry_run = HttpRequest::tool("delete_by_tag", &json!({ "tags": ["passthrough"], "dryRun": true }));
    let counted = probe.control(&memory, "a dry run of a deletion", &dry_run.bearer(&ann.token)).await?;
    let mut tokens = vec![
        ("a verdict token".to_owned(), text(&checked.structured()["verdictToken"], "verdict token")?),
        ("a confirmation token".to_owned(), text(&counted.structured()["confirmationToken"], "confirmation token")?),
    ];
    let peers = Service::ALL.map(|service| format!("mcp-{}", service.name()));
    for audience in peers.iter().map(String::as_str).chain([VERDICT_AUDIENCE]) {
        let mut claims = ann.claims();
        claims["aud"] = json!(audience);
        tokens.push((format!("a token for the audience `{audience}`"), signed(&claims, probe.key())));
    }
    Ok(tokens)
}

/// Calls a tool with the token that the orchestrator gets for a search in memory.
async fn delegated(probe: &Probe<'_>, service: Service, part: &str) -> Result<(), Stop> {
    let delegate = probe.user_with_scopes("ann", "acme", &[Scope::MemoryRead]);
    let search = ("search_memory", json!({ "query": "release" }));
    let (tool, arguments) = match service {
        Service::Memory => search,
        Service::Guardrails => ("scan_text", json!({ "text": "release" })),
        Service::Patterns => ("select_pattern", json!({ "intent": "review a release" })),
        Service::Orchestrator => ("list_executions", json!({})),
    };
    let call = HttpRequest::tool(tool, &arguments).bearer(&delegate.token);
    if service == Service::Memory {
        probe.control(part, "a delegated token at its own peer", &call).await?;
    } else {
        probe.expect_status(part, &format!("a token for memory at `{tool}`"), &call, 403).await;
    }
    Ok(())
}
