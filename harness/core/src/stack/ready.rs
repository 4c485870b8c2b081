//! Requests the readiness of parts, and waits until a part is ready. The error of a wait has the last lines of the
//! part's log.

use super::{START_DEADLINE, StackError, postgres};
use crate::plan::topology::PartKind;
use mcp_contracts::service::{HEALTHZ_PATH, READYZ_PATH};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Pause between two requests. Short, because it is added to every measured start.
const READY_PAUSE: Duration = Duration::from_millis(5);
/// Deadline for one response.
const ASK_DEADLINE: Duration = Duration::from_secs(2);
/// Deadline for a Redis to answer `PING`.
const PING_DEADLINE: Duration = Duration::from_secs(1);
/// Maximum number of log lines in an error.
const TAIL_LINES: usize = 12;

/// The state of a part, by its answer to one request.
pub(super) enum Readiness {
    Ready,
    /// The part answers; the text is its response.
    NotReady(String),
    /// The part does not answer; the text is the error.
    Silent(String),
}

/// Returns an HTTP client for requests to parts. A stack creates one and keeps it, because creating it costs more than a request.
pub(super) fn http_client() -> Result<reqwest::Client, StackError> {
    // Without `no_proxy`, a proxy in the environment of the user would receive the requests.
    // A redirect could lead to another machine.
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let client = builder.timeout(ASK_DEADLINE).build();
    client.map_err(|error| StackError::start("harness", error))
}

/// Waits until a part is ready. Fails when `ended` returns the exit status of its process, or at the deadline.
pub(super) async fn wait_ready(
    http: &reqwest::Client,
    (name, kind, url): (&str, PartKind, &str),
    log: &Path,
    mut ended: impl FnMut() -> Option<String>,
) -> Result<(), StackError> {
    let start = Instant::now();
    let mut last = "no answer".to_owned();
    while start.elapsed() < START_DEADLINE {
        if let Some(status) = ended() {
            return Err(StackError::Died { part: name.to_owned(), status, tail: log_tail(log) });
        }
        match readiness(http, kind, url).await {
            Readiness::Ready => return Ok(()),
            Readiness::NotReady(why) | Readiness::Silent(why) => last = why,
        }
        tokio::time::sleep(READY_PAUSE).await;
    }
    Err(StackError::NotReady { part: name.to_owned(), seconds: START_DEADLINE.as_secs(), last, tail: log_tail(log) })
}

/// Requests the readiness of a part once.
pub(super) async fn readiness(http: &reqwest::Client, kind: PartKind, url: &str) -> Readiness {
    ask(http, kind, url, READYZ_PATH).await
}

/// Returns true if a part answers a request, even if the answer is an error.
pub(super) async fn answers(http: &reqwest::Client, kind: PartKind, url: &str) -> bool {
    // Not `/readyz`, whose answer may take long, because a service asks the parts that it calls first.
    !matches!(ask(http, kind, url, HEALTHZ_PATH).await, Readiness::Silent(_))
}

async fn ask(http: &reqwest::Client, kind: PartKind, url: &str, path: &str) -> Readiness {
    if kind == PartKind::Redis {
        return match ping(url).await {
            Ok(true) => Readiness::Ready,
            Ok(false) => Readiness::NotReady("no PONG".to_owned()),
            Err(error) => Readiness::Silent(error.to_string()),
        };
    }
    if kind == PartKind::Postgres {
        return match postgres::refusal(url).await {
            Ok(None) => Readiness::Ready,
            Ok(Some(why)) => Readiness::NotReady(why),
            Err(error) => Readiness::Silent(error.to_string()),
        };
    }
    match http.get(format!("{url}{path}")).send().await {
        // A response with any status means that the part answers. Only without a response it is silent.
        Ok(response) if response.status().is_success() => Readiness::Ready,
        Ok(response) => Readiness::NotReady(response.text().await.unwrap_or_default()),
        Err(error) => Readiness::Silent(error.without_url().to_string()),
    }
}

/// Returns true if the Redis at `redis://host:port` answers `PING`.
async fn ping(url: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(url.trim_start_matches("redis://")).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut reply = [0; 5];
    tokio::time::timeout(PING_DEADLINE, stream.read_exact(&mut reply)).await??;
    Ok(&reply == b"+PONG")
}

/// Returns the last lines of a log, indented for an error message.
pub fn log_tail(path: &Path) -> String {
    // Lossy, because a part that crashed may have written anything, and the error must show it.
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail: Vec<String> =
        lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| format!("  {line}")).collect();
    if tail.is_empty() { "  (it wrote nothing)".to_owned() } else { tail.join("\n") }
}
