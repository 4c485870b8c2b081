//! The quiet calls around the load, which are not measured: storing memories before it, reading every write back after it, and walking through
//! everything that users can list.

use crate::driver::Driver;
use harness_core::drive::Assignment;
use harness_core::drive::traffic::final_read::{self, ListWalker, RecordReader};
use harness_core::drive::traffic::operations::service_of;
use harness_core::plan::operation::OperationData;
use harness_core::plan::workload::Workload;
use mcp_contracts::Service;
use std::sync::Arc;
use std::time::Duration;

/// Deadline for closing all sessions after a load.
const END_DEADLINE: Duration = Duration::from_secs(10);

/// Returns the number of memories that each user stores before the load, so that every organisation has the number of the workload. Every user
/// stores at least one, unless the workload has no operation on memories.
pub(crate) fn shares(workload: &Workload) -> Vec<u32> {
    let (users, organisations, seed_memories) = (workload.all_users(), workload.organisations, workload.seed_memories);
    if !writes_records(workload) {
        return vec![0; users as usize];
    }
    let share = |user_number: u32| {
        let (organisation, rank) = (user_number % organisations, user_number / organisations);
        let mates = (users - organisation).div_ceil(organisations);
        (seed_memories / mates + u32::from(rank < seed_memories % mates)).max(1)
    };
    (0..users).map(share).collect()
}

fn writes_records(workload: &Workload) -> bool {
    if workload.is_on_target() {
        return workload.operations.iter().any(OperationData::creates);
    }
    let mut weighted = workload.mix.iter().filter(|(_, weight)| **weight > 0);
    weighted.any(|(name, _)| service_of(name) == Some(Service::Memory.name()))
}

/// Stores the memories of every user, with at most [`workers`] calls at a time.
pub(crate) async fn seed(driver: &Driver, shares: &[u32]) {
    driver.expect(shares.iter().map(|share| u64::from(*share)).sum());
    // Each memory has its own number, because its content is derived from the number.
    let firsts = shares.iter().scan(0, |next, share| {
        *next += u64::from(*share);
        Some(*next - u64::from(*share))
    });
    let users: Vec<(usize, u64, u32)> =
        firsts.zip(shares).enumerate().map(|(user, (first, share))| (user, first, *share)).collect();
    let workers = workers(driver);
    let storing = (0..workers).map(|worker| {
        let users = users.iter().skip(worker).step_by(workers);
        async move {
            for (user_number, first, share) in users {
                for number in *first..first + u64::from(*share) {
                    if driver.stop.is_cancelled() {
                        return;
                    }
                    driver.store_unscheduled(*user_number, number).await;
                }
            }
        }
    });
    futures::future::join_all(storing).await;
}

/// Reads every acknowledged write of the history back, each by its writer, or a sample of them if there are too many.
///
/// # Errors
/// The history cannot be read.
pub(crate) async fn read_back(driver: &Driver) -> std::io::Result<()> {
    let Assignment { workload, seed, run_dir, .. } = &driver.assignment;
    // Without an operation that reads, no record of a target can be read back, and the judgement says so.
    if workload.is_on_target() && !workload.operations.iter().any(OperationData::reads_any) {
        return Ok(());
    }
    driver.expect(u64::from(workload.final_read_records).min(driver.acknowledged()));
    driver.begin_final_read();
    let sample = final_read::sample_records(run_dir, workload.final_read_records, *seed)?;
    let (all, is_sample) = (sample.len() as u64, sample.is_sample);
    let read = final_read::read_back(sample, (0..workers(driver)).map(|_| ReadBackWorker(driver)).collect()).await;
    if is_sample || read < all {
        driver.note_sample(read);
    }
    Ok(())
}

/// Lets every user walk through everything that it can list, or a sample of the users if that is too much.
pub(crate) async fn walk(driver: &Driver) {
    let Assignment { workload, seed, .. } = &driver.assignment;
    driver.expect(0);
    if workload.is_on_target() {
        if workload.operations.iter().any(|operation| operation.lists.is_some()) {
            driver.note_walks(final_read::walk_by(driver, workload.all_users(), &[None], *seed, workers(driver)).await);
        }
        return;
    }
    if let Some(walks) = final_read::walk_all(driver, workload.all_users(), &workload.mix, *seed, workers(driver)).await
    {
        driver.note_walks(walks);
    }
}

/// Closes the session of every user with a target.
pub(crate) async fn end_sessions(driver: &Driver) {
    let Assignment { workload, target, .. } = &driver.assignment;
    if target.is_none() {
        return;
    }
    let workers = workers(driver);
    let ending = (0..workers).map(|worker| async move {
        for user in (worker..workload.all_users() as usize).step_by(workers) {
            driver.end_session(user).await;
        }
    });
    // The server closes what is left when it expires.
    let _ = tokio::time::timeout(END_DEADLINE, futures::future::join_all(ending)).await;
}

impl ListWalker for Driver {
    fn is_over(&self) -> bool {
        self.is_final_read_over()
    }

    async fn walk(&self, user: usize, tag: Option<&str>) -> Option<u64> {
        self.walk_unscheduled(user, tag).await
    }
}

struct ReadBackWorker<'a>(&'a Driver);

impl RecordReader for ReadBackWorker<'_> {
    async fn read(&mut self, user_number: u32, id: Arc<str>) -> bool {
        if self.0.stop.is_cancelled() || self.0.is_reading_over() {
            return false;
        }
        self.0.read_unscheduled(user_number as usize, &id).await;
        true
    }
}

fn workers(driver: &Driver) -> usize {
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
        let mut workload = workload("memory-classic", &overrides).unwrap();
        for seeds in [50, 7, 0] {
            workload.seed_memories = seeds;
            let shares = shares(&workload);
            for organisation in 0..5 {
                let mine: Vec<u32> = shares.iter().copied().skip(organisation).step_by(5).collect();
                assert!(mine.iter().all(|share| *share >= 1));
                assert_eq!(mine.iter().sum::<u32>(), seeds.max(mine.len() as u32), "{mine:?}");
            }
        }
        workload.mix = [("check_guardrails".to_owned(), 1)].into();
        assert_eq!(shares(&workload), vec![0; 23]);
    }
}
