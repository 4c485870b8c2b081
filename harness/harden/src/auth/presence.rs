//! Where a token must be: in one `Authorization` header, and nowhere else.

use harness_core::drive::hardening::{Answer, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::Service;
use mcp_contracts::service::RESOURCE_METADATA_PATH;
use serde_json::{Value, json};

const CHALLENGE: &str = "www-authenticate";
const FIX_IN: &[&str] = &["services/kit/src/mcp.rs", "services/kit/src/auth.rs"];

pub(crate) const NO_TOKEN: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-01",
    title: "a request without a token gets 401 and a challenge, on every path of the endpoint",
    score: 9.8,
    why: "An endpoint without authentication gives its tools to everyone who reaches the port.",
    sources: &[
        "MCP 2026-07-28, authorization",
        "RFC 9728, section 5.1",
        "OWASP MCP07:2025",
        "OWASP API2:2023",
        "CWE-306",
    ],
    needs: &[Need::Token],
    how: "Posts a valid request without a token, and with other authentication schemes, to every path of the endpoint. Each must get 401 with a `WWW-Authenticate` that names the metadata of the resource.",
    remedy: "Authenticate before the body is read, on every route that reaches the tools.",
    fix_in: FIX_IN,
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(no_token(probe)),
};

pub(crate) const METADATA: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-02",
    title: "the challenge names a document whose `resource` is the URL that was called",
    score: 5.4,
    why: "A client that follows wrong metadata asks another issuer for a token, or sends its token to another server.",
    sources: &["RFC 9728, sections 3.1 and 3.3", "MCP 2026-07-28, authorization, authorization server location"],
    needs: &[Need::Token],
    how: "Follows the challenge of every service and compares `resource` in the document with the URL that was called.",
    remedy: "Serve one document for each path below the well-known prefix, and set `PUBLIC_URL`.",
    fix_in: &["services/kit/src/ops.rs"],
    follows: &["MCP-AUTH-01"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(metadata(probe)),
};

pub(crate) const TOKEN_ELSEWHERE: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-11",
    title: "a token in the URL, the body or a cookie is not accepted",
    score: 6.5,
    why: "URLs and cookies end up in logs, histories and cross-site requests, and a token with them.",
    sources: &["MCP 2026-07-28, authorization, access token usage", "RFC 6750, section 5.3", "CWE-598"],
    needs: &[Need::Token],
    how: "Sends a valid token in the query, in the parameters and `_meta` of the body, in a cookie and in headers of gateways. Each must get 401.",
    remedy: "Read the token from the `Authorization` header alone.",
    fix_in: FIX_IN,
    follows: &["MCP-AUTH-01"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(places(probe)),
};

pub(crate) const REPEATED: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-12",
    title: "a request with two `Authorization` headers is refused",
    score: 6.5,
    why: "A gateway may check one header while the service uses the other.",
    sources: &["RFC 9110, sections 5.3 and 11.6.2", "OWASP API8:2023", "CWE-444"],
    needs: &[Need::Token],
    how: "Sends a valid and a forged header in both orders, and the valid one twice. Each must get 401. The scheme in lower case must be accepted.",
    remedy: "Refuse a request that repeats the header.",
    fix_in: FIX_IN,
    follows: &["MCP-AUTH-01"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(repeated(probe)),
};

async fn no_token(probe: &Probe<'_>) -> Result<(), Stop> {
    for (service, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        for path in paths(probe, service, &part) {
            let request = HttpRequest::tools_list().at(&path);
            probe.control(&part, &format!("a valid token at `{path}`"), &request.clone().bearer(&ann.token)).await?;
            let basic = request.clone().header("authorization", "Basic YW5uOmFubg==");
            let empty = request.clone().header("authorization", "Bearer ");
            for (case, request) in [("no token", request), ("a password", basic), ("an empty token", empty)] {
                expect_challenge(probe, &part, &format!("{case} at `{path}`"), &request).await;
            }
        }
    }
    Ok(())
}

async fn expect_challenge(probe: &Probe<'_>, part: &str, case: &str, request: &HttpRequest) {
    let answer = probe.send(part, request).await;
    let challenge = answer.header(CHALLENGE).unwrap_or_default();
    let named = challenge.starts_with("Bearer ") && challenge.contains("resource_metadata=\"");
    let signs = [
        ("the status is not 401", answer.status.is_some() && !answer.has_status(401)),
        ("the reply has a result", answer.has_result()),
        ("no challenge names the metadata", answer.status.is_some() && !named),
    ];
    probe.judge(part, case, answer.has_status(401) && named && !answer.has_result(), &signs, &[&answer]);
}

