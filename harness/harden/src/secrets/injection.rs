//! What strangers and users put into paths, tokens and headers is neutral in a log.

use super::logs::logged;
use harness_core::drive::hardening::{Answer, Caller, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop, signed};
use mcp_contracts::Service;
use serde_json::{Value, json};

pub(crate) const NEUTRAL: HardeningCheck = HardeningCheck {
    id: "MCP-SEC-09",
    title: "line breaks, terminal codes and broken JSON in paths, tokens and headers are neutral in a log",
    score: 5.3,
    why: "A log that repeats what a stranger sends shows forged entries to its reader, and acts on the reader's terminal.",
    sources: &["OWASP MCP08:2025", "OWASP API8:2023", "CWE-117", "CWE-150"],
    needs: &[Need::Key, Need::Control],
    how: "Sends line breaks, terminal codes of seven and eight bits, and pieces of JSON: encoded in paths and queries, in signed names of users, organisations and workspaces, in the name of the client, and in headers. Every line of the log must be one JSON object with each field once, without a control character, and none may be the forged one.",
    remedy: "Write logs as JSON, escape control characters, and log ids instead of what was sent.",
    fix_in: &["services/kit/src/telemetry/log.rs", "services/kit/src/auth/reading.rs"],
    follows: &["MCP-SEC-03"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(neutral(probe)),
};

async fn neutral(probe: &Probe<'_>) -> Result<(), Stop> {
    for (service, part) in probe.services() {
        let mark = probe.stage().log_mark(&part).await?;
        let (ann, canary) = (probe.user("ann", "acme"), probe.mark("forged"));
        let mut answers = Vec::new();
        for request in hostile(probe, service, &ann, &canary) {
            answers.push(probe.send(&part, &request).await);
        }
        let lines = logged(probe, &part, service, &ann, mark).await?;
        let answers: Vec<&Answer> = answers.iter().take(3).collect();
        judge(probe, &part, &canary, &lines, &answers);
    }
    Ok(())
}

/// Returns requests with a forged line in many places.
fn hostile(probe: &Probe<'_>, service: Service, ann: &Caller, canary: &str) -> Vec<HttpRequest> {
    let forged = format!("{{\"severity\":\"error\",\"message\":\"{canary}\"}}");
    let line = format!("a\r\n{forged}\n\u{1b}[2J\u{9b}31m\",\"severity\":\"error\",\"message\":\"{canary}");
    let encoded: String = line.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let list = HttpRequest::tools_list();
    let mut requests = vec![
        HttpRequest::bare("GET", Some(&format!("/{encoded}"))),
        HttpRequest::bare("GET", Some(&format!("/healthz?{encoded}"))),
        list.clone().at(&format!("/mcp/{encoded}")).bearer(&ann.token),
        list.clone().bearer(&ann.token).changed(|body| {
            body["params"]["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({ "name": line, "version": line });
        }),
    ];
    for claim in ["sub", "orgId", "workspaceSlug", "role", "jti", "plan"] {
        let mut claims = ann.claims();
        claims[claim] = json!(line);
        requests.push(list.clone().bearer(&signed(&claims, probe.key())));
    }
    for header in ["user-agent", "x-forwarded-for", "x-request-id", "referer", "origin"] {
        // A header takes no line break, but quotes and braces.
        requests
            .push(list.clone().bearer(&ann.token).header(header, &format!("{canary}\",\"severity\":\"error\"}}{{")));
    }
    let wrong = json!({ line.as_str(): line });
    requests.push(HttpRequest::tool(first_tool(service), &wrong).bearer(&ann.token));
    requests
}

const fn first_tool(service: Service) -> &'static str {
    match service {
        Service::Memory => "get_memory",
        Service::Guardrails => "scan_text",
        Service::Patterns => "select_pattern",
        Service::Orchestrator => "get_execution",
    }
}

fn judge(probe: &Probe<'_>, part: &str, canary: &str, lines: &[Value], answers: &[&Answer]) {
    let plain = lines.iter().any(|line| !line.is_object());
    let forged = lines
        .iter()
        .any(|line| line["message"] == json!(canary) || line.as_str().is_some_and(|line| line.contains(canary)));
    let acts = lines.iter().any(has_control);
    let signs = [
        ("the log has a line that is no JSON object", plain),
        ("the log has the forged line", forged),
        ("a text in the log has a control character", acts),
    ];
    let holds = !plain && !forged && !acts;
    probe.judge(part, "forged lines in paths, tokens and headers", holds, &signs, answers);
}

/// Returns true if a text has a control character, after its escapes were read.
fn has_control(value: &Value) -> bool {
    match value {
        Value::String(text) => text.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t'),
        Value::Array(values) => values.iter().any(has_control),
        Value::Object(fields) => fields.values().any(has_control),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::has_control;
    use serde_json::json;

    #[test]
    fn control_characters_are_found_at_every_depth() {
        assert!(has_control(&json!({ "a": ["\u{1b}[2J"] })) && has_control(&json!("\u{9b}")));
        assert!(!has_control(&json!({ "a": "two\nlines", "b": 1 })));
    }
}
