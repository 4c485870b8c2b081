//! The final read: every acknowledged write is read back by its writer, and every user walks through everything that it can list, so that
//! duplicates, records that came back, and records that no client wrote show too. The ids come from the history on disk, so that memory does not
//! grow with the number of writes.

use super::operation::TAGS;
use super::operations::service_of;
use crate::drive::FinalWalks;
use crate::plan::run_dir::HISTORY;
use harness_history::{Effect, Op, Outcome};
use mcp_contracts::Service;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
use tokio::sync::mpsc;

/// Maximum number of reads that wait for one lane.
// The history is read only as fast as its records can be requested, so that its ids do not collect in memory.
const LANE_QUEUE: usize = 256;

/// Maximum number of records in the replies of all walks. They take 25 MB of the history, and a few seconds.
const MAX_WALKED: u64 = 200_000;

/// Walks through everything that one user can list, or through the memories with one tag. Returns the number of records in the replies; `None` if
/// the walk did not come to its last page.
pub trait Walk {
    fn walk(&self, user: usize, tag: Option<&str>) -> impl Future<Output = Option<u64>>;
}

/// Lets every user walk, in an order that the seed chooses. Once the replies have [`MAX_WALKED`] records, no further user begins, so that the
/// users who have walked are a random sample. Returns `None` if the mix has no operation on memories.
pub async fn walk_all(
    walker: &impl Walk,
    users: u32,
    mix: &BTreeMap<String, u32>,
    seed: u64,
    lanes: usize,
) -> Option<FinalWalks> {
    let calls =
        |service: Service| mix.iter().any(|(name, weight)| *weight > 0 && service_of(name) == Some(service.name()));
    if !calls(Service::Memory) {
        return None;
    }
    // The orchestrator stores memories without a mark for its users. A walk by tag returns only those of the load.
    let by_tag = calls(Service::Orchestrator);
    let tags: Vec<Option<&str>> = if by_tag { TAGS.iter().copied().map(Some).collect() } else { vec![None] };
    let mut order: Vec<usize> = (0..users as usize).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let (next, walked, records) = (AtomicUsize::new(0), AtomicU32::new(0), AtomicU64::new(0));
    let walking = (0..lanes).map(|_| async {
        while records.load(Relaxed) < MAX_WALKED
            && let Some(user) = order.get(next.fetch_add(1, Relaxed))
        {
            let mut whole = true;
            for tag in &tags {
                match walker.walk(*user, *tag).await {
                    Some(listed) => {
                        records.fetch_add(listed, Relaxed);
                    }
                    None => whole = false,
                }
            }
            walked.fetch_add(u32::from(whole), Relaxed);
        }
    });
    futures::future::join_all(walking).await;
    Some(FinalWalks { users, walked: walked.into_inner(), records: records.into_inner() })
}

/// Reads one record as the user with this process number; returns false to end its lane.
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

#[cfg(test)]
mod tests {
    use super::{BTreeMap, FinalWalks, MAX_WALKED, Walk, walk_all};
    use std::cell::{Cell, RefCell};

    /// A service whose users list this number of records each; the user with this number never comes to its last page.
    struct Listing(u64, Option<usize>, Cell<u32>, RefCell<Vec<usize>>);

    impl Walk for Listing {
        async fn walk(&self, user: usize, tag: Option<&str>) -> Option<u64> {
            self.2.set(self.2.get() + u32::from(tag.is_some()));
            self.3.borrow_mut().push(user);
            (self.1 != Some(user)).then_some(self.0)
        }
    }

    async fn walks(
        records: u64,
        stuck: Option<usize>,
        seed: u64,
        mix: &[&str],
    ) -> (Option<FinalWalks>, u32, Vec<usize>) {
        let listing = Listing(records, stuck, Cell::default(), RefCell::default());
        let mix: BTreeMap<_, _> = mix.iter().map(|name| ((*name).to_owned(), 1)).collect();
        let walks = walk_all(&listing, 50, &mix, seed, 4).await;
        (walks, listing.2.get(), listing.3.into_inner())
    }

    #[tokio::test]
    async fn every_user_walks_unless_there_is_too_much_and_then_a_sample_does() {
        let walked = |walks: &(Option<FinalWalks>, u32, Vec<usize>)| walks.0.unwrap().walked;
        assert_eq!(walked(&walks(10, None, 1, &["get_memory"]).await), 50);
        assert_eq!(walked(&walks(10, Some(7), 1, &["get_memory"]).await), 49, "a walk without an end is not whole");
        let sample = walks(MAX_WALKED / 10, None, 1, &["get_memory"]).await;
        assert!((10..=13).contains(&walked(&sample)), "{sample:?}");
        assert_eq!(sample.2, walks(MAX_WALKED / 10, None, 1, &["get_memory"]).await.2, "a seed repeats it");
        assert_ne!(sample.2, walks(MAX_WALKED / 10, None, 2, &["get_memory"]).await.2);
    }

    #[tokio::test]
    async fn beside_workflows_users_walk_by_tag_and_without_memories_not_at_all() {
        assert_eq!(walks(1, None, 1, &["get_memory"]).await.1, 0);
        assert_eq!(walks(1, None, 1, &["get_memory", "run_workflow"]).await.1, 500);
        assert_eq!(walks(1, None, 1, &["scan_text"]).await.0, None);
    }
}
