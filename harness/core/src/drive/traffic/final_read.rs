//! The final read: every acknowledged write is read back by its writer. The ids come from the history on disk, so that memory does not
//! grow with the number of writes.

use crate::plan::run_dir::HISTORY;
use harness_history::{Effect, Op, Outcome};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Maximum number of reads that wait for one lane.
// The history is read only as fast as its records can be requested, so that its ids do not collect in memory.
const LANE_QUEUE: usize = 256;

/// Reads one record as the user with this process number. Returns false to end the lane.
pub trait Read {
    fn read(&mut self, process: u32, id: Arc<str>) -> impl Future<Output = bool>;
}

/// Reads back every acknowledged write of the history. All records of a user go to one lane, because the calls of a
/// user never overlap.
///
/// # Errors
/// The history cannot be read.
pub async fn read_back(run_dir: &Path, lanes: Vec<impl Read>) -> std::io::Result<()> {
    let (queues, reading): (Vec<_>, Vec<_>) = lanes
        .into_iter()
        .map(|mut lane| {
            let (queue, mut ids) = mpsc::channel::<(u32, Arc<str>)>(LANE_QUEUE);
            let reading = async move {
                while let Some((process, id)) = ids.recv().await {
                    if !lane.read(process, id).await {
                        return;
                    }
                }
            };
            (queue, reading)
        })
        .unzip();
    let (dispatched, _) = tokio::join!(dispatch(run_dir, queues), futures::future::join_all(reading));
    dispatched
}

async fn dispatch(run_dir: &Path, queues: Vec<mpsc::Sender<(u32, Arc<str>)>>) -> std::io::Result<()> {
    let file = File::open(run_dir.join(HISTORY))?;
    // The final reads are appended to the same file while it is read, so only its length at the start counts.
    let length = file.metadata()?.len();
    let mut lines = BufReader::new(std::io::Read::take(file, length));
    let mut line = String::new();
    while {
        line.clear();
        lines.read_line(&mut line)? > 0
    } {
        // Most lines are reads; a search for the key skips them without parsing.
        if !line.contains(r#""write":"#) && !line.contains(r#""writes":"#) {
            continue;
        }
        let op: Op = serde_json::from_str(&line).map_err(std::io::Error::other)?;
        if op.outcome != Outcome::Ok {
            continue;
        }
        let ids: Vec<Arc<str>> = match op.effect {
            Effect::Write { key: Some(id), .. } => vec![id],
            Effect::Writes { records } => records.into_iter().map(|(id, _)| id).filter(|id| !id.is_empty()).collect(),
            _ => continue,
        };
        for id in ids {
            // A lane ends early only when the run is stopped, which stops the other lanes too.
            if queues[op.process as usize % queues.len()].send((op.process, id)).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}
