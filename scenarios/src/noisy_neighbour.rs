//! One organisation takes what it can: bodies that never arrive, replies that it does not read, searches that it abandons, and imports. The calls of
//! others stay nearly as fast as beside a neighbour that stays inside its plan, and the process stays below its limit of memory. Both are measured in
//! one run, on the same data, one after the other.

mod neighbour;

use futures::future::join;
use harness_core::drive::scenario::{Actor, Scenario, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use mcp_contracts::{Service, env};
use neighbour::Neighbour;
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "noisy-neighbour",
    "an organisation that takes what it can does not slow others down or fill the memory",
    topology,
    |stage| Box::pin(play(stage)),
)
.within(180)
.requires(&["no-lost-writes"])
.on_its_own_processes();

/// Users of other organisations, whose calls are measured.
const USERS: usize = 4;
/// Time before each measurement in which the neighbour begins, and the length of the measurement.
const BEGINNING: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(12);
/// Pause of a user after its three calls, so that it stays inside the burst limit of its plan on a machine of any speed.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest measurement, on a machine that is too slow for enough calls in [`MEASURED`].
const LONGEST: Duration = Duration::from_secs(40);
/// A percentile needs ten calls beyond it, so the 99th needs this many.
const ENOUGH: usize = 1_000;
/// Maximum factor by which the neighbour may slow down the calls of others.
const FACTOR: u32 = 2;
/// Limit of memory of the image.
const MEMORY: u64 = 512 << 20;

fn topology() -> Topology {
    // The burst limit of a plan is a part of what is tested; the daily quota is not.
    Topology::memory().with_setting_everywhere(env::QUOTA_ENTERPRISE_DAILY, 1_000_000_000)
}

/// Calls of others beside a neighbour.
struct Measured {
    /// In increasing order.
    durations: Vec<Duration>,
    failed: Vec<u64>,
    /// True if processes that do not belong to the run used much of the machine.
    crowded: bool,
}

impl Measured {
    fn p99(&self) -> Option<Duration> {
        let at = (self.durations.len() * 99).div_ceil(100).checked_sub(1)?;
        (self.durations.len() >= ENOUGH).then(|| self.durations[at])
    }
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let memory = stage.instances(Service::Memory)[0].clone();
    let neighbour = Neighbour::settle(stage, &memory).await?;
    let mut users: Vec<_> = (0..USERS).map(|number| stage.user("ann", &format!("calm-{number}"))).collect();
    let beside_plan = measure(stage, &mut users, |over| neighbour.inside_its_plan(over)).await;
    let beside_noise = measure(stage, &mut users, |over| neighbour.takes_all(over)).await;

    let failed = [&beside_plan.failed[..], &beside_noise.failed].concat();
    let (expected, details) = ("every call of others succeeds", format!("{} failed", failed.len()));
    if !failed.is_empty() && (beside_plan.crowded || beside_noise.crowded) {
        // A call that exceeds its deadline fails, and other processes may be the reason.
        stage.record_unknown(expected, format!("{details}; other processes used the machine"));
    } else {
        stage.expect(expected, failed.is_empty(), details, &failed);
    }
    compare(stage, &beside_plan, &beside_noise);
    let expected = "the process stays below the memory limit of its image";
    match stage.peak_memory(&memory) {
        Some(bytes) => stage.expect(expected, bytes < MEMORY, format!("{} MiB at its peak", bytes >> 20), &[]),
        None => stage.record_unknown(expected, "its process is not visible"),
    }
    Ok(())
}

/// Measures the calls of others while the neighbour is busy.
async fn measure<N: Future<Output = ()>>(
    stage: &Stage<'_>,
    users: &mut [Actor<'_>],
    neighbour: impl FnOnce(Rc<Cell<bool>>) -> N,
) -> Measured {
    let over = Rc::new(Cell::new(false));
    let (durations, failed, measuring) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()), Cell::new(false));
    let call = async |user: &mut Actor<'_>| {
        let note = json!({ "content": user.private_content("The ledger was slow on Monday") });
        let stored = user.call("store_memory", note).await;
        let read = user.call("get_memory", json!({ "id": stored["id"] })).await;
        let listed = user.call("list_memories", json!({ "limit": 10 })).await;
        for reply in [&stored, &read, &listed] {
            if measuring.get() {
                durations.borrow_mut().push(reply.took());
            }
            if !reply.is_ok() {
                failed.borrow_mut().push(reply.op());
            }
        }
        tokio::time::sleep(PAUSE).await;
    };
    let clock = async {
        tokio::time::sleep(BEGINNING).await;
        measuring.set(true);
        let before = stage.machine();
        let start = Instant::now();
        let is_short = || durations.borrow().len() < ENOUGH && start.elapsed() < LONGEST;
        while start.elapsed() < MEASURED || is_short() {
            tokio::time::sleep(MEASURED / 20).await;
        }
        measuring.set(false);
        over.set(true);
        before.is_some_and(|before| stage.was_machine_busy_since(&before))
    };
    let busy = neighbour(Rc::clone(&over));
    let (crowded, ()) = join(stage.with_background_calls(users, call, clock), busy).await;
    let mut durations = durations.into_inner();
    durations.sort_unstable();
    Measured { durations, failed: failed.into_inner(), crowded }
}

fn compare(stage: &Stage<'_>, plan: &Measured, noise: &Measured) {
    let expected = "the 99th percentile of others is at most twice that beside a neighbour inside its plan";
    let (Some(beside_plan), Some(beside_noise)) = (plan.p99(), noise.p99()) else {
        let why = format!("{} and {} calls; {ENOUGH} are needed", plan.durations.len(), noise.durations.len());
        return stage.record_unknown(expected, why);
    };
    let details = format!("{} ms, and {} ms beside it", beside_plan.as_millis(), beside_noise.as_millis());
    let held = beside_noise <= beside_plan * FACTOR;
    if !held && (plan.crowded || noise.crowded) {
        return stage.record_unknown(expected, format!("{details}; other processes used the machine"));
    }
    stage.expect(expected, held, details, &[]);
}
