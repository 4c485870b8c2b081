//! The trail of denied calls.

use super::logs::logged;
use harness_core::drive::hardening::{Answer, Caller, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::{Scope, Service, headers};
use serde_json::{Value, json};
use std::time::Duration;

/// Longer than the period for which a service bounds its lines.
const QUIET: Duration = Duration::from_millis(1_100);

pub(crate) const TRAIL: HardeningCheck = HardeningCheck {
    id: "MCP-SEC-10",
    title: "a denied call is in the log with who was denied what, why, and in which trace",
    score: 5.3,
    why: "An attack begins with refused calls; if they are not logged, its tokens and tools stay unknown.",
    sources: &["OWASP MCP08:2025", "OWASP A09:2021", "NIST SP 800-92", "CWE-778"],
    needs: &[Need::Token, Need::Control],
    how: "Makes a call without its scope, one without a token and one from a foreign origin, each with a trace of its own. The log must have a line for each with the reason and the trace; that of the missing scope also has the user, the organisation and the tool.",
    remedy: "Log each refusal where it is decided, bounded in time.",
    fix_in: &["services/kit/src/mcp/denied.rs"],
    follows: &["MCP-AUTH-01", "MCP-AUTH-13", "MCP-TRN-01"],
    lane: Lane::Alone,
    probing: |probe| Box::pin(trail(probe)),
};

async fn trail(probe: &Probe<'_>) -> Result<(), Stop> {
    // What earlier checks were refused may have used up the lines of this second.
    tokio::time::sleep(QUIET).await;
    for (number, (service, part)) in probe.services().into_iter().enumerate() {
        let ann = probe.user("ann", "acme");
        let bob = probe.user_with_scopes("bob", "acme", &[Scope::Unknown]);
        let mark = probe.stage().log_mark(&part).await?;
        let tool = tool_of(service);
        let call = HttpRequest::tool(tool, &json!({}));
        let cases = [
            ("a call without its scope", call.clone().bearer(&bob.token), Some((&bob, tool))),
            ("a call without a token", call.clone(), None),
            ("a call of a foreign origin", call.bearer(&ann.token).header("origin", "https://evil.example"), None),
        ];
        let mut made = Vec::new();
        for (case, request, who) in cases {
            let trace = format!("{:032x}", (number as u128 + 1) * 1_000 + made.len() as u128 + 1);
            let request = request.header(headers::TRACEPARENT, &format!("00-{trace}-00000000000000ab-01"));
            made.push((case, trace, who, probe.send(&part, &request).await));
        }
        let lines = logged(probe, &part, service, &ann, mark).await?;
        for (case, trace, who, answer) in &made {
            judge(probe, (&part, case), &lines, trace, *who, answer);
        }
    }
    Ok(())
}

const fn tool_of(service: Service) -> &'static str {
    match service {
        Service::Memory => "memory_stats",
        Service::Guardrails => "scan_text",
        Service::Patterns => "select_pattern",
        Service::Orchestrator => "list_executions",
    }
}

fn judge(
    probe: &Probe<'_>,
    (part, case): (&str, &str),
    lines: &[Value],
    trace: &str,
    who: Option<(&Caller, &str)>,
    answer: &Answer,
) {
    let line = lines.iter().find(|line| line["traceId"] == json!(trace));
    let empty = Value::Null;
    let line = line.unwrap_or(&empty);
    let why = line["reason"].as_str().is_some_and(|reason| !reason.is_empty());
    let named = who.is_none_or(|(user, tool)| {
        line["userId"] == json!(user.grant.user)
            && line["orgId"] == json!(user.organisation())
            && line["tool"] == json!(tool)
    });
    let refused = answer.status.is_some_and(|status| (400..500).contains(&status));
    let signs = [
        ("no line of the log has the trace", line.is_null()),
        ("no line with the trace has a reason", !why),
        ("no line with the trace has user, organisation and tool", !named),
    ];
    if refused {
        probe.judge(part, case, why && named, &signs, &[answer]);
    } else {
        probe.doubt(part, case, "the call was not denied");
    }
}
