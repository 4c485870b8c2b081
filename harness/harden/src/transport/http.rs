//! HTTP of the endpoint: methods, media types, and the headers of its replies.

use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::Service;
use serde_json::json;

pub(crate) const METHODS: HardeningCheck = HardeningCheck {
    id: "MCP-TRN-03",
    title: "the endpoint answers only to POST; other methods get 405 with `Allow`",
    score: 5.3,
    why: "A link or an image can make a call by GET, and proxies and browsers repeat and store it.",
    sources: &["MCP 2026-07-28, streamable HTTP", "RFC 9110, section 15.5.6", "OWASP API8:2023", "CWE-650"],
    needs: &[],
    how: "Sends GET, PUT, PATCH, DELETE, TRACE and an unknown method with a valid token, with the request as body and in the query. Each must get 405 with `Allow`.",
    remedy: "Route only POST to the tools.",
    fix_in: &["services/kit/src/mcp.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(methods(probe)),
};

pub(crate) const MEDIA_TYPES: HardeningCheck = HardeningCheck {
    id: "MCP-TRN-04",
    title: "a body that is not declared as JSON in UTF-8 gets 415",
    score: 6.5,
    why: "A form or a plain text can be sent by a page of any origin without a preflight.",
    sources: &["MCP 2026-07-28, streamable HTTP", "Fetch Standard, CORS-safelisted request headers", "CWE-352"],
    needs: &[],
    how: "Sends a valid request as `text/plain`, as a form, as multipart, as XML, without a type and in UTF-16. Each must get 415.",
    remedy: "Require `application/json`.",
    fix_in: &["services/kit/src/mcp/media.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(media_types(probe)),
};

pub(crate) const HEADERS: HardeningCheck = HardeningCheck {
    id: "MCP-TRN-12",
    title: "no reply names the software that made it, and every reply forbids guessing its type",
    score: 3.7,
    why: "A version helps to choose an exploit; a browser that guesses a type runs what was data.",
    sources: &["OWASP API8:2023", "OWASP secure headers project", "CWE-200", "CWE-116"],
    needs: &[],
    how: "Looks at the headers of results, refusals, pages and unknown paths: no `Server`, `X-Powered-By`, `Via` or `X-AspNet-Version`, and always `X-Content-Type-Options: nosniff`.",
    remedy: "Set the header in one layer around every route.",
    fix_in: &["services/kit/src/ops.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(headers(probe)),
};

pub(crate) const NOT_STORED: HardeningCheck = HardeningCheck {
    id: "MCP-TRN-15",
    title: "no cache keeps a reply that depends on the token",
    score: 5.9,
    why: "A shared cache that keeps the reply of one user gives it to the next.",
    sources: &["MCP 2026-07-28, caching", "RFC 9111, section 5.2.2.5", "CWE-524"],
    needs: &[Need::Token],
    how: "Looks at the headers of lists, tool results, refusals and pages with a token: each must have `Cache-Control` with `no-store` or `private`.",
    remedy: "Set `Cache-Control: no-store` where the reply is made.",
    fix_in: &["services/kit/src/mcp/media.rs", "services/kit/src/mcp/failure.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(not_stored(probe)),
};

async fn methods(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let request = HttpRequest::tools_list().bearer(&ann.token);
        probe.control(&part, "POST", &request).await?;
        // Before 2026-07-28 GET opens a stream and DELETE ends the session.
        let all = ["GET", "DELETE", "PUT", "PATCH", "TRACE", "PROPFIND"];
        let methods = if probe.is_modern() { &all[..] } else { &all[2..] };
        let query = format!("{}?method=tools%2Flist&id=1&jsonrpc=2.0", probe.path(&part));
        for method in methods.iter().copied() {
            let body = String::from_utf8_lossy(request.body()).into_owned();
            let in_query = HttpRequest::bare(method, Some(&query)).bearer(&ann.token);
            for (place, request) in [("body", request.clone().with_method(method).with_body(body)), ("query", in_query)]
            {
                let answer = probe.send(&part, &request).await;
                let allows = answer.header("allow").is_some_and(|methods| methods.contains("POST"));
                let signs = [
                    ("the status is not 405", answer.status.is_some() && !answer.has_status(405)),
                    ("the reply has a result", answer.has_result()),
                    ("no `Allow` names POST", answer.status.is_some() && !allows),
                ];
                // A server that also speaks older revisions knows GET and DELETE, and refuses them without a session.
                let blamed = answer.status.is_some_and(|status| (400..500).contains(&status) || status == 501);
                let holds = (answer.has_status(405) && allows || probe.is_foreign() && blamed) && !answer.has_result();
                probe.judge(&part, &format!("{method} with the request in its {place}"), holds, &signs, &[&answer]);
            }
        }
    }
    Ok(())
}

async fn media_types(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let request = HttpRequest::tools_list().bearer(&ann.token);
        probe.control(&part, "`application/json`", &request).await?;
        let all = [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
            "text/plain; application/json",
            "application/json; charset=utf-16",
        ];
        // RFC 8259 gives `charset` no meaning, so that another server may ignore it.
        let medias = if probe.is_foreign() { &all[..all.len() - 1] } else { &all[..] };
        for media in medias {
            probe.expect_status(&part, &format!("`{media}`"), &request.clone().with("content-type", media), 415).await;
        }
        probe.expect_status(&part, "no type", &request.clone().without("content-type"), 415).await;
    }
    Ok(())
}

async fn headers(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let request = HttpRequest::tools_list().bearer(&ann.token);
        probe.control(&part, "a result", &request).await?;
        let mut cases = vec![
            ("a result", request.clone()),
            ("a refusal", HttpRequest::tools_list()),
            ("malformed JSON", request.clone().with_body("{")),
            ("an unknown path", HttpRequest::bare("GET", Some("/no-such-path"))),
        ];
        if !probe.is_foreign() {
            cases.push(("a page", HttpRequest::bare("GET", Some("/version"))));
        }
        for (case, request) in cases {
            let (one, other) = (probe.send(&part, &request).await, probe.send(&part, &request).await);
            let has = |name: &str| [&one, &other].iter().all(|answer| answer.header(name).is_some());
            let named = ["server", "x-powered-by", "via", "x-aspnet-version"].iter().any(|name| has(name));
            let guessed = |answer: &harness_core::drive::hardening::Answer| {
                answer.status.is_some() && answer.header("x-content-type-options") != Some("nosniff")
            };
            // A header is one sign for each of two replies, so that a proxy that adds it now and then is no finding.
            let signs = [
                ("the first reply names the software", named),
                ("the second reply names the software", named),
                ("the first reply has no `nosniff`", guessed(&one)),
                ("the second reply has no `nosniff`", guessed(&other)),
            ];
            let holds = one.status.is_some() && signs.iter().all(|(_, is_there)| !is_there);
            probe.judge(&part, case, holds, &signs, &[&one, &other]);
        }
    }
    Ok(())
}

async fn not_stored(probe: &Probe<'_>) -> Result<(), Stop> {
    for (service, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let request = HttpRequest::tools_list().bearer(&ann.token);
        probe.control(&part, "a list", &request).await?;
        let mut cases = vec![("a list", request.clone()), ("a refusal", HttpRequest::tools_list())];
        cases.push(("an unknown tool", HttpRequest::tool("no_such_tool", &json!({})).bearer(&ann.token)));
        if service == Some(Service::Memory) {
            cases.push(("a tool result", HttpRequest::tool("memory_stats", &json!({})).bearer(&ann.token)));
        }
        for (case, request) in cases {
            let (one, other) = (probe.send(&part, &request).await, probe.send(&part, &request).await);
            let kept = |answer: &harness_core::drive::hardening::Answer| {
                let control = answer.header("cache-control").unwrap_or_default();
                let is_private = control.contains("no-store") || control.contains("private");
                // Caches keep the reply to a POST only if it says for how long (RFC 9111, section 4), so that another server need not forbid it.
                let invites =
                    control.contains("public") || control.contains("max-age") && !control.contains("max-age=0");
                answer.status.is_some() && !is_private && (invites || !probe.is_foreign())
            };
            let signs = [("the first reply may be kept", kept(&one)), ("the second reply may be kept", kept(&other))];
            probe.judge(&part, case, one.status.is_some() && !kept(&one) && !kept(&other), &signs, &[&one, &other]);
        }
    }
    Ok(())
}
