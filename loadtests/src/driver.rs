//! The driver: the state that all users of one drive share. [`Driver::next_call`] waits until the next call of a user is due,
//! then makes, counts and records the call. Calls before and after the load are *quiet*: they follow no schedule.

use crate::error::DriveError;
use crate::handshakes::HandshakeTally;
use crate::usage::Usage;
use harness_core::drive::client::{ClientOptions, Endpoint};
use harness_core::drive::token::{Grant, Minter};
use harness_core::drive::traffic::clock::{Clock as _, RealClock, sleep_until};
use harness_core::drive::traffic::directory::{Identity, users_of_load, users_of_target};
use harness_core::drive::traffic::final_read;
use harness_core::drive::traffic::mix::Mix;
use harness_core::drive::traffic::pace::{CallTiming, Pace, UnscheduledPace, Window};
use harness_core::drive::traffic::rotation::Rotation;
use harness_core::drive::traffic::tally::Tally;
use harness_core::drive::traffic::user::{DueCall, TrafficContext, User};
use harness_core::drive::{Assignment, DriverReport, FinalWalks};
use harness_core::observe::record::Recorder;
use harness_core::plan::target::TARGET;
use harness_core::stack::view::Progress;
use harness_history::experiment::Span;
use harness_history::{Effect, Op, Outcome, Phase};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{Barrier, Mutex};
use tokio_util::sync::CancellationToken;

/// Time from the start of the last user to the first planned arrival, in microseconds. Without it, the first arrivals
/// would be sent late.
const LEAD_US: u64 = 5_000;

/// The instances of a service: name and endpoint of each.
type Instances = Vec<(String, Arc<Endpoint>)>;

/// Returns the instances by the names of the services.
fn endpoints(assignment: &Assignment) -> Result<BTreeMap<String, Instances>, DriveError> {
    if let Some(access) = &assignment.target {
        return Ok(BTreeMap::from([(TARGET.to_owned(), vec![(TARGET.to_owned(), Arc::new(access.endpoint()?))])]));
    }
    let mut services: BTreeMap<String, Instances> = BTreeMap::new();
    for (name, url) in &assignment.endpoints {
        let endpoint: Endpoint = url.parse()?;
        services.entry(service_of(name).to_owned()).or_default().push((name.clone(), Arc::new(endpoint)));
    }
    Ok(services)
}

/// Returns the service of an instance: `memory` of `memory` and of `memory-2`.
fn service_of(instance: &str) -> &str {
    match instance.rsplit_once('-') {
        Some((service, number)) if number.parse::<u32>().is_ok() => service,
        Some(_) | None => instance,
    }
}

/// Returns the name of the run, which is that of its directory.
fn run_name(assignment: &Assignment) -> String {
    assignment.run_dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn users(
    assignment: &Assignment,
    identities: Vec<Identity>,
    context: &TrafficContext,
) -> Result<Vec<User>, DriveError> {
    let numbered = identities.into_iter().zip(0..);
    let Some(access) = &assignment.target else {
        let user = |(identity, index): (Identity, u64)| {
            let mut grant = Grant::everything(&*identity.tenant, &*identity.user);
            if let Some(workspace) = &identity.workspace {
                workspace.as_ref().clone_into(&mut grant.workspace);
            }
            User::new(identity, grant, index, context)
        };
        return Ok(numbered.map(user).collect());
    };
    let bearers = access.bearers()?;
    let user = |(identity, index): (Identity, u64)| {
        let bearer = bearers[identity.organisation % bearers.len()].clone();
        User::of_target(identity, bearer, index, context)
    };
    Ok(numbered.map(user).collect())
}

/// One drive, shared by all its users.
pub(crate) struct Driver {
    pub(crate) assignment: Assignment,
    pub(crate) stop: CancellationToken,
    context: TrafficContext,
    users: Vec<Mutex<User>>,
    endpoints: BTreeMap<String, Instances>,
    rotation: Rotation,
    minter: Minter,
    clock: RealClock,
    recorder: Recorder,
    tally: Tally,
    /// Lets the users and the task that measures begin at the same time.
    all_ready: Barrier,
    plan: OnceLock<DrivePlan>,
    /// The pace of the unscheduled calls.
    unscheduled: UnscheduledPace,
    /// Number of unscheduled calls that are still to be made.
    unscheduled_left: AtomicU64,
    acknowledged: AtomicU64,
    transactions: OnceLock<u64>,
    problems: parking_lot::Mutex<Vec<String>>,
    final_walks: OnceLock<FinalWalks>,
    final_sample: OnceLock<u64>,
    /// When the final read began, on the run's clock.
    final_from_us: OnceLock<u64>,
    handshakes: parking_lot::Mutex<HandshakeTally>,
}

/// The phases of a drive, and who calls when.
struct DrivePlan {
    window: Window,
    pace: Pace,
    /// The pace of the additional users, whose numbers follow those of the users of the model.
    beside: Option<Pace>,
}

/// The measured phase, and the CPU time of this process in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    from_us: u64,
    until_us: u64,
    cpu_us: u64,
}

