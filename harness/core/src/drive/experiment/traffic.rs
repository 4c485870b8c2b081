//! The load of an experiment: the mix and the users of the traffic engine, with arrivals at a constant rate. A slow stack delays calls, but
//! does not reduce their number; latency counts from the planned start.

use super::outcomes::Outcomes;
use super::{Limited, Load};
use crate::drive::client::{Bearer, ClientOptions};
use crate::drive::scenario::Stage;
use crate::drive::token::Grant;
use crate::drive::traffic::clock::RealClock;
use crate::drive::traffic::directory::{Identity, has_second_client, owner_of, users_of_target};
use crate::drive::traffic::final_read::{ListWalker, RecordReader, read_back, walk_all, walk_by};
use crate::drive::traffic::mix::Mix;
use crate::drive::traffic::pace::{CallTiming, Pace, UnscheduledPace};
use crate::drive::traffic::tally::Tally;
use crate::drive::traffic::user::{TrafficContext, User};
use crate::plan::operation::OperationData;
use crate::stack::view::Progress;
use harness_history::{Effect, Phase};
use mcp_contracts::memory::tool;
use serde_json::json;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Deadline of the walks after the load.
const WALK_DEADLINE: Duration = Duration::from_secs(20);
/// Deadline for closing the sessions of the final read.
const END_DEADLINE: Duration = Duration::from_secs(10);
const WALK_WORKERS: usize = 4;
const READ_WORKERS: usize = 4;

/// The load of an experiment on a stage.
pub(crate) struct Traffic<'s> {
    stage: &'s Stage<'s>,
    load: &'s Load,
    pace: Pace,
    /// The pace of the calls after the load.
    unscheduled: UnscheduledPace,
    clock: RealClock,
    tally: Tally,
    /// The users of the load, once it has begun.
    users: OnceLock<Vec<(Identity, UserCredentials)>>,
    outcomes: Outcomes,
    /// The tokens of a target, one for each organisation; empty if the stack is one of this product.
    bearers: Vec<Option<Arc<Bearer>>>,
    /// The names of the users of a target come from it.
    run_id: String,
}

/// What a user of the load proves its identity with.
#[derive(Clone)]
enum UserCredentials {
    Grant(Grant),
    /// The token of a target, or none.
    Bearer(Option<Arc<Bearer>>),
}

impl<'s> Traffic<'s> {
    /// Prepares a load that runs until `stop` is cancelled. `allowed` are the errors that clients may get.
    pub(crate) fn new(stage: &'s Stage<'s>, load: &'s Load, allowed: &[String], stop: &CancellationToken) -> Self {
        let (pace, clock) = (Pace::endless(load.rate, stop.clone()), RealClock::start(stage.epoch_us()));
        let (users, outcomes, bearers) = (OnceLock::new(), Outcomes::default(), Vec::new());
        let (run_id, unscheduled, tally) = (String::new(), UnscheduledPace::new(None), Tally::new(allowed.to_vec()));
        Self { stage, load, pace, unscheduled, clock, tally, users, outcomes, bearers, run_id }
    }

    /// Makes the calls on a target: its users have these tokens, and names that come from `run_id`. `unscheduled_per_second` bounds the calls after the load.
    #[must_use]
    pub(crate) fn on_target(
        self,
        bearers: Vec<Option<Arc<Bearer>>>,
        run_id: &str,
        unscheduled_per_second: Option<u32>,
    ) -> Self {
        Self { bearers, run_id: run_id.to_owned(), unscheduled: UnscheduledPace::new(unscheduled_per_second), ..self }
    }

    /// Returns the users of the load, each with what proves its identity.
    fn users_with_credentials(&self) -> Vec<(Identity, UserCredentials)> {
        if self.bearers.is_empty() {
            return self.users_of_product_stack();
        }
        let tokens = self.bearers.len() as u32;
        let users = users_of_target(&self.run_id, self.load.users, tokens);
        let with_token = |identity: Identity| {
            let bearer = self.bearers[identity.organisation].clone();
            // Process 0 of a history is the harness itself.
            (Identity { process: identity.process + 1, ..identity }, UserCredentials::Bearer(bearer))
        };
        users.into_iter().map(with_token).collect()
    }

    fn users_of_product_stack(&self) -> Vec<(Identity, UserCredentials)> {
        let person = |number: u32| {
            let organisation = number % self.load.organisations;
            let owner = owner_of(number, self.load.organisations);
            let grant = self.stage.grant(&format!("user-{owner}"), &format!("org-{organisation}"));
            let identity = Identity {
                process: self.stage.register_user(&grant),
                organisation: organisation as usize,
                tenant: grant.organisation.as_str().into(),
                user: grant.user.as_str().into(),
                workspace: None,
                has_second_client: has_second_client(number, self.load.users, self.load.organisations),
            };
            (identity, UserCredentials::Grant(grant))
        };
        (0..self.load.users).map(person).collect()
    }

