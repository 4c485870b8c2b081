//! The final read: every acknowledged write is read back by its writer, and every user walks through everything that it can list, so that
//! duplicates, records that came back, and records that no client wrote show too. The ids come from the history on disk. If there are too many, a random
//! sample of them is read, so that neither memory nor time grows with the number of writes (decision 0045).

use super::operation::TAGS;
use super::operations::service_of;
use crate::drive::FinalWalks;
use crate::plan::history_files;
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
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Maximum time that the final read of a load may take, walks included. Then it ends, and says how many records it has read.
pub const DEADLINE: Duration = Duration::from_secs(240);
/// Number of bytes that one read of the history requests.
const BLOCK_BYTES: usize = 1 << 16;

/// Maximum number of records in the replies of all walks. They take 25 MB of the history, and a few seconds.
const MAX_WALKED: u64 = 200_000;

/// Walks through everything that one user can list, or through the memories with one tag. Returns the number of records in the replies; `None` if
/// the walk did not come to its last page.
pub trait ListWalker {
    /// Returns true if no further user may begin, because the time is over.
    fn is_over(&self) -> bool;

    fn walk(&self, user: usize, tag: Option<&str>) -> impl Future<Output = Option<u64>>;
}

/// Lets every user walk, in an order that the seed chooses. Once the replies have [`MAX_WALKED`] records, no further user begins, so that the
/// users who have walked are a random sample. Returns `None` if the mix has no operation on memories.
pub async fn walk_all(
    walker: &impl ListWalker,
    users: u32,
    mix: &BTreeMap<String, u32>,
    seed: u64,
    workers: usize,
) -> Option<FinalWalks> {
    let calls =
        |service: Service| mix.iter().any(|(name, weight)| *weight > 0 && service_of(name) == Some(service.name()));
    if !calls(Service::Memory) {
        return None;
    }
    // The orchestrator stores memories without a mark for its users. A walk by tag returns only those of the load.
    let by_tag = calls(Service::Orchestrator);
    let tags: Vec<Option<&str>> = if by_tag { TAGS.iter().copied().map(Some).collect() } else { vec![None] };
    Some(walk_by(walker, users, &tags, seed, workers).await)
}

