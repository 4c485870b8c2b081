//! A refusal does not explain to an attacker what to change.

use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Lane, Need, Probe, Stop, signed};
use serde_json::json;

pub(crate) const SAME_REFUSAL: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-17",
    title: "every refused token gets the same reply, whatever is wrong with it",
    score: 4.3,
    why: "Different replies let an attacker find out which keys, users and audiences exist.",
    sources: &["RFC 6750, section 3.1", "OWASP API2:2023", "CWE-204"],
    needs: &[Need::Key],
    how: "Sends a malformed token, one of another key, an expired one, one for another audience and one without an organisation. Status, challenge and body must be equal.",
    remedy: "Put the reason into the log and the metric, never into the reply.",
    fix_in: &["services/kit/src/mcp.rs"],
    follows: &["MCP-AUTH-01", "MCP-AUTH-03", "MCP-AUTH-06", "MCP-AUTH-09"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(same_refusal(probe)),
};

async fn same_refusal(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let request = HttpRequest::tools_list();
        probe.control(&part, "a valid token", &request.clone().bearer(&ann.token)).await?;
        let (mut expired, mut other, mut nameless) = (ann.claims(), ann.claims(), ann.claims());
        let now = expired["iat"].as_u64().unwrap_or_default();
        (expired["iat"], expired["exp"]) = (json!(now - 900), json!(now - 300));
        other["aud"] = json!("https://other.example");
        nameless["orgId"] = json!("");
        let cases = [
            ("another key", signed(&ann.claims(), "a-key-of-the-attacker-that-no-stack-was-started-with")),
            ("an expired token", signed(&expired, probe.key())),
            ("another audience", signed(&other, probe.key())),
            ("no organisation", signed(&nameless, probe.key())),
        ];
        let malformed = probe.send(&part, &request.clone().bearer("malformed")).await;
        for (case, token) in cases {
            let answer = probe.send(&part, &request.clone().bearer(&token)).await;
            let challenges = [&malformed, &answer].map(|answer| answer.header("www-authenticate").unwrap_or_default());
            let signs = [
                ("the body is another one than that for a malformed token", answer.body != malformed.body),
                ("the challenge is another one", challenges[0] != challenges[1]),
                ("the status is another one", answer.status.is_some() && answer.status != malformed.status),
            ];
            let holds = answer.has_status(401) && signs.iter().all(|(_, differs)| !differs);
            probe.judge(&part, case, holds, &signs, &[&malformed, &answer]);
        }
    }
    Ok(())
}
