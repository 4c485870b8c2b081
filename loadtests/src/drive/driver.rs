//! What the users of one drive share, and how one call of one user is paced, made, counted and recorded.

use super::DriveError;
use crate::clock::{Clock as _, RealClock, sleep_until};
use crate::content::Corpus;
use crate::directory::Directory;
use crate::memory::{Operation, User, When, World};
use crate::pace::{After, Pace, Window};
use crate::tally::Tally;
use crate::usage::Usage;
use harness_core::drive::client::{Client, ClientOptions, Endpoint};
use harness_core::drive::token::Minter;
use harness_core::drive::{Assignment, DriverReport};
use harness_core::observe::record::Recorder;
use harness_core::stack::view::Progress;
use harness_history::{Effect, ErrorKind, Op, Outcome, Phase};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use tokio::sync::{Barrier, Mutex};
use tokio_util::sync::CancellationToken;

/// From the last user's start to the first planned arrival, in microseconds.
const LEAD_US: u64 = 5_000;

/// Everything the users of one drive work with.
pub(crate) struct Driver {
    pub(crate) assignment: Assignment,
    pub(crate) stop: CancellationToken,
    world: World,
    users: Vec<Mutex<User>>,
    clock: RealClock,
    recorder: Recorder,
    tally: Tally,
    /// Users, and the one who measures, begin together.
    gate: Barrier,
    plan: OnceLock<(Window, Arc<Pace>)>,
    quiet_left: AtomicU64,
    acknowledged: AtomicU64,
    problems: std::sync::Mutex<Vec<String>>,
}

/// The measured phase and what it cost this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Measured {
    from_us: u64,
    until_us: u64,
    cpu_us: u64,
}

impl Driver {
    /// Gets everyone ready; nothing is called yet.
    pub(super) fn new(assignment: Assignment, stop: CancellationToken) -> Result<Self, DriveError> {
        let workload = &assignment.workload;
        let endpoint = Arc::new(endpoint(&assignment)?.parse::<Endpoint>()?);
        let options = ClientOptions {
            deadline: workload.call_deadline,
            epoch_us: assignment.epoch_us,
            ..ClientOptions::default()
        };
        let directory = Directory::new(assignment.seed, workload.users, workload.organisations);
        let user = |identity: &_| {
            let client = Client::new(Arc::clone(&endpoint), options);
            Mutex::new(User::new(Clone::clone(identity), client, assignment.seed))
        };
        let users: Vec<_> = directory.identities().iter().map(user).collect();
        let minter = Minter::new(&assignment.jwt_secret);
        Ok(Self {
            stop,
            world: World::new(directory, Corpus::built_in(), minter, &workload.mix),
            gate: Barrier::new(users.len() + 1),
            users,
            clock: RealClock::start(assignment.epoch_us),
            recorder: Recorder::create(&assignment.run_dir)?,
            tally: Tally::default(),
            plan: OnceLock::new(),
            quiet_left: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            problems: std::sync::Mutex::default(),
            assignment,
        })
    }