impl Driver {
    /// Prepares the users without making a call. `seeds` is the number of memories that they store before the load.
    pub(crate) fn new(assignment: Assignment, seeds: u64, stop: CancellationToken) -> Result<Self, DriveError> {
        let workload = &assignment.workload;
        let mix = Mix::new(assignment.seed, &workload.mix, &workload.operations);
        let endpoints = endpoints(&assignment)?;
        if let Some(missing) = mix.services().find(|service| !endpoints.contains_key(*service)) {
            return Err(DriveError::NoEndpoint(missing.to_owned()));
        }
        let (deadline, epoch_us) = (workload.call_deadline, assignment.epoch_us);
        let options = ClientOptions { deadline, epoch_us, ..ClientOptions::default() };
        let identities = match &assignment.target {
            None => users_of_load(assignment.seed, workload.all_users(), workload.organisations),
            Some(_) => users_of_target(&run_name(&assignment), workload.all_users(), workload.organisations),
        };
        let context = TrafficContext::new(mix, &identities, seeds, options);
        let users: Vec<_> = users(&assignment, identities, &context)?.into_iter().map(Mutex::new).collect();
        Ok(Self {
            stop,
            // One more than the users, for the task that measures.
            all_ready: Barrier::new(users.len() + 1),
            users,
            context,
            endpoints,
            rotation: Rotation::of_seed(assignment.seed),
            minter: Minter::new(&assignment.jwt_secret),
            clock: RealClock::start(assignment.epoch_us),
            recorder: Recorder::create(&assignment.run_dir)?,
            tally: Tally::default(),
            plan: OnceLock::new(),
            unscheduled: UnscheduledPace::new(
                assignment.target.as_ref().and_then(|target| target.unscheduled_per_second),
            ),
            unscheduled_left: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            transactions: OnceLock::new(),
            problems: parking_lot::Mutex::default(),
            final_walks: OnceLock::new(),
            final_sample: OnceLock::new(),
            final_from_us: OnceLock::new(),
            handshakes: parking_lot::Mutex::default(),
            assignment,
        })
    }

