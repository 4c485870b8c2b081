//! No input makes a service open a connection.

use crate::shapes::{Distance, Shapes};
use harness_core::drive::hardening::{
    Answer, Caller, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop, signed_with,
};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Shortest time for which a listener waits after the last request.
const SHORTEST: Duration = Duration::from_secs(5);
/// Time for which it waits in an attempt that repeats what the first one found.
const AGAIN: Duration = Duration::from_secs(15);
/// Time for a connection to send something.
const SENDS: Duration = Duration::from_millis(500);
/// Bytes of a connection that are read.
const READ: usize = 16;
/// A key that no stack has.
const FOREIGN_KEY: &str = "a-key-that-signs-only-tokens-with-a-url-in-their-header";
/// Fields of the header of a token that name a URL with keys or certificates (RFC 7515, section 4.1).
const OF_TOKENS: [&str; 3] = ["jku", "x5u", "kid"];
/// Headers in which other software looks for a URL.
const HEADERS: [&str; 8] =
    ["referer", "x-callback-url", "x-webhook-url", "x-forwarded-host", "forwarded", "link", "x-original-url", "from"];

pub(crate) const OUTBOUND: HardeningCheck = HardeningCheck {
    id: "MCP-TRN-11",
    title: "no URL of this machine in a free text, a reference, a header or a token makes a service open a connection, at once or later",
    score: 8.6,
    why: "A service that fetches what a caller names reads the metadata of its cloud and scans its network for the attacker.",
    sources: &["OWASP API7:2023", "MCP 2026-07-28, tools, JSON Schema references", "RFC 8725, section 3.10", "CWE-918"],
    needs: &[Need::Token, Need::Product, Need::Processes],
    how: "Listens on a port of 127.0.0.1 for each tool, and calls the tool with the URL of its listener in every free text that its schema has, and with it as `$ref` in every free object. Another listener is named in eight headers and in the parameters of other methods, and a third one in tokens of a foreign key, as `jku`, `x5u`, `kid` and issuer. No connection may arrive until the last check of the run has ended, and five seconds at least. Only these addresses are tried. A connection of the check itself must arrive at each listener.",
    remedy: "Resolve no reference, and call only the addresses of the settings.",
    fix_in: &["services/kit/src/tool/schema.rs", "services/kit/src/mcp.rs", "services/kit/src/auth.rs"],
    follows: &[],
    lane: Lane::Throughout,
    probing: |probe| Box::pin(outbound(probe)),
};

/// A listener that counts who comes. It ends when it is dropped.
struct Canary {
    address: std::net::SocketAddr,
    counts: Arc<Counts>,
    _accepting: JoinSet<()>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    /// Connections that sent something.
    requests: AtomicUsize,
}

impl Canary {
    async fn listen() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, counts) = (listener.local_addr()?, Arc::new(Counts::default()));
        let (mut accepting, seen) = (JoinSet::new(), Arc::clone(&counts));
        accepting.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                seen.connections.fetch_add(1, Ordering::SeqCst);
                let read = tokio::time::timeout(SENDS, stream.read(&mut [0; READ])).await;
                if matches!(read, Ok(Ok(bytes)) if bytes > 0) {
                    seen.requests.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Ok(Self { address, counts, _accepting: accepting })
    }

    /// Returns a listener that has seen a connection, which shows that it is reached.
    async fn proven(probe: &Probe<'_>) -> Result<Self, Stop> {
        let unclear = |why: String| Stop::Unclear(format!("the listener cannot be reached: {why}"));
        let canary = Self::listen().await.map_err(|error| unclear(error.to_string()))?;
        let connection =
            tokio::net::TcpStream::connect(canary.address).await.map_err(|error| unclear(error.to_string()))?;
        for _ in 0..200 {
            if canary.connections() > 0 {
                probe.count_control();
                drop(connection);
                canary.counts.connections.store(0, Ordering::SeqCst);
                return Ok(canary);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(unclear("it saw no connection".to_owned()))
    }

    fn url(&self) -> String {
        format!("http://{}/canary", self.address)
    }

    fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }
}

/// What named the URL of a listener.
struct Named {
    part: String,
    case: String,
    canary: Canary,
    answers: Vec<Answer>,
}

async fn outbound(probe: &Probe<'_>) -> Result<(), Stop> {
    let mut all = Vec::new();
    for (_, part) in probe.services() {
        let ann = probe.user("ann", "acme");
        let list = HttpRequest::tools_list().bearer(&ann.token);
        let listed = probe.control(&part, "the list of tools", &list).await?;
        for tool in listed.result()["tools"].as_array().into_iter().flatten() {
            all.push(in_arguments(probe, &part, &ann, tool).await?);
        }
        all.push(in_headers(probe, &part, &ann).await?);
        all.push(in_tokens(probe, &part, &ann).await?);
    }
    let sent = Instant::now();
    probe.wait_for_other_lanes().await;
    // What comes in the first attempt may come after any time; a repetition waits only so long.
    let wait = if probe.is_first_attempt() { SHORTEST } else { AGAIN };
    tokio::time::sleep_until(sent + wait).await;
    for named in &all {
        judge(probe, named);
    }
    for (_, part) in probe.services() {
        let list = HttpRequest::tools_list().bearer(&probe.user("ann", "acme").token);
        probe.control(&part, "the list of tools at the end", &list).await?;
    }
    Ok(())
}

