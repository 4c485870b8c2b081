//! Metrics name no tenant.

use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Need, Probe, Stop};

pub(crate) const NAMES: HardeningCheck = HardeningCheck {
    id: "MCP-SEC-08",
    title: "metrics name no organisation, no user and no token",
    score: 5.3,
    why: "Metrics are open to the network of the operator; names in them are a list of customers, and make one series for each.",
    sources: &["OWASP API3:2023", "OWASP API4:2023", "CWE-200"],
    needs: &[Need::Token],
    how: "Makes calls, accepted and refused, as an organisation with a name that no other has, then reads the metrics. They must have counters, and none of the names.",
    remedy: "Use labels with a fixed set of values.",
    mend: &["services/kit/src/telemetry.rs", "services/contracts/src/metric.rs"],
    follows: &[],
    alone: false,
    probing: |probe| Box::pin(metrics(probe)),
};

async fn metrics(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user(&probe.mark("ann"), "acme");
        let request = HttpRequest::tools_list().bearer(&ann.token);
        probe.control(&part, "a call", &request).await?;
        probe.send(&part, &HttpRequest::tool("no_such_tool", &serde_json::json!({})).bearer(&ann.token)).await;
        probe.send(&part, &request.clone().bearer(&format!("{}x", ann.token))).await;
        let answer = probe.send(&part, &HttpRequest::bare("GET", Some("/metrics"))).await;
        if answer.has_status(401) {
            // `METRICS_TOKEN` closes the page, so that strangers see nothing of it.
            probe.judge(&part, "the page requires a token", true, &[], &[&answer]);
            continue;
        }
        let body = answer.body_text();
        let token = ann.token.split('.').nth(1).unwrap_or_default();
        let signs = [
            ("the metrics name the organisation", body.contains(ann.organisation())),
            ("the metrics name the user", body.contains(&ann.grant.user)),
            ("the metrics have a token", body.contains(token)),
        ];
        let holds = answer.has_status(200) && body.contains("mcp_") && signs.iter().all(|(_, is_there)| !is_there);
        probe.judge(&part, "the metrics", holds, &signs, &[&answer]);
    }
    Ok(())
}