/// Returns the URL of the metadata in a challenge.
fn metadata_url(answer: &Answer) -> Option<String> {
    let (_, rest) = answer.header(CHALLENGE)?.split_once("resource_metadata=\"")?;
    Some(rest.split('"').next()?.to_owned())
}

async fn metadata(probe: &Probe<'_>) -> Result<(), Stop> {
    for (service, part) in probe.parts() {
        for path in paths(probe, service, &part).into_iter().filter(|path| !path.ends_with('/')) {
            let refused = |answer: &Answer| answer.has_status(401) && metadata_url(answer).is_some();
            if probe.is_foreign() && !refused(&probe.send(&part, &HttpRequest::tools_list().at(&path)).await) {
                return Err(Stop::NotApplicable("no challenge names a document; MCP-AUTH-01 is about that".to_owned()));
            }
            let challenge =
                probe.control_if(&part, "a challenge", &HttpRequest::tools_list().at(&path), refused).await?;
            let url = metadata_url(&challenge).unwrap_or_default();
            let (origin, well_known) = split_url(&url);
            let answer = probe.send(&part, &HttpRequest::bare("GET", Some(&well_known))).await;
            let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let (named_origin, named_path) = split_url(document["resource"].as_str().unwrap_or_default());
            let signs = [
                (
                    "the challenge names a path outside of the well-known prefix",
                    !well_known.starts_with(RESOURCE_METADATA_PATH),
                ),
                ("there is no document", answer.status.is_some() && !answer.has_status(200)),
                ("`resource` has another path", answer.has_status(200) && named_path != path),
                ("`resource` has another host", answer.has_status(200) && named_origin != origin),
            ];
            let holds = signs.iter().all(|(_, is_there)| !is_there) && answer.has_status(200);
            probe.judge(&part, &format!("the metadata of `{path}`"), holds, &signs, &[&challenge, &answer]);
        }
    }
    Ok(())
}

/// Returns the paths of an endpoint: a service of this product has four, and of another server only the one in its URL is known.
fn paths(probe: &Probe<'_>, service: Option<Service>, part: &str) -> Vec<String> {
    let Some(service) = service else { return vec![probe.path(part)] };
    let own = format!("/mcp/{}", service.name());
    vec!["/mcp".to_owned(), "/mcp/".to_owned(), own.clone(), format!("{own}/")]
}

/// Splits a URL into its origin and its path.
fn split_url(url: &str) -> (String, String) {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let path = url[authority..].find('/').map_or(url.len(), |at| authority + at);
    (url[..path].to_owned(), url[path..].to_owned())
}

async fn places(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let (request, token, path) = (HttpRequest::tools_list(), ann.token.as_str(), probe.path(&part));
        probe.control(&part, "the token in its header", &request.clone().bearer(token)).await?;
        let in_body = |place: &'static str| {
            request.clone().changed(|body| match place {
                "params" => body["params"]["access_token"] = json!(token),
                _ => body["params"]["_meta"]["authorization"] = json!(format!("Bearer {token}")),
            })
        };
        let cases = [
            ("the token in `access_token` of the query", request.clone().at(&format!("{path}?access_token={token}"))),
            ("the token in `token` of the query", request.clone().at(&format!("{path}?token={token}"))),
            ("the token in the parameters", in_body("params")),
            ("the token in `_meta`", in_body("meta")),
            (
                "the token in a cookie",
                request.clone().header("cookie", &format!("access_token={token}; token={token}")),
            ),
            ("the token in `X-Access-Token`", request.clone().header("x-access-token", token)),
            (
                "the token in `Proxy-Authorization`",
                request.clone().header("proxy-authorization", &format!("Bearer {token}")),
            ),
        ];
        for (case, request) in cases {
            probe.expect_status(&part, case, &request, 401).await;
        }
    }
    Ok(())
}

async fn repeated(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let (valid, forged) = (format!("Bearer {}", ann.token), "Bearer forged".to_owned());
        let request = HttpRequest::tools_list();
        let lower = format!("bearer {}", ann.token);
        probe.control(&part, "the scheme in lower case", &request.clone().header("authorization", &lower)).await?;
        for (case, one, other) in [
            ("a valid token, then a forged one", &valid, &forged),
            ("a forged token, then a valid one", &forged, &valid),
            ("a valid token twice", &valid, &valid),
        ] {
            let twice = request.clone().header("authorization", one).header("authorization", other);
            probe.expect_status(&part, case, &twice, 401).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::split_url;

    #[test]
    fn a_url_is_split_before_its_path() {
        let split = |url| {
            let (origin, path) = split_url(url);
            format!("{origin} {path}")
        };
        assert_eq!(split("http://127.0.0.1:7420/a/b"), "http://127.0.0.1:7420 /a/b");
        assert_eq!(split("https://a.example"), "https://a.example ");
        assert_eq!(split(""), " ");
    }
}
