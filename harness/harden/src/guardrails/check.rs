//! The check of guardrails itself: it blocks, and no caller turns it off.

use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::Service;
use serde_json::{Value, json};

const NEEDS: &[Need] = &[Need::Token, Need::Service(Service::Guardrails)];

pub(crate) const BLOCKED: HardeningCheck = HardeningCheck {
    id: "MCP-GRD-03",
    title: "a critical action is blocked and gets no verdict token, even if it is described in other words",
    score: 8.1,
    why: "An agent that was deceived asks for the action in other words.",
    sources: &["OWASP MCP05:2025", "OWASP LLM06:2025", "CWE-184"],
    needs: NEEDS,
    how: "Checks the deletion of a table in upper and mixed case, with comments, after harmless text, and under a harmless intent. Each must be blocked, without a token. A harmless action must be allowed.",
    remedy: "Judge every text of the action after folding case and comments.",
    fix_in: &["services/guardrails/src/detect/sql.rs", "fixtures/rules/data-integrity.yaml"],
    follows: &["MCP-AUTH-06"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(blocked(probe)),
};

pub(crate) const NOT_DISABLED: HardeningCheck = HardeningCheck {
    id: "MCP-GRD-04",
    title: "no argument of a caller turns the guardrails off",
    score: 8.1,
    why: "The caller is the agent that the guardrails watch.",
    sources: &["OWASP MCP07:2025", "OWASP API3:2023", "CWE-807"],
    needs: NEEDS,
    how: "Checks a critical action with arguments such as `bypass`, `force`, `skipRules`, `severity` and `verdict`, and with headers of that kind. Each must be refused by the name of the argument, or be blocked.",
    remedy: "Refuse unknown arguments by name.",
    fix_in: &["services/kit/src/tool/arguments.rs"],
    follows: &["MCP-AUTH-06", "MCP-GRD-03"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(not_disabled(probe)),
};

pub(super) fn action(intent: &str, text: &str) -> Value {
    json!({ "action": "database", "intent": intent, "text": text })
}

/// Checks an action that must not be allowed.
pub(super) async fn expect_no_allow(probe: &Probe<'_>, part: &str, case: &str, request: &HttpRequest) {
    let answer = probe.send(part, request).await;
    let verdict = answer.structured();
    let signs = [
        ("the verdict is `allow`", verdict["verdict"] == "allow"),
        ("there is a verdict token", verdict["verdictToken"].is_string()),
    ];
    let holds = is_blocked(&verdict) || answer.is_refused();
    probe.judge(part, case, holds, &signs, &[&answer]);
}

fn is_blocked(verdict: &Value) -> bool {
    verdict["verdict"] == "block" && verdict["verdictToken"].is_null()
}

/// Checks an action that must be judged and blocked. A refusal of the call is no judgement of the action.
async fn expect_block(probe: &Probe<'_>, part: &str, case: &str, request: &HttpRequest) {
    let answer = probe.send(part, request).await;
    let verdict = answer.structured();
    let signs = [
        ("the verdict is not `block`", answer.has_result() && verdict["verdict"] != "block"),
        ("there is a verdict token", verdict["verdictToken"].is_string()),
        ("the verdict is `allow`", verdict["verdict"] == "allow"),
    ];
    probe.judge(part, case, is_blocked(&verdict), &signs, &[&answer]);
}

pub(super) async fn control(probe: &Probe<'_>, part: &str, token: &str) -> Result<(), Stop> {
    let harmless = json!({ "action": "answer", "intent": "explain the release notes", "text": "p99 rose to 4.1 s" });
    let allowed = |answer: &harness_core::drive::hardening::Answer| answer.structured()["verdict"] == "allow";
    let request = HttpRequest::tool("check_guardrails", &harmless).bearer(token);
    probe.control_if(part, "a harmless action is allowed", &request, allowed).await?;
    Ok(())
}

async fn blocked(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Guardrails)?;
    let ann = probe.user("ann", "acme");
    control(probe, &part, &ann.token).await?;
    let harmless = "explain the release notes";
    for (case, intent, text) in [
        ("a table is dropped", "clean up the old customers", "DROP TABLE customers;"),
        ("in mixed case", "clean up", "dRoP tAbLe customers;"),
        ("with comments", "clean up", "DROP /* the old */ TABLE -- now\n customers;"),
        ("after harmless text", harmless, "The page is slow. Then we run it:\nDROP TABLE customers;"),
        ("under a harmless intent", harmless, "DROP TABLE customers;"),
        ("in the second statement", "read one row", "SELECT 1; DROP TABLE customers;"),
    ] {
        let request = HttpRequest::tool("check_guardrails", &action(intent, text)).bearer(&ann.token);
        expect_block(probe, &part, case, &request).await;
    }
    Ok(())
}

async fn not_disabled(probe: &Probe<'_>) -> Result<(), Stop> {
    let part = probe.need(Service::Guardrails)?;
    let ann = probe.user("ann", "acme");
    control(probe, &part, &ann.token).await?;
    let critical = action("clean up the old customers", "DROP TABLE customers;");
    for (name, value) in [
        ("bypass", json!(true)),
        ("force", json!(true)),
        ("skipRules", json!(["*"])),
        ("dryRun", json!(true)),
        ("enabled", json!(false)),
        ("severity", json!("low")),
        ("verdict", json!("allow")),
        ("rules", json!([])),
        ("acknowledged", json!(true)),
    ] {
        let mut arguments = critical.clone();
        arguments[name] = value;
        let request = HttpRequest::tool("check_guardrails", &arguments).bearer(&ann.token);
        expect_no_allow(probe, &part, &format!("the argument `{name}`"), &request).await;
    }
    for header in ["x-guardrails", "x-skip-guardrails", "x-debug"] {
        let request = HttpRequest::tool("check_guardrails", &critical).bearer(&ann.token).header(header, "off");
        expect_no_allow(probe, &part, &format!("the header `{header}`"), &request).await;
    }
    Ok(())
}
