//! Metrics name no tenant.

use harness_core::drive::hardening::{Answer, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};

pub(crate) const NAMES: HardeningCheck = HardeningCheck {
    id: "MCP-SEC-08",
    title: "metrics name no organisation, no user and no token",
    score: 5.3,
    why: "Metrics are open to the network of the operator; names in them would reveal the customers and create one series for each.",
    sources: &["OWASP API3:2023", "OWASP API4:2023", "CWE-200"],
    needs: &[Need::Product],
    how: "Makes calls, accepted and refused, as an organisation with a name that no other has, then reads the metrics. They must have counters, and none of the names.",
    remedy: "Use labels with a fixed set of values.",
    fix_in: &["services/kit/src/telemetry.rs", "services/contracts/src/metric.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(metrics(probe)),
};

async fn metrics(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user(&probe.mark("ann"), "acme");
        let request = HttpRequest::tools_list().bearer(&ann.token);
        probe.control(&part, "a call", &request).await?;
        probe.send(&part, &HttpRequest::tool("no_such_tool", &serde_json::json!({})).bearer(&ann.token)).await;
        probe.send(&part, &request.clone().bearer(&format!("{}x", ann.token))).await;
        let page = HttpRequest::bare("GET", Some("/metrics"));
        let answer = probe.send(&part, &page).await;
        if answer.has_status(401) {
            // With `METRICS_TOKEN`, only clients with that token can read the page.
            probe.judge(&part, "the page requires a token", true, &[], &[&answer]);
            probe.omit(&format!("the metrics of {part}, which require a token"));
            continue;
        }
        let second = probe.send(&part, &page).await;
        let token = ann.token.split('.').nth(1).unwrap_or_default();
        for (case, name) in [("organisation", ann.organisation()), ("user", &ann.grant.user), ("token", token)] {
            let has = |answer: &Answer| answer.body_text().contains(name);
            let signs = [("the metrics contain it", has(&answer)), ("a second read contains it as well", has(&second))];
            let readable = |answer: &Answer| answer.has_status(200) && answer.body_text().contains("mcp_");
            let holds = readable(&answer) && readable(&second) && !has(&answer) && !has(&second);
            probe.judge(&part, &format!("the metrics and the {case}"), holds, &signs, &[&answer, &second]);
        }
    }
    Ok(())
}