    /// Waits until every user has started, or the run is stopped. Then counts the user as running.
    pub(crate) async fn begin(&self) {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            _ = self.all_ready.wait() => drop(self.plan()),
        }
        self.tally.user_starts();
    }

    pub(crate) fn user_ends(&self) {
        self.tally.user_ends();
    }

    /// Returns the phases and the paces. The first call sets them; the load begins [`LEAD_US`] after it.
    fn plan(&self) -> &DrivePlan {
        self.plan.get_or_init(|| {
            let workload = &self.assignment.workload;
            let window = Window::new(workload, self.clock.now_us() + LEAD_US);
            let pace = Pace::new(workload, window, self.stop.clone());
            DrivePlan { window, pace, beside: Pace::beside(workload, window, self.stop.clone()) }
        })
    }

    /// Waits for the next call of a user and makes it; returns false when the load is over.
    pub(crate) async fn next_call(&self, user_number: usize) -> bool {
        let Some(plan) = self.plan.get() else { return false };
        let is_additional = user_number >= self.assignment.workload.users as usize;
        let pace = plan.beside.as_ref().filter(|_| is_additional).unwrap_or(&plan.pace);
        // This lock never waits, because one user of goose makes all calls of this user.
        let mut user = self.users[user_number].lock().await;
        match user.next(&self.context, pace, &self.clock).await {
            Some(due) => self.make(&mut user, due).await,
            None => false,
        }
    }

    /// Stores record `number` before the load.
    pub(crate) async fn store_unscheduled(&self, user_number: usize, number: u64) {
        self.await_unscheduled_turn().await;
        let mut user = self.users[user_number].lock().await;
        let due = user.seed(&self.context, number, CallTiming::unscheduled(Phase::Setup));
        self.call_unscheduled(&mut user, due).await;
    }

    /// Reads one record after the load, as its writer.
    pub(crate) async fn read_unscheduled(&self, user_number: usize, id: &str) {
        self.await_unscheduled_turn().await;
        let mut user = self.users[user_number].lock().await;
        let due = user.read(&self.context, id, CallTiming::unscheduled(Phase::Final));
        self.call_unscheduled(&mut user, due).await;
    }

    /// Lists, page by page, all memories that one user can see, or those with one tag. Returns the number of records in the replies, or `None` if the
    /// last page was not reached.
    pub(crate) async fn walk_unscheduled(&self, user_number: usize, tag: Option<&str>) -> Option<u64> {
        let mut user = self.users[user_number].lock().await;
        let timing = CallTiming::unscheduled(Phase::Final);
        let (mut next, mut records) = (Some(user.walk(&self.context, tag, timing)), 0);
        while let Some(due) = next {
            self.await_unscheduled_turn().await;
            if self.stop.is_cancelled() {
                return None;
            }
            let op = self.call(&mut user, due).await?;
            records += op.effect.returned().count() as u64;
            next = user.follow_up(timing);
            let is_last = matches!(&op.effect, Effect::Scan { query: Some(query), .. } if !query.more);
            if next.is_none() && !is_last {
                return None;
            }
        }
        Some(records)
    }

    /// Closes the sessions of a user after its last call.
    pub(crate) async fn end_session(&self, user_number: usize) {
        self.await_unscheduled_turn().await;
        self.users[user_number].lock().await.end().await;
    }

    /// Waits until the next quiet call may be sent, or the run is stopped.
    async fn await_unscheduled_turn(&self) {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = self.unscheduled.wait(&self.clock) => {}
        }
    }

    /// Starts the time of the final read.
    pub(crate) fn begin_final_read(&self) {
        let _ = self.final_from_us.set(self.clock.now_us());
    }

    /// Returns true if no further record may be read by its id. A quarter of the time is for the walks.
    pub(crate) fn is_reading_over(&self) -> bool {
        self.final_read_us() >= final_read::DEADLINE.as_micros() as u64 / 4 * 3
    }

    pub(crate) fn is_final_read_over(&self) -> bool {
        self.final_read_us() >= final_read::DEADLINE.as_micros() as u64
    }

    fn final_read_us(&self) -> u64 {
        self.final_from_us.get().map_or(0, |from_us| self.clock.now_us().saturating_sub(*from_us))
    }

    /// Stores the number of records that were read, if they are a sample of all.
    pub(crate) fn note_sample(&self, read: u64) {
        let _ = self.final_sample.set(read);
    }

    pub(crate) fn note_walks(&self, walks: FinalWalks) {
        let _ = self.final_walks.set(walks);
    }

    async fn call_unscheduled(&self, user: &mut User, due: DueCall) {
        if self.make(user, due).await {
            self.unscheduled_left.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Does the same as [`Driver::call`], but returns only true, or false if the user has no token.
    async fn make(&self, user: &mut User, due: DueCall) -> bool {
        self.call(user, due).await.is_some()
    }

    /// Makes, counts and records one call. Returns `None` if the user has no token.
    async fn call(&self, user: &mut User, due: DueCall) -> Option<Op> {
        if let Err(error) = user.refresh(&self.minter) {
            self.give_up(error.to_string());
            return None;
        }
        let timing = due.timing;
        let instance = self.endpoints.get(due.service()).and_then(|all| all.get(self.rotation.next(all.len())));
        let instance = instance.map(|(name, endpoint)| (name.as_str(), endpoint));
        self.tally.begin();
        let op = user.send(&self.context, instance, due).await;
        if self.assignment.target.is_some() {
            let mut handshakes = self.handshakes.lock();
            user.take_handshakes().for_each(|handshake| handshakes.add(&handshake));
        }
        self.finish(&op, timing.send_lag_us(op.invoke_us));
        Some(op)
    }

    fn finish(&self, op: &Op, send_lag_us: Option<u64>) {
        let acknowledged = match (&op.outcome, &op.effect) {
            (Outcome::Ok, Effect::Write { key: Some(_), .. }) => 1,
            (Outcome::Ok, Effect::Writes { records }) => records.len() as u64,
            _ => 0,
        };
        self.acknowledged.fetch_add(acknowledged, Ordering::Relaxed);
        self.tally.end(op, send_lag_us);
        self.recorder.record(op);
    }

    /// Returns the number of writes acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Sets the number of unscheduled calls that follow. The remaining time is estimated from it.
    pub(crate) fn expect(&self, calls: u64) {
        self.unscheduled_left.store(calls, Ordering::Relaxed);
    }

    /// Stores the number of calls that goose counted.
    pub(crate) fn note_transactions(&self, transactions: u64) {
        let _ = self.transactions.set(transactions);
    }

    /// Waits until everything recorded so far is written. If a write failed, stops the run with the reason and returns
    /// false.
    pub(crate) fn flushed(&self) -> bool {
        self.recorder.flush().map_err(|error| self.give_up(error.to_string())).is_ok()
    }

    /// Records the reason why the run cannot be judged, and stops the run.
    pub(crate) fn give_up(&self, problem: String) {
        let mut problems = self.problems.lock();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
        self.stop.cancel();
    }

    /// Waits for the measured phase, and measures the CPU time of this process in it.
    pub(crate) async fn meter(&self) -> Measured {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return Measured::default(),
            _ = self.all_ready.wait() => {}
        }
        let window = self.plan().window;
        self.until(window.measured_from_us).await;
        let (from_us, before) = (self.clock.now_us().min(window.measured_from_us), Usage::now());
        self.until(window.until_us).await;
        let until_us = self.clock.now_us().min(window.until_us);
        Measured { from_us, until_us, cpu_us: Usage::now().cpu_us - before.cpu_us }
    }

    async fn until(&self, at_us: u64) {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = sleep_until(&self.clock, at_us) => {}
        }
    }

    /// Returns the progress of the drive. Also sends the recorded operations to the writer, and stops the run if
    /// writing has failed.
    pub(crate) fn progress(&self) -> Progress {
        self.recorder.hand_over();
        if let Some(failure) = self.recorder.failure() {
            self.give_up(failure.to_string());
        }
        let now_us = self.clock.now_us();
        let mut progress = self.tally.progress(now_us);
        progress.left_us = match (progress.phase, self.plan.get()) {
            (Phase::Warmup, Some(DrivePlan { window, .. })) => window.measured_from_us.saturating_sub(now_us),
            (Phase::Measured, Some(DrivePlan { window, .. })) => window.until_us.saturating_sub(now_us),
            // An estimate, which assumes that the unscheduled calls continue at the rate of the last second.
            _ => self.unscheduled_left.load(Ordering::Relaxed).saturating_mul(1_000_000) / progress.calls.max(1),
        };
        progress
    }

    pub(crate) fn is_measuring(&self) -> bool {
        let now_us = self.clock.now_us();
        self.plan
            .get()
            .is_some_and(|DrivePlan { window, .. }| (window.measured_from_us..window.until_us).contains(&now_us))
    }

    pub(crate) fn report(&self, measured: Measured, cpu_peak: f64, stalls: Vec<Span>) -> DriverReport {
        let problems = self.problems.lock().clone();
        let mean = measured.cpu_us as f64 / (measured.until_us - measured.from_us).max(1) as f64;
        let planned_arrivals =
            self.plan.get().and_then(|plan| plan.beside.as_ref().unwrap_or(&plan.pace).planned_arrivals());
        DriverReport {
            measured_from_us: measured.from_us,
            measured_until_us: measured.until_us,
            calls: self.tally.measured_calls(),
            planned_arrivals,
            arrivals: planned_arrivals.map(|_| self.tally.measured_arrivals()),
            transactions: self.transactions.get().copied(),
            send_lag_us_p50: self.tally.send_lag_us(50.0),
            send_lag_us_p99: self.tally.send_lag_us(99.0),
            cpu_us: measured.cpu_us,
            // The peak is sampled once a second, so a short measured phase may have no sample. The peak is at least the mean.
            cpu_peak: (cpu_peak.max(mean) * 1e3).round() / 1e3,
            rss_peak_bytes: Usage::now().rss_peak_bytes,
            users_peak: self.tally.peak(),
            final_walks: self.final_walks.get().copied(),
            final_sample: self.final_sample.get().copied(),
            handshakes: self.assignment.target.is_some().then(|| self.handshakes.lock().figures()),
            stalls,
            // `give_up` cancels `stop` as well. If there is a problem, it ended the run, and not a signal.
            interrupted: self.stop.is_cancelled() && problems.is_empty(),
            problems,
        }
    }
}
