//! The routes beside the MCP endpoint: each is public and names no tenant, or needs a token.

use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::orchestrator::QUOTA_PATH;

/// Paths that frameworks and debuggers serve, and the pages of these services.
const PATHS: &[&str] = &[
    "/",
    QUOTA_PATH,
    "/api",
    "/admin",
    "/debug",
    "/debug/pprof",
    "/debug/vars",
    "/actuator",
    "/env",
    "/config",
    "/openapi.json",
    "/docs",
    "/sse",
    "/messages",
    "/mcp/admin",
    "/.env",
    "/.git/config",
    "/metrics/",
    "/version/",
    "/healthz/../mcp",
];

pub(crate) const ROUTES: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-18",
    title: "no route except the public pages answers without a token",
    score: 7.5,
    why: "A forgotten page of a framework or a debugger shows what the endpoint protects.",
    sources: &["OWASP API9:2023", "OWASP API8:2023", "OWASP MCP09:2025", "CWE-425"],
    needs: &[Need::Token],
    how: "Gets twenty usual paths without a token; each must be refused. Gets the public pages (`/healthz`, `/readyz`, `/version`), which must answer and name no organisation.",
    remedy: "Register every route in one place, and authenticate those with data.",
    fix_in: &["services/kit/src/ops.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(routes(probe)),
};

async fn routes(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        probe.control(&part, "a valid token", &HttpRequest::tools_list().bearer(&ann.token)).await?;
        for path in PATHS {
            let answer = probe.send(&part, &HttpRequest::bare("GET", Some(path))).await;
            let signs = [
                ("the status is one of success", answer.is_success()),
                ("the reply has a body", answer.is_success() && !answer.body.is_empty()),
            ];
            let refused = answer.status.is_some_and(|status| (400..500).contains(&status));
            probe.judge(&part, &format!("`{path}` without a token"), refused, &signs, &[&answer.without_body()]);
        }
        // The public pages of another server are its own affair.
        let public: &[&str] = if probe.is_foreign() { &[] } else { &["/healthz", "/readyz", "/version"] };
        for path in public.iter().copied() {
            let answer = probe.send(&part, &HttpRequest::bare("GET", Some(path))).await;
            let body = answer.body_text();
            let signs = [
                ("the page names an organisation", body.contains(ann.organisation())),
                ("the page has a token", body.contains("eyJ")),
            ];
            // A service that is not ready answers as well.
            let answers = answer.is_success() || path == "/readyz" && answer.has_status(503);
            let holds = answers && signs.iter().all(|(_, is_there)| !is_there);
            probe.judge(&part, &format!("the public page `{path}`"), holds, &signs, &[&answer]);
        }
    }
    Ok(())
}
