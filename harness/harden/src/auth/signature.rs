//! Tokens whose signature proves nothing: forged, without an algorithm, or with a key that the attacker chose.

use super::refuse_tokens;
use harness_core::drive::hardening::{
    Caller, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop, base64url, signed, signed_with,
};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const FIX_IN: &[&str] = &["services/kit/src/auth.rs"];
/// A key that no stack has.
const FOREIGN_KEY: &str = "a-key-of-the-attacker-that-no-stack-was-started-with";
/// Time in which a service that fetches keys would have connected.
const FETCH: Duration = Duration::from_millis(100);

pub(crate) const FORGED: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-06",
    title: "a token whose signature is wrong is refused",
    score: 9.8,
    why: "Without a checked signature every client can be any user of any organisation.",
    sources: &["RFC 7515, section 5.2", "OWASP API2:2023", "CWE-347"],
    needs: &[Need::Key],
    how: "Sends a token of another key, with a changed, cut or empty signature, and with changed claims under the original signature. Each must get 401.",
    remedy: "Verify the signature over the bytes that were sent, before any claim is read.",
    fix_in: FIX_IN,
    follows: &["MCP-AUTH-01"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(refuse_tokens(probe, forged)),
};

pub(crate) const NO_ALGORITHM: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-07",
    title: "a token without a signature algorithm is refused, in every spelling",
    score: 9.8,
    why: "A service that takes `none` as an algorithm accepts tokens that anyone can write.",
    sources: &["RFC 8725, section 3.1", "OWASP API2:2023", "CWE-347"],
    needs: &[Need::Key],
    how: "Sends tokens whose `alg` is `none` in six spellings, without a signature and with that of another token. Each must get 401.",
    remedy: "Accept only the algorithms of the configuration; never the one that the token names.",
    fix_in: FIX_IN,
    follows: &["MCP-AUTH-01"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(refuse_tokens(probe, without_algorithm)),
};

pub(crate) const CONFUSED: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-08",
    title: "a token chooses neither its algorithm nor its key, and no URL in it is fetched",
    score: 9.1,
    why: "A key that the token brings along, or an algorithm of another kind, lets an attacker sign tokens. A URL in it makes the service call other machines.",
    sources: &[
        "RFC 8725, sections 3.1 and 3.10",
        "RFC 7515, section 4.1.11",
        "OWASP API2:2023",
        "OWASP API7:2023",
        "CWE-347",
        "CWE-918",
    ],
    needs: &[Need::Key],
    how: "Sends tokens with `jwk`, `jku`, `x5u`, hostile values of `kid`, a critical extension, and HMAC signatures below the names of other algorithms. Each must get 401, and no connection may arrive at a listener whose URL the tokens name (only for services that run as processes of this machine; MCP-TRN-11 waits for connections that come late).",
    remedy: "Take keys and algorithms from the configuration alone; refuse `crit`.",
    fix_in: FIX_IN,
    follows: &["MCP-AUTH-01", "MCP-AUTH-06"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(confuse(probe)),
};

fn forged(probe: &Probe<'_>, user: &Caller) -> Vec<(String, String)> {
    let (text, signature) = user.token.rsplit_once('.').unwrap_or_default();
    let header = text.split('.').next().unwrap_or_default();
    let mut other = user.claims();
    other["orgId"] = json!("victim");
    // The first letter: the last one has bits that a decoder may ignore.
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    vec![
        ("a token of another key".to_owned(), signed(&user.claims(), FOREIGN_KEY)),
        ("a changed signature".to_owned(), format!("{text}.{first}{}", signature.get(1..).unwrap_or_default())),
        ("a cut signature".to_owned(), format!("{text}.{}", &signature[..signature.len() / 2])),
        ("an empty signature".to_owned(), format!("{text}.")),
        (
            "other claims below the signature".to_owned(),
            format!("{header}.{}.{signature}", base64url(other.to_string())),
        ),
        ("the signature twice".to_owned(), format!("{}.{signature}", signed(&other, probe.key()))),
    ]
}