async fn in_arguments(probe: &Probe<'_>, part: &str, ann: &Caller, tool: &Value) -> Result<Named, Stop> {
    let (canary, name) = (Canary::proven(probe).await?, tool["name"].as_str().unwrap_or_default());
    let mut answers = Vec::new();
    for arguments in with_url(tool, &canary.url(), probe.stage().seed()) {
        answers.push(probe.send(part, &HttpRequest::tool(name, &arguments).bearer(&ann.token)).await);
    }
    Ok(Named { part: part.to_owned(), case: format!("a URL in the arguments of `{name}`"), canary, answers })
}

async fn in_headers(probe: &Probe<'_>, part: &str, ann: &Caller) -> Result<Named, Stop> {
    let canary = Canary::proven(probe).await?;
    let (url, list) = (canary.url(), HttpRequest::tools_list().bearer(&ann.token));
    let mut answers = Vec::new();
    for header in HEADERS {
        answers.push(probe.send(part, &list.clone().header(header, &url)).await);
    }
    let meta = list.clone().changed(|body| body["params"]["_meta"]["callback"] = json!({ "url": url, "$ref": url }));
    answers.push(probe.send(part, &meta).await);
    for method in ["resources/read", "prompts/get", "completion/complete"] {
        let request = HttpRequest::rpc(method, json!({ "uri": url, "name": url })).bearer(&ann.token);
        answers.push(probe.send(part, &request).await);
    }
    Ok(Named { part: part.to_owned(), case: "a URL in headers and other methods".to_owned(), canary, answers })
}

/// Each token is refused, and a service may still fetch what it names, at once or when it next renews its keys.
async fn in_tokens(probe: &Probe<'_>, part: &str, ann: &Caller) -> Result<Named, Stop> {
    let canary = Canary::proven(probe).await?;
    let url = canary.url();
    let mut claims = ann.claims();
    claims["iss"] = json!(url);
    let mut answers = Vec::new();
    for field in OF_TOKENS {
        let header = json!({ "alg": "HS256", "typ": "JWT", field: url });
        let token = signed_with(&header, &claims, Algorithm::HS256, FOREIGN_KEY);
        answers.push(probe.send(part, &HttpRequest::tools_list().bearer(&token)).await);
    }
    Ok(Named { part: part.to_owned(), case: "a URL in a token".to_owned(), canary, answers })
}

fn judge(probe: &Probe<'_>, named: &Named) {
    let (connections, requests) = (named.canary.connections(), named.canary.counts.requests.load(Ordering::SeqCst));
    let signs = [
        ("a connection came to the URL", connections > 0),
        ("something was sent to it, or it came more than once", requests > 0 || connections > 1),
    ];
    let last: Vec<&Answer> = named.answers.iter().rev().take(2).collect();
    // Requests without any reply never reached what could fetch the URL.
    let answered = named.answers.iter().any(|answer| answer.status.is_some());
    probe.judge(&named.part, &named.case, connections == 0 && answered, &signs, &last);
}

/// Returns arguments of a tool in which each free text is the URL, or has it, and each free object refers to it. Other texts stay valid, because a call that
/// is refused shows nothing.
fn with_url(tool: &Value, url: &str, seed: u64) -> Vec<Value> {
    let mut shapes = Shapes::new(&tool["inputSchema"], seed);
    let texts = [url.to_owned(), format!("see {url} and file://{url}")];
    let mut all = Vec::new();
    for text in texts {
        let mut arguments = shapes.next(Distance::Plain);
        for (name, field) in tool["inputSchema"]["properties"].as_object().into_iter().flatten() {
            if is_free(name, field) {
                arguments[name] = json!(text);
            } else if is_type(field, "array") && is_free(name, &field["items"]) {
                arguments[name] = json!([text]);
            } else if is_type(field, "object") && field.get("properties").is_none() {
                arguments[name] = json!({ "url": text, "$ref": url });
            }
        }
        all.push(arguments);
    }
    all
}

/// Returns true for a text that a person writes, and not for a handle, a time or a word of a list.
fn is_free(name: &str, field: &Value) -> bool {
    let ends =
        ["id", "Id", "cursor", "Cursor", "token", "Token", "After", "Before", "Key", "version", "agent", "workspace"];
    let bound = ["enum", "const", "format", "pattern"];
    is_type(field, "string")
        && !ends.iter().any(|end| name.ends_with(end))
        && !bound.iter().any(|word| field.get(word).is_some())
}

fn is_type(field: &Value, name: &str) -> bool {
    field["type"] == name || field["type"].as_array().is_some_and(|types| types.iter().any(|one| one == name))
}

#[cfg(test)]
mod tests {
    use super::with_url;
    use serde_json::json;

    #[test]
    fn only_free_texts_become_the_url() {
        let tool = json!({ "inputSchema": { "type": "object", "required": ["text", "action", "id"], "properties": {
            "text": { "type": "string" }, "other": { "type": ["string", "null"] }, "action": { "enum": ["a"] },
            "id": { "type": "string" }, "createdAfter": { "type": "string" }, "day": { "type": "string", "format": "date" },
            "tags": { "type": "array", "items": { "type": "string" } }, "metadata": { "type": "object" },
            "limit": { "type": "integer" },
        } } });
        let all = with_url(&tool, "http://127.0.0.1:1/canary", 1);
        let url = json!("http://127.0.0.1:1/canary");
        assert_eq!((&all[0]["text"], &all[0]["other"], &all[0]["tags"]), (&url, &url, &json!([url])));
        assert_eq!((&all[0]["action"], &all[0]["metadata"]["$ref"]), (&json!("a"), &url));
        assert!(all[0]["id"].is_string() && all[0]["id"] != url);
        assert!(all[0].get("createdAfter").is_none() && all[0].get("day").is_none() && all[0].get("limit").is_none());
        assert!(all[1]["text"].as_str().unwrap().starts_with("see http"));
    }
}