    /// Makes the calls of all users until `stop` is cancelled.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        let people = self.users.get_or_init(|| self.users_with_credentials());
        let context = self.traffic_context(people);
        let users =
            people.iter().zip(0..).map(|(person, index)| self.run_user(user_of(person, index, &context), &context));
        let limited = self.load.limited.iter().map(|limited| self.exceed_limit(limited, stop));
        // Futures of one task, because they borrow the stage. At these rates, their cost does not matter (decision
        // 0014).
        futures::future::join(futures::future::join_all(users), futures::future::join_all(limited)).await;
    }

    fn traffic_context(&self, people: &[(Identity, UserCredentials)]) -> TrafficContext {
        let (deadline, epoch_us) = (self.load.call_deadline, self.stage.epoch_us());
        let options = ClientOptions { deadline, epoch_us, ..ClientOptions::default() };
        let identities: Vec<Identity> = people.iter().map(|(identity, _)| identity.clone()).collect();
        // No call comes before the load: an experiment stores no memories in advance.
        TrafficContext::new(Mix::new(self.stage.seed(), &self.load.mix, &self.load.operations), &identities, 0, options)
    }

    /// Lets every user walk through everything that it can list, after the load.
    pub(crate) async fn walk(&self) {
        let people = self.users.get().map(Vec::as_slice).unwrap_or_default();
        let walks = Walks { traffic: self, people, context: self.traffic_context(people) };
        let (users, seed) = (people.len() as u32, self.stage.seed());
        let lists = self.load.operations.iter().any(|operation| operation.lists.is_some());
        let walking = async {
            if lists {
                walk_by(&walks, users, &[None], seed, WALK_WORKERS).await;
            } else {
                walk_all(&walks, users, &self.load.mix, seed, WALK_WORKERS).await;
            }
        };
        // What is not listed in time stays unread; the reads by id judge whether it is lost.
        let _ = tokio::time::timeout(WALK_DEADLINE, walking).await;
    }

    async fn run_user(&self, mut user: User, context: &TrafficContext) {
        self.tally.user_starts();
        while let Some(due) = user.next(context, &self.pace, &self.clock).await {
            // Tokens of a stage are valid for the whole run, so this signs one token for each user, at its first call.
            if user.refresh(self.stage.minter()).is_err() {
                return;
            }
            let timing = due.timing;
            let instance = self.stage.instance_for(due.service()).await;
            self.tally.begin();
            let instance = instance.as_ref().map(|(name, endpoint)| (name.as_str(), endpoint));
            let op = user.send(context, instance, due).await;
            self.tally.end(&op, timing.send_lag_us(op.invoke_us));
            self.outcomes.add(&op);
            self.stage.record(&op);
        }
        user.end().await;
    }

    /// Reads back every acknowledged write on a target, as its writer, if an operation reads records.
    pub(crate) async fn read_back_target(&self) {
        let people = self.users.get().map(Vec::as_slice).unwrap_or_default();
        let reads = self.load.operations.iter().any(OperationData::reads_any);
        let Some(sample) = self.stage.sample_written_records().filter(|_| reads && !people.is_empty()) else { return };
        let readers: Vec<FinalReader> = people.iter().map(|_| FinalReader::default()).collect();
        let (traffic, readers) = (self, readers.as_slice());
        let workers = (0..READ_WORKERS).map(|_| TargetReadWorker {
            traffic,
            people,
            readers,
            context: self.traffic_context(people),
        });
        // The deadline is not an error here: `no-lost-writes` reports a write that was not read back in time.
        let _ = tokio::time::timeout(WALK_DEADLINE, read_back(sample, workers.collect())).await;
        let ending = readers.iter().map(|reader| async move {
            if let Some(user) = &mut *reader.lock().await {
                user.end().await;
            }
        });
        // The server closes what is left when it expires.
        let _ = tokio::time::timeout(END_DEADLINE, futures::future::join_all(ending)).await;
    }

    /// Expects that memory has the outcome of every acknowledged workflow within this time after the load.
    pub(crate) async fn expect_outcomes(&self, within: Duration) {
        let people = self.users.get().map(Vec::as_slice).unwrap_or_default();
        let grants: Vec<Grant> = people.iter().filter_map(|(_, credentials)| credentials.grant().cloned()).collect();
        self.outcomes.expect(self.stage, &grants, within).await;
    }

    /// Makes the calls of an organisation that exceeds its limit, at a rate of its own.
    async fn exceed_limit(&self, limited: &Limited, stop: &CancellationToken) {
        let mut actor =
            self.stage.user("asker", &limited.organisation).on_plan(limited.plan).within(self.load.call_deadline);
        self.stage.promise_limit(actor.organisation(), &[], limited.limit, None);
        let mut every = tokio::time::interval(Duration::from_secs_f64(1.0 / limited.rate));
        // Missed calls are not made up for, because they would arrive as a burst.
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            self.tally.begin();
            let reply = actor.call(tool::STATS, json!({})).await;
            let (outcome, took_us) = (reply.outcome(), reply.took().as_micros() as u64);
            self.tally.count(Phase::Measured, outcome, self.stage.now_us(), took_us, None);
        }
    }

    /// Starts the surge of the load, if it has one.
    pub(crate) fn surge(&self) {
        if let Some(surge) = &self.load.surge {
            self.pace.surge(self.stage.now_us(), surge.times, surge.lasts);
        }
    }

    /// Returns the share of errors that the experiment does not allow among the calls that ended in the last `within`, and their number.
    pub(crate) fn error_share(&self, within: Duration) -> (f64, u64) {
        self.tally.error_share(self.stage.now_us(), within.as_micros() as u64)
    }

    /// Resets the figures of the phase at the start of the next phase.
    pub(crate) fn begin_phase(&self) {
        self.tally.begin_phase();
    }

    /// Returns the progress of the load in this phase. The caller fills in the remaining time.
    pub(crate) fn progress(&self) -> Progress {
        self.tally.progress(self.stage.now_us())
    }
}

