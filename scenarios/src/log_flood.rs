//! A stranger cannot fill the disk: refused requests write a number of bytes to the log that time bounds, and not their number.

use futures::future::try_join_all;
use harness_core::drive::scenario::{Scenario, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use harness_history::counted;
use mcp_contracts::Service;
use mcp_contracts::service::MCP_PATH;
use serde_json::json;
use std::time::{Duration, Instant};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "log-flood",
    "refused requests of strangers write a bounded number of bytes to the log",
    Topology::memory,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack();

/// Connections at once, and requests on each of them.
const FLOOD: (usize, usize) = (8, 250);
/// Bytes of log for each second of the flood. Five lines with 300 bytes each.
const BYTES_PER_SECOND: u64 = 1_500;
/// Seconds that are added to the duration of a flood, because a line may be written after the reply, and a period may begin before it.
const MARGIN_S: u64 = 4;
const READ_DEADLINE: Duration = Duration::from_secs(20);

/// The kinds of requests that need no valid token, each with the status of its refusal.
fn kinds() -> [(&'static str, String, u16); 4] {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    let post = |path: &str, host: &str, fields: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\n{fields}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    [
        ("without a token", post(MCP_PATH, "localhost", ""), 401),
        ("with an invalid token", post(MCP_PATH, "localhost", "Authorization: Bearer x.y.z\r\n"), 401),
        ("to an unknown path", post("/nowhere", "localhost", ""), 404),
        ("with a foreign host", post(MCP_PATH, "evil.example", ""), 403),
    ]
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let memory = stage.instances(Service::Memory)[0].clone();
    for (kind, request, status) in kinds() {
        let (before, start) = (stage.log_bytes(&memory).await?, Instant::now());
        // The last request ends the connection, so that all replies are read.
        let last = request.replacen("Content-Type", "Connection: close\r\nContent-Type", 1);
        let batch = request.repeat(FLOOD.1 - 1) + &last;
        let refused = try_join_all((0..FLOOD.0).map(async |_| {
            let mut connection = stage.connect(&memory, None).await?;
            connection.send(batch.as_bytes()).await;
            Ok::<usize, StepFailed>(connection.read_to_end(READ_DEADLINE).await.count(status))
        }))
        .await?;
        let (refused, seconds) = (refused.into_iter().sum::<usize>(), start.elapsed().as_secs() + MARGIN_S);
        let all = refused == FLOOD.0 * FLOOD.1;
        stage.expect(&format!("requests {kind} are refused with {status}"), all, format!("{refused} were"), &[]);
        // Lines are written by a thread of their own, at the latest a second after the reply.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let grown = stage.log_bytes(&memory).await?.saturating_sub(before);
        let details = format!("{grown} bytes for {}", counted(refused, "request", "requests"));
        let expected = format!("requests {kind} write a bounded number of bytes to the log");
        stage.expect(&expected, grown <= BYTES_PER_SECOND * seconds, details, &[]);
    }
    let reply = stage.user("ann", "acme").call("memory_stats", json!({})).await;
    let _ = reply.expect_ok("a user is served after the flood");
    Ok(())
}
