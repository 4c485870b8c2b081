//! The tokens with which the orchestrator really calls its peers, as they pass on the wire.

use super::wiretap::Wiretap;
use crate::busy;
use harness_core::drive::hardening::{Caller, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::{Scope, Service, env};
use serde_json::{Value, json};

/// Longest lifetime of a delegated token, in seconds. A call and its retries take well under a minute.
const LONGEST_SECS: u64 = 300;

pub(crate) const DELEGATED: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-19",
    title: "a token that the orchestrator sends to a peer is not the caller's, lives for minutes, and opens only what that call needs",
    score: 8.1,
    why: "A peer, its log or its proxy sees the token; if it is the caller's own, or has the scopes of all calls, a reader there acts as the user everywhere.",
    sources: &[
        "MCP security best practices, token passthrough",
        "MCP 2026-07-28, authorization, token audience binding and validation",
        "OWASP API2:2023",
        "CWE-863",
        "CWE-441",
    ],
    needs: &[
        Need::Key,
        Need::Processes,
        Need::Service(Service::Memory),
        Need::Service(Service::Guardrails),
        Need::Service(Service::Patterns),
        Need::Service(Service::Orchestrator),
    ],
    how: "Starts the orchestrator with the addresses of three relays of the check in place of its peers, runs a workflow, and reads the tokens that pass. Each must be accepted by its own peer, differ from the caller's token, which must be nowhere in the requests, expire within five minutes, and get 403 at the tools of every other service and at those of its peer whose scope it does not name. The check proves nothing about calls that this workflow does not make.",
    remedy: "Sign a token of its own for each call, with the scopes of that call.",
    fix_in: &[
        "services/kit/src/delegate.rs",
        "services/orchestrator/src/peers.rs",
        "services/orchestrator/src/peer/token.rs",
    ],
    follows: &["MCP-AUTH-01", "MCP-AUTH-06", "MCP-AUTH-13"],
    lane: Lane::Alone,
    probing: |probe| Box::pin(delegated(probe)),
};

/// The peers of the orchestrator, each with the variable that has its address.
const PEERS: [(Service, &str); 3] = [
    (Service::Memory, env::MCP_MEMORY_URL),
    (Service::Guardrails, env::MCP_GUARDRAILS_URL),
    (Service::Patterns, env::MCP_PATTERNS_URL),
];

