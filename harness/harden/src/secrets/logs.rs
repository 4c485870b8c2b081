//! Checks of logs: they contain no secret, no content of a call, and no line that a client forged.

use harness_core::drive::hardening::{Answer, Caller, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop, signed};
use mcp_contracts::{Service, headers};
use serde_json::{Value, json};
use std::time::Duration;

/// Deadline for a log line of a call.
const WRITTEN: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) const CANARIES: HardeningCheck = HardeningCheck {
    id: "MCP-SEC-01",
    title: "no log has a token, a key or the content of a call",
    score: 7.5,
    why: "Logs are copied to many places and read by many people; a person who reads a token there can use it, and contents of calls are confidential.",
    sources: &["OWASP MCP01:2025", "OWASP API8:2023", "CWE-532"],
    needs: &[Need::Token, Need::Control],
    how: "Makes calls with canaries in tokens, contents, names of tools and wrong arguments, accepted and refused, to every service. The log must have a line of the last call, and none with a canary.",
    remedy: "Log ids and codes, never what a client sent.",
    fix_in: &["services/kit/src/telemetry/log.rs", "services/kit/src/mcp.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(canaries(probe)),
};

pub(crate) const FORGED_LINES: HardeningCheck = HardeningCheck {
    id: "MCP-SEC-03",
    title: "no client writes a line of its own into a log",
    score: 5.3,
    why: "A forged line hides an attack or blames another; control characters act on the terminal of the reader.",
    sources: &["OWASP MCP08:2025", "OWASP API8:2023", "CWE-117"],
    needs: &[Need::Token, Need::Control],
    how: "Puts line breaks, JSON and control characters into names of methods and tools, into ids of executions and traces, and into arguments. Every line of the log must remain JSON, and none may be the forged one.",
    remedy: "Write logs as JSON; accept only plain characters in ids.",
    fix_in: &["services/kit/src/telemetry/log.rs", "services/kit/src/mcp/call.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(forged_lines(probe)),
};

/// Makes a valid call with an execution id, and waits for its line in the log.
pub(super) async fn logged(
    probe: &Probe<'_>,
    part: &str,
    service: Service,
    user: &Caller,
    mark: usize,
) -> Result<Vec<Value>, Stop> {
    let execution = probe.mark(service.name());
    let (tool, arguments) = match service {
        Service::Memory => ("memory_stats", json!({})),
        Service::Guardrails => ("scan_text", json!({ "text": "nothing" })),
        Service::Patterns => ("select_pattern", json!({ "intent": "review a change" })),
        Service::Orchestrator => ("list_executions", json!({})),
    };
    let call = HttpRequest::tool(tool, &arguments).bearer(&user.token).header(headers::EXECUTION_ID, &execution);
    probe.control(part, &format!("`{tool}`"), &call).await?;
    let mut waited = Duration::ZERO;
    loop {
        let lines = probe.stage().log_since(part, mark).await?;
        if lines.iter().any(|line| line["executionId"] == json!(execution)) {
            return Ok(lines);
        }
        if waited >= WRITTEN {
            return Err(Stop::Unclear(format!("the log of `{part}` has no line of the control request")));
        }
        tokio::time::sleep(PAUSE).await;
        waited += PAUSE;
    }
}

async fn canaries(probe: &Probe<'_>) -> Result<(), Stop> {
    for (service, part) in probe.services() {
        let mark = probe.stage().log_mark(&part).await?;
        let (ann, canary) = (probe.user("ann", "acme"), probe.mark("canary"));
        let mut claims = ann.claims();
        claims["aud"] = json!("other");
        let refused = signed(&claims, probe.key());
        let tool = |name: &str, arguments: &Value, token: &str| HttpRequest::tool(name, arguments).bearer(token);
        let requests = [
            tool("no_such_tool", &json!({ "content": canary }), &ann.token),
            tool(&canary, &json!({}), &ann.token),
            tool("store_memory", &json!({ "content": canary }), &ann.token),
            tool("store_memory", &json!({ "content": [canary] }), &ann.token),
            tool("scan_text", &json!({ "text": format!("{canary} AKIA{}", "Z7QX2M4N8P3R5T6V") }), &ann.token),
            tool("check_guardrails", &json!({ "action": "answer", "intent": canary, "text": canary }), &ann.token),
            tool("select_pattern", &json!({ "intent": canary }), &ann.token),
            tool("store_memory", &json!({ "content": canary }), &refused),
            HttpRequest::tools_list().bearer(&refused),
            HttpRequest::tools_list().bearer(&ann.token).with_body(format!("{{{canary}")),
        ];
        let mut answers = Vec::new();
        for request in requests {
            answers.push(probe.send(&part, &request).await);
        }
        let lines = logged(probe, &part, service, &ann, mark).await?;
        let text: String = lines.iter().map(Value::to_string).collect();
        let piece = |token: &str, at: usize| token.split('.').nth(at).unwrap_or_default().to_owned();
        let parts = |token: &str| (text.contains(&piece(token, 1)), text.contains(&piece(token, 2)));
        let (own, other) = (parts(&ann.token), parts(&refused));
        let answers: Vec<&Answer> = answers.iter().collect();
        for (case, (claims, signature)) in [("an accepted token", own), ("a refused token", other)] {
            let signs = [("the log has its claims", claims), ("the log has its signature", signature)];
            probe.judge(&part, case, !claims && !signature, &signs, &answers[8..9]);
        }
        let (key, content) = (text.contains(probe.key()), text.contains(&canary));
        let encoded = text.contains(&harness_core::drive::hardening::base64url(probe.key()));
        let signs = [("the log has the key", key), ("the log has the key, or its Base64", key || encoded)];
        probe.judge(&part, "the key", !key && !encoded, &signs, &answers[..1]);
        let count = text.matches(&canary).count();
        let signs = [("the log has the canary", content), ("more than one line has it", count > 1)];
        probe.judge(&part, "contents and names", !content, &signs, &answers[..4]);
    }
    Ok(())
}

async fn forged_lines(probe: &Probe<'_>) -> Result<(), Stop> {
    for (service, part) in probe.services() {
        let mark = probe.stage().log_mark(&part).await?;
        let (ann, canary) = (probe.user("ann", "acme"), probe.mark("forged"));
        let line = format!("a\n{canary} {{\"severity\":\"ERROR\",\"message\":\"{canary}\"}}\n\u{1b}[2J");
        let mut answers = Vec::new();
        let rpc = HttpRequest::rpc("ping", json!({})).bearer(&ann.token);
        let method =
            rpc.clone().with(headers::MCP_METHOD, &encoded(&line)).changed(|body| body["method"] = json!(line));
        let tool = HttpRequest::tool("x", &json!({}))
            .bearer(&ann.token)
            .with(headers::MCP_NAME, &encoded(&line))
            .changed(|body| body["params"]["name"] = json!(line));
        for request in [
            method,
            tool,
            HttpRequest::tool("get_memory", &json!({ "id": line })).bearer(&ann.token),
            HttpRequest::tools_list().bearer(&ann.token).header("traceparent", &canary),
            HttpRequest::tool("memory_stats", &json!({}))
                .bearer(&ann.token)
                .header(headers::EXECUTION_ID, &format!("{canary} \u{b}")),
        ] {
            answers.push(probe.send(&part, &request).await);
        }
        let lines = logged(probe, &part, service, &ann, mark).await?;
        let plain = lines.iter().any(Value::is_string);
        let forged = lines.iter().any(|line| {
            line.as_str().is_some_and(|line| line.starts_with(&canary)) || line["message"] == json!(canary)
        });
        let signs = [("the log has a line that is not JSON", plain), ("the log has the forged line", forged)];
        probe.judge(
            &part,
            "line breaks and control characters",
            !plain && !forged,
            &signs,
            &answers.iter().collect::<Vec<_>>(),
        );
    }
    Ok(())
}

/// Encodes a text for a header of MCP.
fn encoded(text: &str) -> String {
    let url = harness_core::drive::hardening::base64url(text).replace('-', "+").replace('_', "/");
    format!("=?base64?{url}{}?=", "=".repeat((4 - url.len() % 4) % 4))
}
