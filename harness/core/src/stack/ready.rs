//! Waits until a part is ready; the error shows the last lines of its log. Also asks whether a part answers at all.

pub(super) mod redis;

use super::{RunningPart, START_DEADLINE, StackError};
use crate::plan::topology::PartKind;
use mcp_contracts::service::{HEALTHZ_PATH, READYZ_PATH};
use std::path::Path;
use std::time::{Duration, Instant};

/// Pause between two requests. Short, because it is added to every measured start.
const READY_PAUSE: Duration = Duration::from_millis(5);
/// How long one response may take.
const ASK_DEADLINE: Duration = Duration::from_secs(2);
/// Number of log lines that an error shows.
const TAIL_LINES: usize = 12;

/// The HTTP client for requests to parts; made once per stack, because making it costs more than a request.
pub(super) fn http_client() -> Result<reqwest::Client, StackError> {
    let client = reqwest::Client::builder().no_proxy().timeout(ASK_DEADLINE).build();
    client.map_err(|error| StackError::start("harness", error))
}

/// Waits until the service at `base` is ready; `ended` returns how its process ended, if it did.
pub(super) async fn wait_ready(
    http: &reqwest::Client,
    part: &str,
    base: &str,
    log: &Path,
    mut ended: impl FnMut() -> Option<String>,
) -> Result<(), StackError> {
    let start = Instant::now();
    let url = format!("{base}{READYZ_PATH}");
    let mut last = "no answer".to_owned();
    while start.elapsed() < START_DEADLINE {
        if let Some(status) = ended() {
            return Err(StackError::Died { part: part.to_owned(), status, tail: log_tail(log) });
        }
        match http.get(&url).send().await {
            Ok(reply) if reply.status().is_success() => return Ok(()),
            Ok(reply) => last = reply.text().await.unwrap_or_default(),
            Err(error) => last = error.without_url().to_string(),
        }
        tokio::time::sleep(READY_PAUSE).await;
    }
    Err(StackError::NotReady { part: part.to_owned(), seconds: START_DEADLINE.as_secs(), last, tail: log_tail(log) })
}

/// Returns true if a part answers, even with an error.
pub(super) async fn answers(http: &reqwest::Client, part: &RunningPart) -> bool {
    match part.kind {
        PartKind::Service(_) => http.get(format!("{}{HEALTHZ_PATH}", part.url)).send().await.is_ok(),
        PartKind::Redis => match part.url.rsplit(':').next().and_then(|port| port.parse().ok()) {
            Some(port) => redis::answers(port).await.is_ok(),
            None => false,
        },
    }
}

/// The last lines of a log.
pub fn log_tail(path: &Path) -> String {
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail: Vec<String> =
        lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| format!("  {line}")).collect();
    if tail.is_empty() { "  (it wrote nothing)".to_owned() } else { tail.join("\n") }
}