/// A tool of each kind of scope.
fn tools() -> [(Service, &'static str, Value, Scope); 6] {
    [
        (Service::Memory, "search_memory", json!({ "query": "release" }), Scope::MemoryRead),
        (Service::Memory, "store_memory", json!({ "content": "a note of a peer" }), Scope::MemoryWrite),
        (Service::Memory, "delete_by_tag", json!({ "tags": ["peer"], "dryRun": true }), Scope::MemoryDelete),
        (Service::Guardrails, "scan_text", json!({ "text": "release" }), Scope::GuardrailsValidate),
        (Service::Patterns, "select_pattern", json!({ "intent": "review a release" }), Scope::PatternsSelect),
        (Service::Orchestrator, "list_executions", json!({}), Scope::AgentsRun),
    ]
}

async fn delegated(probe: &Probe<'_>) -> Result<(), Stop> {
    let (part, ann) = (probe.need(Service::Orchestrator)?, probe.user("ann", "acme"));
    let mut taps = Vec::new();
    for (service, variable) in PEERS {
        let peer = probe.need(service)?;
        let unclear = |error: std::io::Error| Stop::Unclear(format!("no relay to `{peer}`: {error}"));
        let tap = Wiretap::open(&probe.authority(&peer)).await.map_err(unclear)?;
        taps.push((service, variable, peer, tap));
    }
    let urls: Vec<(&str, String)> = taps.iter().map(|(_, variable, _, tap)| (*variable, tap.url())).collect();
    // On a busy machine a call through a relay may take longer than the deadline of a peer, and the workflow would go on without it.
    let patient = [(env::PEER_DEADLINE_MS, Some("8000")), (env::WORKFLOW_DEADLINE_MS, Some("9500"))];
    let addresses = urls.iter().map(|(name, url)| (*name, Some(url.as_str())));
    let settings: Vec<(&str, Option<&str>)> = addresses.chain(patient).collect();
    // The harness gives the orchestrator its own settings back after the attempt.
    busy::restart_with(probe, &part, &settings).await?;
    probe.control(&part, "a workflow", &busy::workflow().bearer(&ann.token)).await?;
    for (service, _, peer, tap) in &taps {
        let mut tokens = tap.tokens();
        if tokens.is_empty() {
            return Err(Stop::Unclear(format!("the workflow did not call `{peer}`")));
        }
        for token in &tokens {
            judge(probe, peer, &ann, token).await?;
        }
        expect_missing(probe, peer, &ann, tap).await;
        // One for each set of scopes.
        tokens.sort_by_key(|token| scopes(&claims(&ann, token)));
        tokens.dedup_by_key(|token| scopes(&claims(&ann, token)));
        for token in &tokens {
            expect_bounds(probe, *service, &ann, token).await?;
        }
    }
    Ok(())
}

/// Judges the identity and the lifetime of a token.
async fn judge(probe: &Probe<'_>, peer: &str, ann: &Caller, token: &str) -> Result<(), Stop> {
    let (own, delegated) = (ann.claims(), claims(ann, token));
    let what = format!("the token with {}", scopes(&delegated));
    let list = HttpRequest::tools_list().bearer(token);
    let listed = probe.control(peer, &format!("{what} at its own peer"), &list).await?;
    let signs = [
        ("it is the caller's token", token == ann.token),
        ("it has the id of the caller's token", delegated["jti"] == own["jti"]),
    ];
    let differs = token != ann.token && delegated["jti"] != own["jti"];
    probe.judge(peer, &format!("{what} is not the caller's"), differs, &signs, &[&listed]);
    let lifetime =
        |claims: &Value| claims["exp"].as_u64().zip(claims["iat"].as_u64()).map(|(exp, iat)| exp.saturating_sub(iat));
    let lives = lifetime(&delegated);
    let signs = [
        ("it does not expire within five minutes", lives.is_none_or(|secs| secs > LONGEST_SECS)),
        ("it lives as long as the caller's token", lives.is_none_or(|secs| Some(secs) >= lifetime(&own))),
    ];
    probe.judge(
        peer,
        &format!("{what} lives for minutes"),
        lives.is_some_and(|secs| secs <= LONGEST_SECS),
        &signs,
        &[&listed],
    );
    Ok(())
}

/// Judges whether the caller's token is anywhere in a request, such as in another header.
async fn expect_missing(probe: &Probe<'_>, peer: &str, ann: &Caller, tap: &Wiretap) {
    let accepted = probe.send(peer, &HttpRequest::tools_list().bearer(&ann.token)).await;
    let has = tap.has(&ann.token);
    let signs =
        [("the caller's token was sent to the peer", has), ("the peer accepts it", has && accepted.has_result())];
    probe.judge(peer, "the caller's token is in no request", !has, &signs, &[&accepted]);
}

/// Judges what a token must not open.
async fn expect_bounds(probe: &Probe<'_>, service: Service, ann: &Caller, token: &str) -> Result<(), Stop> {
    let delegated = claims(ann, token);
    let what = format!("the token for {} with {}", service.name(), scopes(&delegated));
    for (other, tool, arguments, scope) in tools() {
        let granted =
            delegated["scopes"].as_array().is_some_and(|scopes| scopes.iter().any(|name| name == scope.name()));
        if other == service && granted {
            continue;
        }
        let part = probe.need(other)?;
        let call = HttpRequest::tool(tool, &arguments).bearer(token);
        probe.expect_status(&part, &format!("{what} at `{tool}`"), &call, 403).await;
    }
    Ok(())
}

fn claims(ann: &Caller, token: &str) -> Value {
    Caller { grant: ann.grant.clone(), token: token.to_owned() }.claims()
}

/// Returns the names of the scopes as one text.
fn scopes(claims: &Value) -> String {
    let names = claims["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    if names.is_empty() { "no scope".to_owned() } else { names.join(" and ") }
}
