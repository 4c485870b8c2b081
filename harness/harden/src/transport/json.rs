//! JSON-RPC: malformed requests have their codes, and no error shows the inside of a service.

use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Lane, Probe, Stop};
use mcp_contracts::rpc;
use serde_json::{Value, json};

pub(crate) const MALFORMED: HardeningCheck = HardeningCheck {
    id: "MCP-TRN-07",
    title: "a body that is not exactly one JSON-RPC request is refused with the right error code",
    score: 5.3,
    why: "A lenient parser reads a request in another way than the gateway before it, and an error of status 500 shows an untested path.",
    sources: &[
        "JSON-RPC 2.0, sections 4 and 5.1",
        "MCP 2026-07-28, base protocol",
        "RFC 8259",
        "OWASP API8:2023",
        "CWE-20",
    ],
    needs: &[],
    how: "Sends eighteen malformed bodies: cut JSON, batches, scalars, wrong types of every member, bytes that are not UTF-8. Each must get 400 with -32700, -32600 or -32602; on a target, any status of 4xx, and batches are sent only to a server of 2026-07-28.",
    remedy: "Parse the envelope strictly before anything else.",
    fix_in: &["services/kit/src/mcp/envelope.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(malformed(probe)),
};

pub(crate) const TRACES: HardeningCheck = HardeningCheck {
    id: "MCP-TRN-13",
    title: "no error shows a stack trace, a panic or a path of the source",
    score: 5.3,
    why: "Traces name versions, paths and queries, which helps an attacker.",
    sources: &["OWASP API8:2023", "CWE-209"],
    needs: &[],
    how: "Causes errors of every layer: unknown paths, malformed JSON, unknown tools and methods, wrong arguments of every tool. No reply may show a panic, a trace or a path of the source.",
    remedy: "Turn every error into one of the contract; log the cause.",
    fix_in: &["services/kit/src/mcp/failure.rs", "services/kit/src/tool.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(traces(probe)),
};

async fn malformed(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let valid = HttpRequest::tools_list().bearer(&ann.token);
        probe.control(&part, "a valid request", &valid).await?;
        let body = String::from_utf8_lossy(valid.body()).into_owned();
        let cases: Vec<(&str, Vec<u8>)> = vec![
            ("nothing", Vec::new()),
            ("half of a request", body.as_bytes()[..body.len() / 2].to_vec()),
            ("two requests in a row", format!("{body}{body}").into_bytes()),
            ("a batch", format!("[{body}]").into_bytes()),
            ("a batch of two", format!("[{body},{body}]").into_bytes()),
            ("an empty batch", b"[]".to_vec()),
            ("a number", b"7".to_vec()),
            ("null", b"null".to_vec()),
            ("an id that is null", body.replace("\"id\":1", "\"id\":null").into_bytes()),
            ("an id with a fraction", body.replace("\"id\":1", "\"id\":1.5").into_bytes()),
            ("an id that is an object", body.replace("\"id\":1", "\"id\":{}").into_bytes()),
            ("version 1.0", body.replace("\"2.0\"", "\"1.0\"").into_bytes()),
            ("no method", body.replace("\"method\":\"tools/list\"", "\"other\":1").into_bytes()),
            ("a method that is a number", body.replace("\"method\":\"tools/list\"", "\"method\":7").into_bytes()),
            ("parameters in a list", body.replace("\"params\":{", "\"params\":[{").into_bytes()),
            ("a comment", format!("/* a */{body}").into_bytes()),
            ("bytes that are no UTF-8", [body.as_bytes(), b"\xff\xfe"].concat()),
            ("UTF-16", body.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ];
        // Batches are valid in 2025-03-26.
        let is_batch = |case: &str| case.contains("batch");
        for (case, body) in cases.into_iter().filter(|(case, _)| probe.is_modern() || !is_batch(case)) {
            let answer = probe.send(&part, &valid.clone().with_body(body)).await;
            let code = answer.error()["code"].as_i64();
            let coded = [rpc::PARSE_ERROR, rpc::INVALID_REQUEST, rpc::INVALID_PARAMS].map(Some).contains(&code);
            if probe.is_foreign() {
                // MCP requires a status of an error and names 400 as an example; the body is the server's own.
                let blamed = answer.status.is_some_and(|status| (400..500).contains(&status));
                let signs = [
                    ("the status is none of 4xx", answer.status.is_some() && !blamed),
                    ("the reply has a result", answer.has_result()),
                ];
                probe.judge(&part, case, blamed && !answer.has_result(), &signs, &[&answer]);
                continue;
            }
            let signs = [
                ("the status is not 400", answer.status.is_some() && !answer.has_status(400)),
                ("the error has none of the codes", answer.status.is_some() && !coded),
                ("the reply has a result", answer.has_result()),
            ];
            probe.judge(&part, case, answer.has_status(400) && coded, &signs, &[&answer]);
        }
    }
    Ok(())
}

async fn traces(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let valid = HttpRequest::tools_list().bearer(&ann.token);
        let listed = probe.control(&part, "a valid request", &valid).await?;
        let mut cases = vec![
            ("an unknown path".to_owned(), HttpRequest::bare("GET", Some("/no-such-path"))),
            ("malformed JSON".to_owned(), valid.clone().with_body("{")),
            ("an unknown method".to_owned(), HttpRequest::rpc("no/such", json!({})).bearer(&ann.token)),
            ("an unknown tool".to_owned(), HttpRequest::tool("no_such_tool", &json!({})).bearer(&ann.token)),
        ];
        let tools = listed.result()["tools"].as_array().cloned().unwrap_or_default();
        // A tool of another server might do something in spite of its wrong arguments.
        let is_safe = |tool: &&Value| !probe.is_foreign() || tool["annotations"]["readOnlyHint"] == true;
        for name in tools.iter().filter(is_safe).filter_map(|tool| tool["name"].as_str()) {
            let wrong = json!({ "id": { "a": [1] }, "no such argument": "'\"\u{0}" });
            cases.push((format!("wrong arguments of `{name}`"), HttpRequest::tool(name, &wrong).bearer(&ann.token)));
        }
        for (case, request) in cases {
            let answer = probe.send(&part, &request).await;
            let body = answer.body_text();
            let traced = ["stack backtrace", "RUST_BACKTRACE", "Traceback (most recent call last)", "\n   at "];
            let panicked = ["panicked at", "unwrap()", "Unhandled", "Exception in thread"];
            let sources = [".rs:", ".py\", line", ".js:", ".go:", ".java:", "/src/"];
            let any = |words: &[&str]| words.iter().any(|word| body.contains(word));
            let signs = [
                ("the reply has a trace", any(&traced)),
                ("the reply shows a panic", any(&panicked)),
                ("the reply names a file of the source", any(&sources)),
            ];
            let holds = answer.status.is_some() && signs.iter().all(|(_, is_there)| !is_there);
            probe.judge(&part, &case, holds, &signs, &[&answer]);
        }
    }
    Ok(())
}