impl UserCredentials {
    fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Grant(grant) => Some(grant),
            Self::Bearer(_) => None,
        }
    }
}

fn user_of((identity, credentials): &(Identity, UserCredentials), index: u64, context: &TrafficContext) -> User {
    match credentials {
        UserCredentials::Grant(grant) => User::new(identity.clone(), grant.clone(), index, context),
        UserCredentials::Bearer(bearer) => User::of_target(identity.clone(), bearer.clone(), index, context),
    }
}

/// The client that reads the records of one writer back, once it has read the first one. A client for each record would open a session for each.
type FinalReader = tokio::sync::Mutex<Option<User>>;

/// A worker of the final read on a target. All records of a writer go to one worker, so that its reader is never waited for.
struct TargetReadWorker<'t, 's> {
    traffic: &'t Traffic<'s>,
    people: &'t [(Identity, UserCredentials)],
    /// One for each of the people.
    readers: &'t [FinalReader],
    context: TrafficContext,
}

impl RecordReader for TargetReadWorker<'_, '_> {
    async fn read(&mut self, process: u32, id: Arc<str>) -> bool {
        let writer = (process as usize).checked_sub(1).and_then(|at| Some((self.people.get(at)?, &self.readers[at])));
        if let Some((person, reader)) = writer {
            let mut reader = reader.lock().await;
            let user = reader.get_or_insert_with(|| user_of(person, u64::from(process) - 1, &self.context));
            self.traffic.unscheduled.wait(&self.traffic.clock).await;
            let due = user.read(&self.context, &id, CallTiming::unscheduled(Phase::Final));
            let instance = self.traffic.stage.instance_for(due.service()).await;
            let instance = instance.as_ref().map(|(name, endpoint)| (name.as_str(), endpoint));
            let op = user.send(&self.context, instance, due).await;
            self.traffic.stage.record(&op);
        }
        true
    }
}

/// The walks after the load, each with connections of its own.
struct Walks<'t, 's> {
    traffic: &'t Traffic<'s>,
    people: &'t [(Identity, UserCredentials)],
    context: TrafficContext,
}

impl ListWalker for Walks<'_, '_> {
    /// [`WALK_DEADLINE`] ends all walks together.
    fn is_over(&self) -> bool {
        false
    }

    async fn walk(&self, user: usize, tag: Option<&str>) -> Option<u64> {
        let stage = self.traffic.stage;
        let mut user = user_of(&self.people[user], user as u64, &self.context);
        user.refresh(stage.minter()).ok()?;
        let timing = CallTiming::unscheduled(Phase::Final);
        let (mut next, mut records) = (Some(user.walk(&self.context, tag, timing)), 0);
        let mut whole = false;
        while let Some(due) = next {
            self.traffic.unscheduled.wait(&self.traffic.clock).await;
            let instance = stage.instance_for(due.service()).await;
            let instance = instance.as_ref().map(|(name, endpoint)| (name.as_str(), endpoint));
            let op = user.send(&self.context, instance, due).await;
            records += op.effect.returned().count() as u64;
            whole = matches!(&op.effect, Effect::Scan { query: Some(query), .. } if !query.more);
            stage.record(&op);
            next = user.follow_up(timing);
        }
        user.end().await;
        whole.then_some(records)
    }
}
