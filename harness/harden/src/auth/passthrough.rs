//! Tokens that a service issued for another purpose than access.

use harness_core::drive::hardening::{Caller, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop, signed};
use mcp_contracts::Service;
use mcp_contracts::guardrails::VERDICT_AUDIENCE;
use serde_json::{Value, json};

/// A key that no stack has.
const FOREIGN_KEY: &str = "a-key-of-the-attacker-that-no-stack-was-started-with";

pub(crate) const PASSTHROUGH: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-10",
    title: "no token that was issued for another purpose than access opens a service",
    score: 8.1,
    why: "A verdict or a confirmation passes through more hands than an access token; a service that takes it as one lets its holder act as the user.",
    sources: &[
        "MCP security best practices, token passthrough",
        "MCP 2026-07-28, authorization, token audience binding and validation",
        "OWASP API2:2023",
        "CWE-863",
    ],
    needs: &[Need::Key, Need::Service(Service::Memory), Need::Service(Service::Guardrails)],
    how: "Sends the verdict token of a check, the confirmation token of a deletion, and access tokens for the audience of verdicts and of each service, to every service: each must get 401. What the orchestrator sends to its peers is MCP-AUTH-19.",
    remedy: "Sign each kind of token with a key or an audience of its own.",
    fix_in: &["services/kit/src/auth.rs", "services/kit/src/verdict.rs"],
    follows: &["MCP-AUTH-01", "MCP-AUTH-06", "MCP-AUTH-09"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(passthrough(probe)),
};

async fn passthrough(probe: &Probe<'_>) -> Result<(), Stop> {
    let ann = probe.user("ann", "acme");
    let issued = issued(probe, &ann).await?;
    for (_, part) in probe.services() {
        probe.control(&part, "an access token", &HttpRequest::tools_list().bearer(&ann.token)).await?;
        // If a service takes every signature, a token of another purpose shows nothing.
        let forged = signed(&ann.claims(), FOREIGN_KEY);
        let forged = HttpRequest::tools_list().bearer(&forged);
        probe.control_if(&part, "a token of another key is refused", &forged, |answer| answer.has_status(401)).await?;
        for (case, token) in &issued {
            probe.expect_status(&part, case, &HttpRequest::tools_list().bearer(token), 401).await;
        }
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
