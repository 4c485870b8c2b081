//! The revision of the protocol: unknown ones are refused, and headers agree with the body.

use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Lane, Probe, Stop};
use mcp_contracts::{headers, rpc};
use serde_json::json;

const FIX_IN: &[&str] = &["services/kit/src/mcp/era.rs"];

pub(crate) const UNKNOWN: HardeningCheck = HardeningCheck {
    id: "MCP-TRN-05",
    title: "an unknown revision of the protocol is refused with the supported ones",
    score: 3.7,
    why: "A service that guesses the revision reads a request in another way than the gateway before it.",
    sources: &["MCP 2026-07-28, versioning", "OWASP API8:2023"],
    needs: &[],
    how: "Sends valid requests of three unknown revisions. Each must get 400 with code -32022 and `supported`.",
    remedy: "Compare the revision with a list before anything else is read.",
    fix_in: FIX_IN,
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(unknown(probe)),
};

pub(crate) const MISMATCH: HardeningCheck = HardeningCheck {
    id: "MCP-TRN-06",
    title: "headers that repeat the body must agree with it",
    score: 7.1,
    why: "A gateway that permits by `Mcp-Name` is deceived if the body names another tool.",
    sources: &["MCP 2026-07-28, streamable HTTP, request headers", "OWASP API8:2023", "CWE-436"],
    needs: &[],
    how: "Sends requests whose `Mcp-Method`, `Mcp-Name` or revision differs from the body, is missing, repeated or encoded. Each must get 400 with code -32020.",
    remedy: "Compare each header with the body after decoding, and refuse a header that is repeated.",
    fix_in: FIX_IN,
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(mismatch(probe)),
};

async fn unknown(probe: &Probe<'_>) -> Result<(), Stop> {
    probe.need_modern()?;
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let request = HttpRequest::tools_list().bearer(&ann.token);
        probe.control(&part, "the supported revision", &request).await?;
        for revision in ["2031-01-01", "1999-12-31", "latest"] {
            let request = request.clone().with(headers::MCP_PROTOCOL_VERSION, revision);
            let request =
                request.changed(|body| body["params"]["_meta"][headers::META_PROTOCOL_VERSION] = json!(revision));
            let answer = probe.send(&part, &request).await;
            let error = answer.error();
            let named = error["code"] == rpc::UNSUPPORTED_VERSION && error["data"]["supported"].is_array();
            let signs = [
                ("the status is not 400", answer.status.is_some() && !answer.has_status(400)),
                ("the reply has a result", answer.has_result()),
                ("the error does not name the supported revisions", answer.has_status(400) && !named),
            ];
            probe.judge(
                &part,
                &format!("the revision `{revision}`"),
                answer.has_status(400) && named,
                &signs,
                &[&answer],
            );
        }
    }
    Ok(())
}

async fn mismatch(probe: &Probe<'_>) -> Result<(), Stop> {
    probe.need_modern()?;
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let request = HttpRequest::tools_list().bearer(&ann.token);
        let listed = probe.control(&part, "matching headers", &request).await?;
        let tool = listed.result()["tools"][0]["name"].as_str().unwrap_or_default().to_owned();
        let call = HttpRequest::tool(&tool, &json!({})).bearer(&ann.token);
        let (method, name, revision) = (headers::MCP_METHOD, headers::MCP_NAME, headers::MCP_PROTOCOL_VERSION);
        let cases = [
            ("another method", request.clone().with(method, "ping")),
            ("no method", request.clone().without(method)),
            ("two methods", request.clone().header(method, "ping")),
            ("a method in other case", request.clone().with(method, "TOOLS/LIST")),
            ("another tool", call.clone().with(name, "no_such_tool")),
            ("no tool", call.clone().without(name)),
            ("two tools", call.clone().header(name, "no_such_tool")),
            ("another tool in Base64", call.clone().with(name, "=?base64?bm9fc3VjaF90b29s?=")),
            ("Base64 that is none", call.clone().with(name, "=?base64?***?=")),
            ("an older revision in the header", request.clone().with(revision, "2025-06-18")),
            ("no revision in the header", request.clone().without(revision)),
        ];
        for (case, request) in cases {
            let answer = probe.send(&part, &request).await;
            // A server of both eras may take the era from the header; the older era refuses the request with a code of its own.
            let decides_the_era =
                ["an older revision in the header", "no revision in the header"].contains(&case) && probe.is_foreign();
            let coded = answer.error()["code"] == rpc::HEADER_MISMATCH || decides_the_era;
            let signs = [
                ("the status is not 400", answer.status.is_some() && !answer.has_status(400)),
                ("the request was carried out", answer.has_status(200)),
                ("the error has another code", answer.has_status(400) && !coded),
            ];
            probe.judge(&part, case, answer.has_status(400) && coded, &signs, &[&answer]);
        }
    }
    Ok(())
}
