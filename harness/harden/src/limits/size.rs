//! The size of a request: body, head, and what a compressed body would become.

use super::gzip::stored;
use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Lane, Probe, Stop};
use mcp_contracts::limits::{MAX_BODY_BYTES, MAX_HEADER_BYTES};

pub(crate) const BODY: HardeningCheck = HardeningCheck {
    id: "MCP-LIM-01",
    title: "a body above the limit gets 413, and a declared length above it at once",
    score: 7.5,
    why: "One client can exhaust the memory of a service that reads bodies of any size.",
    sources: &["OWASP API4:2023", "CWE-770"],
    needs: &[],
    how: "Sends a valid request that is filled up with spaces: at 1 MiB it must be answered, with one byte more refused with 413. A declared length of 10 GB must be refused before the body is sent.",
    remedy: "Limit the body before it is read, by its declared length and by what arrives.",
    fix_in: &["services/kit/src/mcp.rs", "services/contracts/src/limits.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(body(probe)),
};

pub(crate) const HEAD: HardeningCheck = HardeningCheck {
    id: "MCP-LIM-02",
    title: "a head above the limit, too many headers and a long URL are refused",
    score: 5.3,
    why: "Heads are read before anyone is authenticated, so that strangers could fill the memory.",
    sources: &["OWASP API4:2023", "RFC 6585, section 5", "CWE-770"],
    needs: &[],
    how: "Sends a head of 8 KiB, which must be answered, then one above 16 KiB, one with 300 headers and a URL of 20 KiB. Each must get 400, 414 or 431.",
    remedy: "Set the limits of the HTTP library.",
    fix_in: &["services/kit/src/serve.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(head(probe)),
};

pub(crate) const COMPRESSED: HardeningCheck = HardeningCheck {
    id: "MCP-LIM-09",
    title: "a compressed body is refused",
    score: 6.5,
    why: "A kilobyte can become a gigabyte after it passed the limit of the body.",
    sources: &["OWASP API4:2023", "RFC 9110, section 8.4", "CWE-409"],
    needs: &[],
    how: "Sends a valid request as gzip, and one that declares other encodings. Each must get 415 or 400.",
    remedy: "Refuse `Content-Encoding`, or limit what comes out of the decoder.",
    fix_in: &["services/kit/src/mcp/media.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(compressed(probe)),
};

async fn body(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let request = HttpRequest::tools_list().bearer(&ann.token);
        let filled = |length: usize| {
            let mut body = request.body().to_vec();
            body.resize(length, b' ');
            request.clone().with_body(body)
        };
        if probe.is_foreign() {
            // Its limit is its own; no request of a client needs what is refused here.
            probe.control(&part, "a body of 64 KiB", &filled(64 << 10)).await?;
            probe.expect_status(&part, "a body of 32 MiB", &filled(32 << 20), 413).await;
            continue;
        }
        probe.control(&part, "a body of the largest size", &filled(MAX_BODY_BYTES)).await?;
        probe.expect_status(&part, "a body with one byte more", &filled(MAX_BODY_BYTES + 1), 413).await;
        probe.expect_status(&part, "a body of 4 MiB", &filled(4 << 20), 413).await;
        let declared = request.clone().header("content-length", "10000000000");
        probe.expect_status(&part, "a declared length of 10 GB", &declared, 413).await;
    }
    Ok(())
}

async fn head(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let request = HttpRequest::tools_list().bearer(&ann.token);
        let padded = |length: usize| request.clone().header("x-padding", &"a".repeat(length));
        probe.control(&part, "a head of 8 KiB", &padded(8 << 10)).await?;
        if probe.is_foreign() {
            let long = request.clone().at(&format!("{}?a={}", probe.path(&part), "a".repeat(1 << 20)));
            for (case, request) in [("a head of 1 MiB", padded(1 << 20)), ("a URL of 1 MiB", long)] {
                probe.expect_status(&part, case, &request, 431).await;
            }
            continue;
        }
        let many = (0..300).fold(request.clone(), |request, number| request.header(&format!("x-{number}"), "a"));
        let long = request.clone().at(&format!("/mcp?a={}", "a".repeat(20 << 10)));
        for (case, request) in [
            ("a head above the limit", padded(MAX_HEADER_BYTES + 1_024)),
            ("300 headers", many),
            ("a URL of 20 KiB", long),
        ] {
            let answer = probe.send(&part, &request).await;
            let refused = [400, 414, 431].iter().any(|status| answer.has_status(*status));
            let signs = [
                ("the status is none of 400, 414 and 431", answer.status.is_some() && !refused),
                ("the reply has a result", answer.has_result()),
            ];
            probe.judge(&part, case, refused, &signs, &[&answer]);
        }
    }
    Ok(())
}

async fn compressed(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let request = HttpRequest::tools_list().bearer(&ann.token);
        probe.control(&part, "a plain body", &request).await?;
        let packed = request.clone().with_body(stored(request.body())).header("content-encoding", "gzip");
        if probe.is_foreign() {
            // A server that reads the body as it is finds no JSON in it. One that decodes it needs a bound, which no single request shows.
            let answer = probe.send(&part, &packed).await;
            if answer.has_result() {
                probe.doubt(&part, "gzip", "the server decodes it; whether the result has a bound is not known");
            } else {
                // An error of the server is a refusal too: version 1 of the Python SDK answers with 500, because the bytes are no UTF-8.
                let later = probe.send(&part, &request).await;
                let signs = [
                    ("the request gets no reply", answer.status.is_none()),
                    ("the request after it is not answered", !later.has_result()),
                ];
                let holds = signs.iter().all(|(_, is_there)| !is_there);
                probe.judge(&part, "gzip", holds, &signs, &[&answer, &later]);
            }
            continue;
        }
        let mut cases = vec![("gzip", packed)];
        for encoding in ["br", "zstd", "deflate", "gzip, gzip"] {
            cases.push((encoding, request.clone().header("content-encoding", encoding)));
        }
        for (case, request) in cases {
            let answer = probe.send(&part, &request).await;
            let refused = answer.has_status(415) || answer.has_status(400);
            let signs = [
                ("the status is neither 415 nor 400", answer.status.is_some() && !refused),
                ("the reply has a result", answer.has_result()),
            ];
            probe.judge(&part, &format!("`Content-Encoding: {case}`"), refused, &signs, &[&answer]);
        }
    }
    Ok(())
}
