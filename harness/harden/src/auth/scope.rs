//! What a token allows: every tool needs a scope, and a refusal names what is missing.

use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::Scope;
use serde_json::{Value, json};

pub(crate) const SCOPES: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-13",
    title: "no tool runs for a token without its scope, and the refusal names the scope",
    score: 8.8,
    why: "A token that was issued for reading must not delete: least privilege is the only bound on an agent that was taken over.",
    sources: &[
        "MCP 2026-07-28, authorization, scope challenge handling",
        "OWASP API5:2023",
        "OWASP MCP02:2025",
        "CWE-862",
    ],
    needs: &[Need::Key],
    how: "Calls every listed tool with a token without scopes and with one of an unknown scope. Each must get 403 with `insufficient_scope` and the missing scopes. A token with `admin` must reach the tool.",
    remedy: "Declare the scopes of a tool where it is defined, and check them before its arguments.",
    fix_in: &["services/kit/src/mcp.rs", "services/kit/src/tool.rs"],
    follows: &["MCP-AUTH-01", "MCP-AUTH-06"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(scopes(probe)),
};

async fn scopes(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let admin = probe.user_with_scopes("root", "acme", &[Scope::Admin]);
        let none = probe.user_with_scopes("ann", "acme", &[]);
        let unknown = probe.user_with_scopes("ann", "acme", &[Scope::Unknown]);
        let listed = probe.control(&part, "the list of tools", &HttpRequest::tools_list().bearer(&none.token)).await?;
        for name in tool_names(&listed.result()) {
            let call = HttpRequest::tool(&name, &json!({}));
            let reached = |answer: &harness_core::drive::hardening::Answer| answer.has_status(200);
            let what = format!("`{name}` with the scope `admin`");
            probe.control_if(&part, &what, &call.clone().bearer(&admin.token), reached).await?;
            for (case, user) in [("no scope", &none), ("an unknown scope", &unknown)] {
                let answer = probe.send(&part, &call.clone().bearer(&user.token)).await;
                let challenge = answer.header("www-authenticate").unwrap_or_default();
                let named = challenge.contains("insufficient_scope") && challenge.contains("scope=\"");
                let signs = [
                    ("the status is not 403", answer.status.is_some() && !answer.has_status(403)),
                    ("the tool answered", !answer.result().is_null()),
                    ("no challenge names the scope", answer.status.is_some() && !named),
                ];
                let case = format!("`{name}` with {case}");
                probe.judge(&part, &case, answer.has_status(403) && named, &signs, &[&answer]);
            }
        }
    }
    Ok(())
}

fn tool_names(result: &Value) -> Vec<String> {
    let tools = result["tools"].as_array().into_iter().flatten();
    tools.filter_map(|tool| tool["name"].as_str()).map(str::to_owned).collect()
}
