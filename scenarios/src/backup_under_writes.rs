//! A backup ends although others write all the time, and the copy opens and has every write that was acknowledged before the backup began.

use crate::unrecorded;
use futures::future::join_all;
use harness_core::drive::scenario::{Actor, Scenario, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use harness_history::counted;
use mcp_contracts::{Service, env};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "backup-under-writes",
    "a backup ends under writes and has everything that was acknowledged before it",
    topology,
    |stage| Box::pin(play(stage)),
)
.within(120)
.requires(&["no-lost-writes"])
.on_its_own_processes()
.on_sqlite_files();

/// Users who write without a pause.
const WRITERS: usize = 4;
/// Bulk of the database: requests, and memories of 60 KiB in each. Copying 12 MiB takes longer than the time between two writes.
const BULK: (usize, usize) = (14, 14);
const BULK_BYTES: usize = 60 << 10;
/// Deadline of the backup. It takes less than a second without writes.
const DEADLINE: Duration = Duration::from_secs(20);
/// Number of writes before the backup begins.
const BEFORE: usize = 40;

fn topology() -> Topology {
    Topology::memory().with_load_quotas()
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let memory = stage.instances(Service::Memory)[0].clone();
    fill(stage, &memory).await?;
    let mut users: Vec<_> = (0..WRITERS).map(|number| stage.user(&format!("user-{number}"), "acme")).collect();
    // The acknowledged writes, each with its writer, in the order in which they were acknowledged.
    let written = RefCell::new(Vec::<(String, String)>::new());
    let (begun_at, during) = (Cell::new(0), Cell::new(0));
    let copy = stage.data_file("copy.db");
    let file = copy.display().to_string();
    let backup = async {
        let enough = async || (written.borrow().len() >= BEFORE).then_some(());
        stage.wait_until("users write", DEADLINE, enough).await;
        begun_at.set(written.borrow().len());
        let ended = stage.run_program(&memory, &["backup", &file], DEADLINE).await;
        during.set(written.borrow().len() - begun_at.get());
        ended
    };
    let write = async |user: &mut Actor<'_>| {
        let note = json!({ "content": user.private_content("Written while a backup runs") });
        let stored = user.call("store_memory", note).await;
        if stored.is_ok() {
            written.borrow_mut().push((user.grant().user.clone(), stored.text("id")));
        }
    };
    let ended = stage.with_background_calls(&mut users, write, backup).await?;
    let details = format!("{ended:?}, {} meanwhile", counted(during.get(), "write", "writes"));
    stage.expect("the backup ends in time under writes", ended.code == Some(0), &details, &[]);
    stage.expect("users wrote while the backup ran", during.get() > 0, &details, &[]);
    if ended.code != Some(0) {
        return Ok(());
    }
    let written: Vec<_> = written.into_inner().into_iter().take(begun_at.get()).collect();
    on_the_copy(stage, &memory, &file, &mut users, &written).await
}

/// Stores memories whose bytes make the copy take a while.
async fn fill(stage: &Stage<'_>, memory: &str) -> Result<(), StepFailed> {
    let bulk = stage.user("bulk", "bulk");
    for request in 0..BULK.0 {
        let bulky = |number: usize| {
            let words = format!("bulk {request} {number} ").repeat(BULK_BYTES / 12);
            json!({ "content": words.get(..BULK_BYTES).unwrap_or(&words) })
        };
        let memories: Vec<Value> = (0..BULK.1).map(bulky).collect();
        unrecorded::import(stage, memory, &bulk, memories).await?;
    }
    Ok(())
}

/// Starts the service on the copy, and expects every write that was acknowledged before the backup began.
async fn on_the_copy(
    stage: &Stage<'_>,
    memory: &str,
    file: &str,
    users: &mut [Actor<'_>],
    written: &[(String, String)],
) -> Result<(), StepFailed> {
    let url = format!("sqlite://{file}");
    stage.reconfigure(memory, &[(env::DATABASE_URL, Some(&url))])?;
    stage.restart(memory).await?;
    let reading = users.iter_mut().map(async |user| {
        let name = user.grant().user.clone();
        let mut missing = Vec::new();
        for (_, id) in written.iter().filter(|(writer, _)| *writer == name) {
            let read = user.call("get_memory", json!({ "id": id })).await;
            if !read.is_ok() || read["id"] != **id {
                missing.push(read.op());
            }
        }
        missing
    });
    let missing: Vec<u64> = join_all(reading).await.concat();
    let details = format!("{} of {} are missing", missing.len(), written.len());
    let expected = "the copy opens and has every write that was acknowledged before it";
    stage.expect(expected, missing.is_empty() && !written.is_empty(), details, &missing);
    stage.reconfigure(memory, &[(env::DATABASE_URL, None)])?;
    stage.restart(memory).await
}
