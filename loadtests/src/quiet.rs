//! The quiet parts around the load: storing what must be there before it, and reading back every acknowledged write
//! after it. What is to be read comes from the history on disk, so that memory does not grow with the number of writes.

use crate::drive::driver::Driver;
use harness_core::plan::run_dir::HISTORY;
use harness_core::plan::workload::Workload;
use harness_history::{Effect, Op, Outcome};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Reads that may wait for one lane.
const LANE_QUEUE: usize = 256;

/// Every user stores its share of the memories that its organisation starts with, at least one.
pub(crate) async fn seed(driver: &Arc<Driver>) {
    let workload = &driver.assignment.workload;
    let shares = shares(workload);
    driver.expect(shares.iter().map(|share| u64::from(*share)).sum());
    let lanes = lanes(driver);
    let mut running = JoinSet::new();
    for lane in 0..lanes {
        let driver = Arc::clone(driver);
        let mine: Vec<(usize, u32)> = shares.iter().copied().enumerate().skip(lane).step_by(lanes).collect();
        running.spawn(async move {
            for (process, share) in mine {
                for _ in 0..share {
                    if driver.stop.is_cancelled() {
                        return;
                    }
                    driver.store_quietly(process).await;
                }
            }
        });
    }
    while running.join_next().await.is_some() {}
}

/// How many memories each user stores so that every organisation has what the workload wants.
fn shares(workload: &Workload) -> Vec<u32> {
    let Workload { users, organisations, seed_memories, .. } = *workload;
    let share = |process: u32| {
        let (organisation, rank) = (process % organisations, process / organisations);
        let mates = (users - organisation).div_ceil(organisations);
        (seed_memories / mates + u32::from(rank < seed_memories % mates)).max(1)
    };
    (0..users).map(share).collect()
}

/// Reads every acknowledged write of the history back, each by its writer.
///
/// # Errors
/// The history cannot be read.
pub(crate) async fn read_back(driver: &Arc<Driver>) -> std::io::Result<()> {
    driver.expect(driver.acknowledged());
    let lanes = lanes(driver);
    let mut running = JoinSet::new();
    let mut queues = Vec::with_capacity(lanes);
    for _ in 0..lanes {
        let (queue, mut keys) = mpsc::channel::<(usize, Arc<str>)>(LANE_QUEUE);
        queues.push(queue);
        let driver = Arc::clone(driver);
        running.spawn(async move {
            while let Some((process, key)) = keys.recv().await {
                if driver.stop.is_cancelled() {
                    return;
                }
                driver.read_quietly(process, key).await;
            }
        });
    }
    let result = dispatch(&driver.assignment.run_dir, &queues).await;
    drop(queues);
    while running.join_next().await.is_some() {}
    result
}

/// Hands every acknowledged write to the lane of its writer, so that the operations of a user never overlap.
async fn dispatch(run_dir: &Path, queues: &[mpsc::Sender<(usize, Arc<str>)>]) -> std::io::Result<()> {
    let file = File::open(run_dir.join(HISTORY))?;
    // What is there now is the load; the reads that follow are appended behind it.
    let length = file.metadata()?.len();
    let mut lines = BufReader::new(std::io::Read::take(file, length));
    let mut line = String::new();
    while {
        line.clear();
        lines.read_line(&mut line)? > 0
    } {
        // Most lines are reads; only those with a write are worth parsing.
        if !line.contains(r#""write":"#) {
            continue;
        }
        let op: Op = serde_json::from_str(&line).map_err(std::io::Error::other)?;
        if let (Outcome::Ok, Effect::Write { key: Some(key), .. }) = (op.outcome, op.effect) {
            let process = op.process as usize;
            // A lane that is gone was stopped; then the others are too.
            if queues[process % queues.len()].send((process, key)).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn lanes(driver: &Driver) -> usize {
    let workload = &driver.assignment.workload;
    workload.final_read_concurrency.min(workload.users).max(1) as usize
}

#[cfg(test)]
mod tests {
    use super::shares;
    use crate::profile::{Overrides, workload};

    #[test]
    fn every_organisation_gets_its_memories_and_every_user_stores_one() {
        let overrides = Overrides { users: Some(23), organisations: Some(5), ..Overrides::default() };
        let mut workload = workload("memory", &overrides).unwrap();
        for seeds in [50, 7, 0] {
            workload.seed_memories = seeds;
            let shares = shares(&workload);
            for organisation in 0..5 {
                let mine: Vec<u32> = shares.iter().copied().skip(organisation).step_by(5).collect();
                assert!(mine.iter().all(|share| *share >= 1));
                assert_eq!(mine.iter().sum::<u32>(), seeds.max(mine.len() as u32), "{mine:?}");
            }
        }
    }
}