fn without_algorithm(_: &Probe<'_>, user: &Caller) -> Vec<(String, String)> {
    let claims = base64url(user.claims().to_string());
    let signature = user.token.rsplit('.').next().unwrap_or_default();
    let mut tokens = Vec::new();
    for name in ["none", "None", "NONE", "nOnE", " none", ""] {
        let header = base64url(json!({ "alg": name, "typ": "JWT" }).to_string());
        tokens.push((format!("`alg` is `{name}`, no signature"), format!("{header}.{claims}.")));
        tokens.push((format!("`alg` is `{name}`, an old signature"), format!("{header}.{claims}.{signature}")));
    }
    tokens
}

async fn confuse(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        // One for each service, so that a late connection of one is not taken for that of the next.
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| Stop::Unclear(error.to_string()))?;
        let address = listener.local_addr().map_err(|error| Stop::Unclear(error.to_string()))?;
        let url = format!("http://{address}/keys");
        let ann = probe.user("ann", "acme");
        probe.control(&part, "a valid token", &HttpRequest::tools_list().bearer(&ann.token)).await?;
        let mut answers = Vec::new();
        for (case, token) in confused(probe, &ann, &url) {
            answers.push(probe.expect_status(&part, &case, &HttpRequest::tools_list().bearer(&token), 401).await);
        }
        // A service in a container or on another machine cannot reach the listener.
        if probe.stage().open_files(&part).is_some() {
            let (came, sent) = fetched(&listener).await;
            let signs =
                [("a connection came to the URL in the token", came), ("the service sent a request to it", sent)];
            let answers: Vec<_> = answers.iter().take(1).collect();
            probe.judge(&part, "a URL in the header of a token", !came, &signs, &answers);
        }
    }
    Ok(())
}

/// Returns true if a connection arrived, and true if it sent something.
async fn fetched(listener: &TcpListener) -> (bool, bool) {
    let Ok(Ok((mut stream, _))) = tokio::time::timeout(FETCH, listener.accept()).await else { return (false, false) };
    let sent = tokio::time::timeout(FETCH, stream.read(&mut [0; 16])).await;
    (true, matches!(sent, Ok(Ok(bytes)) if bytes > 0))
}

fn confused(probe: &Probe<'_>, user: &Caller, url: &str) -> Vec<(String, String)> {
    let (claims, key) = (user.claims(), probe.key());
    let with = |header: Value, key: &str| signed_with(&header, &claims, Algorithm::HS256, key);
    let foreign = |field: &str, value: Value| {
        let mut header = json!({ "alg": "HS256", "typ": "JWT" });
        header[field] = value;
        with(header, FOREIGN_KEY)
    };
    let own = json!({ "kty": "oct", "k": base64url(FOREIGN_KEY), "alg": "HS256" });
    vec![
        ("a key in `jwk`".to_owned(), foreign("jwk", own)),
        ("a URL in `jku`".to_owned(), foreign("jku", json!(url))),
        ("a URL in `x5u`".to_owned(), foreign("x5u", json!(url))),
        (
            "a path in `kid`, an empty key".to_owned(),
            with(json!({ "alg": "HS256", "kid": "../../../../dev/null" }), ""),
        ),
        ("SQL in `kid`".to_owned(), foreign("kid", json!("' UNION SELECT 'a' --"))),
        ("the name RS256 above an HMAC".to_owned(), with(json!({ "alg": "RS256", "typ": "JWT" }), key)),
        ("the name ES256 above an HMAC".to_owned(), with(json!({ "alg": "ES256", "typ": "JWT" }), key)),
        (
            "HS512 with the right key".to_owned(),
            signed_with(&json!({ "alg": "HS512", "typ": "JWT" }), &claims, Algorithm::HS512, key),
        ),
        ("a critical extension".to_owned(), with(json!({ "alg": "HS256", "crit": ["b64"], "b64": true }), key)),
    ]
}