/// Lets every user walk through the memories with each of these tags, or through everything (`None`); see [`walk_all`].
pub async fn walk_by(
    walker: &impl ListWalker,
    users: u32,
    tags: &[Option<&str>],
    seed: u64,
    workers: usize,
) -> FinalWalks {
    let mut order: Vec<usize> = (0..users as usize).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let (next, walked, records) = (AtomicUsize::new(0), AtomicU32::new(0), AtomicU64::new(0));
    let walking = (0..workers).map(|_| async {
        while records.load(Relaxed) < MAX_WALKED
            && !walker.is_over()
            && let Some(user) = order.get(next.fetch_add(1, Relaxed))
        {
            let mut whole = true;
            for tag in tags {
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
    FinalWalks { users, walked: walked.into_inner(), records: records.into_inner() }
}

/// Reads one record as the user with this process number; returns false if it did not read it, to end its worker.
pub trait RecordReader {
    fn read(&mut self, process: u32, id: Arc<str>) -> impl Future<Output = bool>;
}

/// The records that the final read has to read by their ids.
pub struct RecordSample {
    /// Process number of the writer, and id; in an order that the seed chooses.
    records: Vec<(u32, Arc<str>)>,
    /// True if there were more records than could be chosen, so that these are a random sample of all.
    pub is_sample: bool,
}

impl RecordSample {
    /// Number of records.
    pub const fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns true if no write was acknowledged.
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// Chooses the records whose writes were acknowledged, or `most` of them if there are more: those with the lowest hashes. A hash depends on the seed and
/// the id alone, so that every record has the same chance, however often it is in the history.
///
/// # Errors
/// The history cannot be read.
pub fn sample_records(run_dir: &Path, most: u32, seed: u64) -> std::io::Result<RecordSample> {
    let most = most as usize;
    // Two organisations may have a record with the same id.
    let mut lowest: BTreeMap<(u64, Arc<str>, Arc<str>), u32> = BTreeMap::new();
    let mut is_sample = false;
    for_each_write(run_dir, |process, tenant, id| {
        let hash = xxh3_64_with_seed(id.as_bytes(), seed);
        if lowest.len() >= most && lowest.last_key_value().is_none_or(|((highest, ..), _)| hash > *highest) {
            is_sample = true;
            return;
        }
        // The first writer of a record reads it.
        lowest.entry((hash, id, Arc::clone(tenant))).or_insert(process);
        if lowest.len() > most {
            lowest.pop_last();
            is_sample = true;
        }
    })?;
    Ok(RecordSample { records: lowest.into_iter().map(|((_, id, _), process)| (process, id)).collect(), is_sample })
}

/// Reads the records of a sample, each as its writer. All records of a user go to one worker, because the calls of a user never overlap. Returns the number of
/// records that were read: the first ones of an order that the seed chose, so that they are a random sample even if the workers ended early.
pub async fn read_back(sample: RecordSample, workers: Vec<impl RecordReader>) -> u64 {
    let count = workers.len();
    let records = &sample.records;
    let reading = workers.into_iter().enumerate().map(|(number, mut worker)| async move {
        let mut read = 0;
        for (process, id) in records.iter().filter(|(process, _)| *process as usize % count == number) {
            if !worker.read(*process, Arc::clone(id)).await {
                break;
            }
            read += 1;
        }
        read
    });
    futures::future::join_all(reading).await.into_iter().sum()
}

/// Passes on every acknowledged write of the history on disk: the process number of the writer, its organisation, and the id.
fn for_each_write(run_dir: &Path, mut write: impl FnMut(u32, &Arc<str>, Arc<str>)) -> std::io::Result<()> {
    let mut line = String::new();
    for file in history_files::list(run_dir)? {
        let mut lines = BufReader::with_capacity(BLOCK_BYTES, File::open(run_dir.join(file))?);
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
            match op.effect {
                Effect::Write { key: Some(id), .. } => write(op.process, &op.tenant, id),
                Effect::Writes { records } => {
                    let ids = records.into_iter().map(|(id, _)| id).filter(|id| !id.is_empty());
                    ids.for_each(|id| write(op.process, &op.tenant, id));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Arc, BTreeMap, FinalWalks, ListWalker, MAX_WALKED, RecordReader, read_back, sample_records, walk_all};
    use crate::plan::history_files;
    use harness_history::{Effect, ErrorKind, Op, Outcome, Phase, RecordState};
    use std::cell::{Cell, RefCell};

    /// A service whose users list this number of records each; the user with this number never comes to its last page. The time is over after this
    /// number of walks.
    struct Listing(u64, Option<usize>, Cell<u32>, RefCell<Vec<usize>>, usize);

    impl ListWalker for Listing {
        fn is_over(&self) -> bool {
            self.3.borrow().len() >= self.4
        }

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
        let listing = Listing(records, stuck, Cell::default(), RefCell::default(), usize::MAX);
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

    #[tokio::test]
    async fn no_user_begins_a_walk_when_the_time_is_over() {
        let listing = Listing(1, None, Cell::default(), RefCell::default(), 7);
        let mix = BTreeMap::from([("get_memory".to_owned(), 1)]);
        assert_eq!(walk_all(&listing, 50, &mix, 1, 4).await.unwrap().walked, 7);
    }

    fn write(process: u32, ids: &[&str], outcome: Outcome) -> Op {
        let state = || RecordState::of_content(1, None);
        let effect = match ids {
            [id] => Effect::Write { key: Some((*id).into()), value: state(), existing: false },
            ids => Effect::Writes { records: ids.iter().map(|id| ((*id).into(), state())).collect() },
        };
        Op {
            process,
            tenant: "o".into(),
            user: "u".into(),
            workspace: None,
            name: "store_memory".into(),
            phase: Phase::Measured,
            planned_us: None,
            invoke_us: 0,
            complete_us: 1,
            outcome,
            strays: Vec::new(),
            effect,
        }
    }

    /// A history in two files: 200 acknowledged records, of which each is acknowledged twice, and others that are not.
    fn history() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let ids: Vec<String> = (0..200).map(|number| format!("id{number}")).collect();
        let single = ids.iter().zip(0..).map(|(id, process)| write(process, &[id], Outcome::Ok));
        let import: Vec<&str> = ids.iter().map(String::as_str).chain([""]).collect();
        let ops = single.chain([
            write(0, &import, Outcome::Ok),
            write(1, &["refused"], Outcome::Failed(ErrorKind::Quota)),
            write(1, &["open"], Outcome::Unknown(ErrorKind::Timeout)),
        ]);
        let lines: Vec<String> = ops.map(|op| serde_json::to_string(&op).unwrap() + "\n").collect();
        std::fs::write(dir.path().join(history_files::name(1)), lines[..50].concat()).unwrap();
        std::fs::write(dir.path().join(history_files::name(2)), lines[50..].concat()).unwrap();
        dir
    }

    #[test]
    fn records_of_two_organisations_with_one_id_are_both_chosen() {
        let dir = tempfile::tempdir().unwrap();
        let other = Op { tenant: "p".into(), ..write(1, &["same"], Outcome::Ok) };
        let lines = [write(0, &["same"], Outcome::Ok), other].map(|op| serde_json::to_string(&op).unwrap() + "\n");
        std::fs::write(dir.path().join(history_files::name(1)), lines.concat()).unwrap();
        let mut records = sample_records(dir.path(), 10, 1).unwrap().records;
        records.sort_unstable();
        assert_eq!(records, [(0, "same".into()), (1, "same".into())]);
    }

    /// Reads this number of records, and keeps what it read.
    struct Reading<'a>(usize, &'a RefCell<Vec<(u32, Arc<str>)>>);

    impl RecordReader for Reading<'_> {
        async fn read(&mut self, process: u32, id: Arc<str>) -> bool {
            let Some(left) = self.0.checked_sub(1) else { return false };
            self.0 = left;
            self.1.borrow_mut().push((process, id));
            true
        }
    }

    #[tokio::test]
    async fn every_acknowledged_record_is_read_once_by_its_first_writer() {
        let dir = history();
        for most in [200, 1_000] {
            let sample = sample_records(dir.path(), most, 7).unwrap();
            assert_eq!((sample.len(), sample.is_sample), (200, false));
            let read = RefCell::default();
            assert_eq!(read_back(sample, (0..3).map(|_| Reading(1_000, &read)).collect()).await, 200);
            let mut read = read.into_inner();
            read.sort();
            assert!(
                read.iter().zip(0..).all(|((process, id), number)| *process == number && **id == format!("id{number}"))
            );
        }
    }

    #[tokio::test]
    async fn of_too_many_records_a_sample_is_read_that_the_seed_chooses() {
        let dir = history();
        let sample = |seed| sample_records(dir.path(), 50, seed).unwrap();
        assert_eq!((sample(1).len(), sample(1).is_sample), (50, true));
        assert_eq!(sample(1).records, sample(1).records, "a seed repeats it");
        assert_ne!(sample(1).records, sample(2).records);
        // Each record has the same chance: over 400 seeds each is chosen 100 times, plus or minus six standard deviations.
        let mut times: BTreeMap<Arc<str>, u32> = BTreeMap::new();
        for (_, id) in (0..400).flat_map(|seed| sample(seed).records) {
            *times.entry(id).or_default() += 1;
        }
        assert!(times.len() == 200 && times.values().all(|times| (48..=152).contains(times)), "{times:?}");
        let read = RefCell::default();
        assert_eq!(read_back(sample(1), vec![Reading(10, &read)]).await, 10, "a lane that ended early");
        assert_eq!(read.into_inner(), sample(1).records[..10]);
    }
}
