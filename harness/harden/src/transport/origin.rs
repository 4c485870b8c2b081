//! Protection from web pages: foreign origins and hosts are refused, and CORS names only accepted origins.

use harness_core::drive::hardening::{Answer, HardeningCheck, HttpRequest, Lane, Probe, Stop};

const EVIL: &str = "http://evil.example";

pub(crate) const ORIGINS: HardeningCheck = HardeningCheck {
    id: "MCP-TRN-01",
    title: "a request of a page of a foreign origin gets 403",
    score: 8.1,
    why: "Without it, every web page that a user opens can call the services of that user's machine.",
    sources: &["MCP 2026-07-28, streamable HTTP, security", "OWASP API8:2023", "CWE-346", "CWE-1385"],
    needs: &[],
    how: "Sends a valid request with eight foreign origins: `null`, lookalikes of loopback, other ports, case and schemes. Each must get 403. No origin and a page of loopback must be accepted.",
    remedy: "Compare the whole origin with the accepted ones; set `ALLOWED_ORIGINS`.",
    fix_in: &["services/kit/src/origin.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(origins(probe)),
};

pub(crate) const HOSTS: HardeningCheck = HardeningCheck {
    id: "MCP-TRN-02",
    title: "a request for a foreign host is refused",
    score: 8.1,
    why: "With DNS rebinding a page of `evil.example` reaches a local service under its own name, so that the origin is no protection.",
    sources: &["MCP 2026-07-28, streamable HTTP, security", "RFC 9112, section 3.2", "OWASP API8:2023", "CWE-350"],
    needs: &[],
    how: "Sends a valid request with foreign `Host` headers, lookalikes of loopback, two `Host` headers and a foreign host in the request line. Each must get 400, 403, 404 or 421.",
    remedy: "Compare the host with the accepted names before anything else; set `ALLOWED_HOSTS`.",
    fix_in: &["services/kit/src/origin.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(hosts(probe)),
};

pub(crate) const CORS: HardeningCheck = HardeningCheck {
    id: "MCP-TRN-14",
    title: "CORS lets no page of a foreign origin send a call or read a reply",
    score: 6.5,
    why: "A page whose origin is mirrored can read the replies to the calls that it makes with a user's token.",
    sources: &["Fetch Standard, CORS protocol", "OWASP API8:2023", "CWE-942"],
    needs: &[],
    how: "Sends preflights and calls of foreign origins to the endpoint and to the metadata. No reply may name the origin, or `*` together with credentials. A preflight of loopback must be answered.",
    remedy: "Answer CORS only for accepted origins, and never with credentials.",
    fix_in: &["services/kit/src/cors.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(cors(probe)),
};

async fn origins(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let request = HttpRequest::tools_list().bearer(&ann.token);
        probe.control(&part, "no origin", &request).await?;
        // Another server may have other pages of its own, or none.
        if !probe.is_foreign() {
            let local = request.clone().header("origin", "http://localhost:3000");
            probe.control(&part, "a page of loopback", &local).await?;
        }
        for origin in [
            EVIL,
            "https://evil.example:8443",
            "null",
            "http://localhost.evil.example",
            "https://127.0.0.1.evil.example",
            "HTTP://EVIL.EXAMPLE",
            "http://xn--lcalhost-54a.example",
            "file://",
        ] {
            probe
                .expect_status(&part, &format!("the origin `{origin}`"), &request.clone().header("origin", origin), 403)
                .await;
        }
    }
    Ok(())
}

async fn hosts(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let request = HttpRequest::tools_list().bearer(&ann.token);
        probe.control(&part, "the host of the service", &request).await?;
        let own = probe.authority(&part);
        let port = own.rsplit(':').next().unwrap_or_default().to_owned();
        let mut cases: Vec<(String, HttpRequest)> = Vec::new();
        for host in [
            "evil.example".to_owned(),
            format!("evil.example:{port}"),
            "localhost.evil.example".to_owned(),
            format!("127.0.0.1.evil.example:{port}"),
        ] {
            let shown = host.replace(&format!(":{port}"), ":PORT");
            cases.push((format!("the host `{shown}`"), request.clone().with("host", &host)));
        }
        let twice = request.clone().header("host", &own).header("host", "evil.example");
        cases.push(("two hosts, the own one first".to_owned(), twice));
        let twice = request.clone().header("host", "evil.example").header("host", &own);
        cases.push(("two hosts, the foreign one first".to_owned(), twice));
        cases.push((
            "a foreign host in the request line".to_owned(),
            request.clone().at(&format!("{EVIL}{}", probe.path(&part))),
        ));
        for (case, request) in cases {
            let answer = probe.send(&part, &request).await;
            // 404: nothing is served under that host.
            let refused = [400, 403, 404, 421].iter().any(|status| answer.has_status(*status));
            let signs = [
                ("the status is none of 400, 403, 404 and 421", answer.status.is_some() && !refused),
                ("the reply has a result", answer.has_result()),
            ];
            probe.judge(&part, &case, refused && !answer.has_result(), &signs, &[&answer]);
        }
    }
    Ok(())
}

async fn cors(probe: &Probe<'_>) -> Result<(), Stop> {
    const ALLOWED: &str = "access-control-allow-origin";
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let preflight = |origin: &str| {
            HttpRequest::bare("OPTIONS", None)
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization,content-type")
        };
        if probe.is_foreign() {
            // A server without CORS answers no preflight, and no page can read its replies.
            probe.control(&part, "a call without an origin", &HttpRequest::tools_list().bearer(&ann.token)).await?;
        } else {
            let named = |answer: &Answer| answer.header(ALLOWED).is_some();
            probe.control_if(&part, "a preflight of loopback", &preflight("http://localhost:3000"), named).await?;
        }
        let call = |origin: &str| HttpRequest::tools_list().bearer(&ann.token).header("origin", origin);
        let well_known = format!("/.well-known/oauth-protected-resource{}", probe.path(&part));
        let metadata = |origin: &str| HttpRequest::bare("GET", Some(&well_known)).header("origin", origin);
        for origin in [EVIL, "null", "http://localhost.evil.example"] {
            for (what, request) in
                [("a preflight", preflight(origin)), ("a call", call(origin)), ("the metadata", metadata(origin))]
            {
                let answer = probe.send(&part, &request).await;
                let allowed = answer.header(ALLOWED).unwrap_or_default();
                let mirrored = allowed == origin || allowed == "*";
                let with_credentials = answer.header("access-control-allow-credentials") == Some("true");
                let signs = [
                    ("the reply names the foreign origin, or a star", mirrored),
                    ("the reply allows credentials", with_credentials),
                    ("the reply allows the header of the token", {
                        let headers = answer.header("access-control-allow-headers").unwrap_or_default();
                        mirrored && (headers.contains("authorization") || headers == "*")
                    }),
                ];
                let holds = answer.status.is_some() && !mirrored;
                probe.judge(&part, &format!("{what} of `{origin}`"), holds, &signs, &[&answer]);
            }
        }
    }
    Ok(())
}