    /// One more user is there; waits for all of them. `None` where the run was stopped meanwhile.
    pub(crate) async fn begin(&self) -> Option<Arc<Pace>> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return None,
            _ = self.gate.wait() => {}
        }
        self.tally.user_starts();
        Some(Arc::clone(&self.plan().1))
    }

    /// One user is done.
    pub(crate) fn end(&self) {
        self.tally.user_ends();
    }

    /// Whoever comes first lays the phases out.
    fn plan(&self) -> &(Window, Arc<Pace>) {
        self.plan.get_or_init(|| {
            let workload = &self.assignment.workload;
            let window = Window::new(workload, self.clock.now_us() + LEAD_US);
            (window, Arc::new(Pace::new(workload, window, self.stop.clone())))
        })
    }

    /// Waits for the next turn of a user and makes its call; `None` when the load is over.
    pub(crate) async fn turn(&self, process: usize, pace: &Pace, last: Option<&Op>) -> Option<Op> {
        let mut user = self.users[process].lock().await;
        let after = match last.map(|op| &op.outcome) {
            None => After::Start(user.share()),
            Some(Outcome::Failed(ErrorKind::Connect)) => After::NoConnection,
            Some(_) => After::Call,
        };
        let turn = pace.next(&self.clock, after).await?;
        if !self.refreshed(&mut user) {
            return None;
        }
        let operation = user.choose(&self.world);
        self.tally.begin();
        let when = When { phase: turn.phase, planned_us: turn.planned_us };
        let op = user.perform(&self.world, operation, when).await;
        self.finish(&op, turn.send_lag_us(op.invoke_us));
        Some(op)
    }

    /// Stores one memory before the load.
    pub(crate) async fn store_quietly(&self, process: usize) {
        let mut user = self.users[process].lock().await;
        if self.refreshed(&mut user) {
            self.tally.begin();
            let when = When { phase: Phase::Setup, planned_us: None };
            let op = user.perform(&self.world, Operation::Store, when).await;
            self.finish(&op, None);
            self.quiet_left.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Reads one memory after the load, as its writer.
    pub(crate) async fn read_quietly(&self, process: usize, key: Arc<str>) {
        let mut user = self.users[process].lock().await;
        if self.refreshed(&mut user) {
            self.tally.begin();
            let when = When { phase: Phase::Final, planned_us: None };
            let op = user.read(&self.world, Operation::Get, key, when).await;
            self.finish(&op, None);
            self.quiet_left.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn refreshed(&self, user: &mut User) -> bool {
        let refreshed = user.refresh(&self.world, self.clock.now_us());
        if let Err(error) = &refreshed {
            self.give_up(error.to_string());
        }
        refreshed.is_ok()
    }

    fn finish(&self, op: &Op, send_lag_us: Option<u64>) {
        if matches!((&op.outcome, &op.effect), (Outcome::Ok, Effect::Write { key: Some(_), .. })) {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        self.tally.end(op, send_lag_us);
        self.recorder.record(op);
    }

    /// Writes acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// So many quiet calls follow; only for the time left.
    pub(crate) fn expect(&self, calls: u64) {
        self.quiet_left.store(calls, Ordering::Relaxed);
    }

    /// Everything recorded so far is on disk afterwards; false, and the reason is noted, where it cannot be.
    pub(super) fn flushed(&self) -> bool {
        self.recorder.flush().map_err(|error| self.give_up(error.to_string())).is_ok()
    }

    /// Notes why the run cannot be judged, and ends it.
    pub(crate) fn give_up(&self, problem: String) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if !problems.contains(&problem) {
            problems.push(problem);
        }
        self.stop.cancel();
    }

    /// Waits for the measured phase and measures what it costs this process.
    pub(super) async fn meter(&self) -> Measured {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return Measured::default(),
            _ = self.gate.wait() => {}
        }
        let window = self.plan().0;
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

    /// How it goes; also hands what was recorded to the disk, and ends the run where that fails.
    pub(super) fn progress(&self) -> Progress {
        self.recorder.hand_over();
        if let Some(failure) = self.recorder.failure() {
            self.give_up(failure.to_string());
        }
        let now_us = self.clock.now_us();
        let mut progress = self.tally.progress(now_us);
        progress.left_us = match (progress.phase, self.plan.get()) {
            (Phase::Warmup, Some((window, _))) => window.measured_from_us.saturating_sub(now_us),
            (Phase::Measured, Some((window, _))) => window.until_us.saturating_sub(now_us),
            // Nobody knows how fast the service will be: as fast as in the last second.
            _ => self.quiet_left.load(Ordering::Relaxed).saturating_mul(1_000_000) / progress.calls.max(1),
        };
        progress
    }

    /// Whether the measured phase goes on.
    pub(super) fn is_measuring(&self) -> bool {
        let now_us = self.clock.now_us();
        self.plan.get().is_some_and(|(window, _)| (window.measured_from_us..window.until_us).contains(&now_us))
    }

    /// What the driver says of itself.
    pub(super) fn report(&self, measured: Measured, cpu_peak: f64) -> DriverReport {
        let problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mean = measured.cpu_us as f64 / (measured.until_us - measured.from_us).max(1) as f64;
        DriverReport {
            measured_from_us: measured.from_us,
            measured_until_us: measured.until_us,
            calls: self.tally.measured_calls(),
            planned_arrivals: self.plan.get().and_then(|(_, pace)| pace.planned_arrivals()),
            send_lag_us_p50: self.tally.send_lag_us(50.0),
            send_lag_us_p99: self.tally.send_lag_us(99.0),
            cpu_us: measured.cpu_us,
            cpu_peak: (cpu_peak.max(mean) * 1e3).round() / 1e3,
            rss_peak_bytes: Usage::now().rss_peak_bytes,
            users_peak: self.tally.peak(),
            interrupted: self.stop.is_cancelled() && problems.is_empty(),
            problems,
        }
    }
}

/// The endpoint of the service that is driven.
pub(super) fn endpoint(assignment: &Assignment) -> Result<&str, DriveError> {
    let service = assignment.workload.service.name();
    assignment.endpoints.get(service).map(String::as_str).ok_or_else(|| DriveError::NoEndpoint(service.to_owned()))
}
