//! Shared by the scenarios that need much data or many calls which are not the subject: calls that do not enter the history, so that the final read
//! does not read thousands of records back. This file is not a scenario.

use harness_core::drive::scenario::{Actor, RawReply, ScenarioRequest, Stage, StepFailed};
use serde_json::{Value, json};
use std::time::Duration;

/// Deadline of a call. It is longer than a service takes to refuse a request.
const DEADLINE: Duration = Duration::from_secs(20);

/// Sends a request on a connection of its own and reads the reply. Without a connection the reply is empty.
pub(crate) async fn send(stage: &Stage<'_>, part: &str, user: &Actor<'_>, ask: ScenarioRequest) -> RawReply {
    let request = user.request_bytes(part, &ask.header("connection", "close"));
    let Ok(mut connection) = stage.connect(part, None).await else { return RawReply::default() };
    connection.send(&request).await;
    connection.read_to_end(DEADLINE).await
}

/// Stores memories.
pub(crate) async fn import(
    stage: &Stage<'_>,
    part: &str,
    user: &Actor<'_>,
    memories: Vec<Value>,
) -> Result<(), StepFailed> {
    let ask = ScenarioRequest::tool("import_memories", json!({ "memories": memories }));
    let reply = send(stage, part, user, ask).await;
    if reply.contains("\"created\":") {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&reply.bytes).chars().take(400).collect::<String>();
    Err(StepFailed(format!("`{part}` did not store the data of the scenario: {text}")))
}
