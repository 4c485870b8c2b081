//! A process ends by its drain deadline, whatever still runs: here searches whose clients have gone. Its exit code says whether work was left.

use crate::unrecorded;
use harness_core::drive::scenario::{Scenario, ScenarioRequest, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use mcp_contracts::{Service, env};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "drain-with-abandoned-work",
    "a process ends by its drain deadline although abandoned searches run",
    topology,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.within(120);

/// Deadline for running calls during the shutdown, in milliseconds.
const DRAIN_MS: u64 = 1_500;
/// Time beyond the deadline for the store, the last spans and a busy machine. A supervisor grants 3 s.
const CLOSING: Duration = Duration::from_secs(3);
/// Exit codes: everything was done, or work was left (sysexits `EX_TEMPFAIL`).
const CODES: [i32; 2] = [0, 75];
/// Requests that store memories, and memories in each. A search compares all of them.
const STORED: (usize, usize) = (6, 400);
/// Different words of each memory and of the search.
const WORDS: usize = 120;
/// Searches whose clients leave.
const ABANDONED: usize = 30;

fn topology() -> Topology {
    Topology::memory().with_load_quotas().with_setting_everywhere(env::DRAIN_DEADLINE_MS, DRAIN_MS)
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let memory = stage.instances(Service::Memory)[0].clone();
    let mut eve = stage.user("eve", "greedy");
    let words = words();
    for request in 0..STORED.0 {
        let memories: Vec<Value> =
            (0..STORED.1).map(|number| json!({ "content": format!("{words} {request} {number}") })).collect();
        unrecorded::import(stage, &memory, &eve, memories).await?;
    }
    let search = ScenarioRequest::tool("search_memory", json!({ "query": words, "limit": 1 }));
    let request = eve.request_bytes(&memory, &search);
    let mut sent = 0;
    for _ in 0..ABANDONED {
        let mut connection = stage.connect(&memory, None).await?;
        sent += usize::from(connection.send(&request).await);
    }
    stage.expect("the searches were sent before their clients left", sent == ABANDONED, format!("{sent} sent"), &[]);
    let start = Instant::now();
    let ended = stage.end(&memory).await?;
    let took = start.elapsed();
    let details = format!("{ended:?} after {} ms", took.as_millis());
    let in_time = took <= Duration::from_millis(DRAIN_MS) + CLOSING;
    stage.expect("the process ends by its drain deadline", in_time, &details, &[]);
    let reported = ended.code.is_some_and(|code| CODES.contains(&code));
    stage.expect("its exit code says whether work was left", reported, &details, &[]);
    stage.start_again(&memory).await?;
    let reply = eve.call("memory_stats", json!({})).await;
    let _ = reply.expect_ok("the service starts again with its data");
    Ok(())
}

/// Returns words of two letters, all different, which fit into one query.
fn words() -> String {
    let letters = |number: usize| {
        let letter = |at: usize| char::from(b'a' + u8::try_from(at % 26).unwrap_or_default());
        format!("{}{}", letter(number / 26), letter(number))
    };
    (0..WORDS).map(letters).collect::<Vec<_>>().join(" ")
}
