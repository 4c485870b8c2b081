//! The stage of a scenario or an experiment: a running stack, the users who call it, and the record of what happens.

use super::actor::endpoints;
use super::reply::verdict_of;
use super::restore::ChangedParts;
use super::stage_recorder::StageRecorder;
use super::{Actor, ScenarioRequest};
use crate::drive::client::Endpoint;
use crate::drive::target::TargetAccess;
use crate::drive::token::{Grant, Minter};
use crate::drive::traffic::final_read::{RecordReader, RecordSample, read_back, sample_records};
use crate::drive::traffic::rotation::Rotation;
use crate::observe::record::RecordError;
use crate::plan::target::TARGET;
use crate::plan::workload::FINAL_READ_RECORDS;
use crate::stack::Stack;
use crate::stack::view::View;
use harness_history::{Phase, Quota, Verdict};
use mcp_contracts::Service;
use mcp_contracts::service::READYZ_PATH;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_64;

/// Shortest and longest pause between two probes of a condition.
// The pause doubles from one to the other: an early condition costs milliseconds, and a late one causes few calls.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));
/// Deadline of a request for a page outside MCP.
const PAGE_DEADLINE: Duration = Duration::from_secs(5);
const READ_BACK_DEADLINE: Duration = Duration::from_secs(20);
const READ_BACK_WORKERS: u32 = 4;
/// Attempts to read a record whose organisation has reached its limit of calls in a second.
const READ_BACK_ATTEMPTS: u32 = 5;
/// An expectation fails even on a busy machine if at least `MANY_PROBES` probes in this time did not observe the expected state.
const NEVER: Duration = Duration::from_secs(10);
const MANY_PROBES: u32 = 10;
/// Maximum number of calls of one actor in [`Stage::with_background_calls`].
const MAX_BACKGROUND_CALLS: u32 = 50_000;
/// Lifetime of an actor's token. It is longer than any scenario or experiment, and below the services' maximum of one
/// hour.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3_000);

pub struct StageRequest<'a> {
    pub stack: &'a Stack,
    pub run_dir: &'a Path,
    /// The names of organisations end with a digest of it, so that two runs with different ones do not share organisations on one store.
    pub identity: String,
    /// Seed of the run.
    pub seed: u64,
    pub secret: &'a str,
    /// Value of the monotonic clock that is time 0 of the run.
    pub epoch_us: u64,
    pub view: &'a Arc<dyn View>,
}

pub struct Stage<'a> {
    pub(super) stack: &'a Stack,
    recorder: StageRecorder,
    minter: Minter,
    /// Signs new tokens in place of `minter` after the scenario has changed the key of the stack.
    later_minter: Mutex<Option<Minter>>,
    secret: String,
    mark: String,
    seed: u64,
    endpoints: BTreeMap<String, Arc<Endpoint>>,
    pages: reqwest::Client,
    /// The grant of each process in the history, beginning with process 1. Process 0 is the harness itself.
    grants: Mutex<Vec<Grant>>,
    run_dir: &'a Path,
    pub(super) down: Mutex<BTreeSet<String>>,
    pub(super) changed_parts: Mutex<ChangedParts>,
    pub(super) exchanges_read: Mutex<BTreeMap<(String, String), usize>>,
    rotation: Rotation,
}

impl<'a> Stage<'a> {
    /// # Errors
    /// The files of the run cannot be created.
    pub fn open(request: StageRequest<'a>) -> Result<Self, RecordError> {
        // Without `no_proxy`, a proxy of the environment could answer for a part that is down. Connections are not
        // kept, because a kept connection to a restarted part fails, and a part that is ready would seem not to be.
        let pages = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(PAGE_DEADLINE).build();
        let unusable = |why: String| RecordError { path: request.run_dir.to_owned(), why, recorded: 0 };
        let pages = pages.map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            stack: request.stack,
            recorder: StageRecorder::open(request.run_dir, request.epoch_us, Arc::clone(request.view))?,
            minter: Minter::new(request.secret),
            later_minter: Mutex::default(),
            secret: request.secret.to_owned(),
            mark: format!("{:08x}", xxh3_64(request.identity.as_bytes()) as u32),
            seed: request.seed,
            // Resolved once, because a part that is started again keeps its address.
            endpoints: match TargetAccess::of(request.stack) {
                Some(access) => {
                    let endpoint = access.endpoint().map_err(|error| unusable(error.to_string()))?;
                    BTreeMap::from([(TARGET.to_owned(), Arc::new(endpoint))])
                }
                None => endpoints(&request.stack.endpoints()),
            },
            pages,
            grants: Mutex::default(),
            run_dir: request.run_dir,
            down: Mutex::default(),
            changed_parts: Mutex::default(),
            exchanges_read: Mutex::default(),
            rotation: Rotation::of_seed(request.seed),
        })
    }

    /// Seed of the run, for choices of a scenario.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns a user on the enterprise plan, with every scope except `admin`. No other run has used its organisation.
    pub fn user(&'a self, user: &str, organisation: &str) -> Actor<'a> {
        self.actor(self.grant(user, organisation))
    }

    /// Returns a user of the organisation with exactly this name, for data that existed before the run.
    pub fn user_exactly(&'a self, user: &str, organisation: &str) -> Actor<'a> {
        let grant = Grant { lifetime: TOKEN_LIFETIME, ..Grant::everything(organisation, user) };
        self.actor(grant)
    }

    /// Returns a user who reads after the load.
    pub(crate) fn final_reader(&'a self, grant: Grant) -> Actor<'a> {
        self.actor(grant).in_phase(Phase::Final)
    }

    pub(super) fn actor(&'a self, grant: Grant) -> Actor<'a> {
        Actor::new(self, grant)
    }

    /// Adds a user to the history and returns its process number. The final read uses the grant to read back the user's writes.
    pub(crate) fn register_user(&self, grant: &Grant) -> u32 {
        let mut grants = self.grants.lock();
        grants.push(grant.clone());
        grants.len() as u32
    }

    /// Returns the grant of a user whose organisation no other run has used.
    pub(crate) fn grant(&self, user: &str, organisation: &str) -> Grant {
        let organisation = format!("{organisation}-{}", self.mark);
        Grant { lifetime: TOKEN_LIFETIME, ..Grant::everything(organisation, user) }
    }

    pub(crate) const fn minter(&self) -> &Minter {
        &self.minter
    }

    /// Value of the monotonic clock that is time 0 of the run.
    pub(crate) const fn epoch_us(&self) -> u64 {
        self.recorder.epoch_us()
    }

    /// Records an operation and returns its position in the history.
    pub(crate) fn record(&self, op: &harness_history::Op) -> u64 {
        self.recorder.record(op)
    }

    pub(crate) fn mint(&self, grant: &Grant) -> String {
        let later = self.later_minter.lock();
        later
            .as_ref()
            .unwrap_or(&self.minter)
            .mint(grant)
            .expect("a grant of a stage lives less than an hour and more than a second")
    }

    /// Returns the key with which the stack was started.
    pub fn key(&self) -> &str {
        &self.secret
    }

    /// Signs every later token with this key. Actors keep their tokens until [`Actor::renew_token`].
    pub fn sign_with(&self, key: &str) {
        *self.later_minter.lock() = Some(Minter::new(key));
    }

    /// Returns the current time, in microseconds of the run's clock.
    pub(crate) fn now_us(&self) -> u64 {
        self.recorder.now_us()
    }

    /// Records an expectation, whether it held, and the observed value. `ops` are the positions of the calls that prove
    /// the value.
    pub fn expect(&self, expected: &str, held: bool, seen: impl ToString, ops: &[u64]) {
        self.recorder.expect(expected, verdict_of(held), &seen.to_string(), ops.to_vec());
    }

    /// Records that an expectation could not be evaluated, which makes the scenario *unknown*.
    pub fn record_unknown(&self, expected: &str, why: impl ToString) {
        self.recorder.expect(expected, Verdict::Unknown, &why.to_string(), Vec::new());
    }

    /// Repeats `probe` until it returns `Some`, at most for `within`. Records as an expectation whether it did.
    pub async fn wait_until<T>(
        &self,
        expected: &str,
        within: Duration,
        mut probe: impl AsyncFnMut() -> Option<T>,
    ) -> Option<T> {
        let (start, mut pause, mut probes) = (Instant::now(), PAUSES.0, 0);
        loop {
            let found = probe().await;
            probes += 1;
            // The time is compared after the probe, so that there is always a probe, and that a late success counts.
            let took = start.elapsed();
            if found.is_some() || took >= within {
                let seen = if found.is_some() { "observed" } else { "not observed" };
                let seen = format!("{seen} after {} ms", took.as_millis());
                self.expect_by(expected, found.is_some(), (took, probes), &seen, &[]);
                return found;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Records whether an expectation held after this time and number of probes.
    pub(crate) fn expect_by(&self, expected: &str, held: bool, waited: (Duration, u32), seen: &str, ops: &[u64]) {
        let (took, probes) = waited;
        // Load of other processes does not delay every one of many probes for this long.
        if took >= NEVER && probes >= MANY_PROBES {
            self.recorder.expect(expected, verdict_of(held), seen, ops.to_vec());
        } else {
            self.recorder.expect_in_time(expected, verdict_of(held), seen, ops.to_vec());
        }
    }

    /// Runs `action` while every actor repeats `call`. The calls of one actor follow each other, and each actor makes
    /// at least one.
    pub async fn with_background_calls<'c, T>(
        &self,
        actors: &mut [Actor<'c>],
        call: impl AsyncFn(&mut Actor<'c>),
        action: impl Future<Output = T>,
    ) -> T {
        // A cell is enough, because all these futures run in one task.
        let over = std::cell::Cell::new(false);
        let traffic = actors.iter_mut().map(|actor| async {
            for _ in 0..MAX_BACKGROUND_CALLS {
                call(actor).await;
                if over.get() {
                    break;
                }
            }
        });
        let acting = async {
            let done = action.await;
            over.set(true);
            done
        };
        futures::future::join(acting, futures::future::join_all(traffic)).await.0
    }

    /// Declares that an organisation is admitted at most `limit` times in a window, or in the whole run if `window` is
    /// `None`. Only calls of `operations` count, or all calls if the list is empty.
    pub fn promise_limit(&self, organisation: &str, operations: &[&str], limit: u64, window: Option<Duration>) {
        self.recorder.add_quota(Quota {
            tenant: organisation.to_owned(),
            operations: operations.iter().map(|name| (*name).to_owned()).collect(),
            limit,
            window_us: window.map(|window| u64::try_from(window.as_micros()).unwrap_or(u64::MAX)),
        });
    }

    /// Reads back every acknowledged write, as its writer.
    pub(crate) async fn read_back(&'a self) {
        // The deadline is not an error here: `no-lost-writes` reports a write that was not read back in time.
        if let Some(sample) = self.sample_written_records() {
            let workers = (0..READ_BACK_WORKERS).map(|_| ReadBackWorker { stage: self }).collect();
            let _ = tokio::time::timeout(READ_BACK_DEADLINE, read_back(sample, workers)).await;
        }
    }

    /// Returns the records whose writes were acknowledged; `None` if they cannot be read from the history.
    pub(crate) fn sample_written_records(&self) -> Option<RecordSample> {
        // Flushed first, because the final read takes the ids from `history.jsonl`.
        self.recorder.flush().ok()?;
        sample_records(self.run_dir, FINAL_READ_RECORDS, self.seed()).ok()
    }

    pub(crate) fn quotas(&self) -> Vec<Quota> {
        self.recorder.quotas()
    }

    /// Waits until everything is on disk.
    ///
    /// # Errors
    /// Something could not be written.
    pub fn close(self) -> Result<(), RecordError> {
        self.recorder.close()
    }

    pub(super) const fn recorder(&self) -> &StageRecorder {
        &self.recorder
    }

    /// Returns the part that a request goes to.
    pub(super) async fn target(&self, request: &ScenarioRequest) -> Option<String> {
        if let Some(part) = &request.part {
            return self.endpoints.contains_key(part).then(|| part.clone());
        }
        if !request.ready_one {
            return self.instance(request.service);
        }
        self.ready_instance(request.service).await
    }

    async fn ready_instance(&self, service: Service) -> Option<String> {
        let instances = self.stack.instances(service);
        // Several rounds, because the first instance may have become ready again while the last one reported that it is
        // stopping.
        let first = self.rotation.next(instances.len());
        for part in instances.iter().cycle().skip(first).take(instances.len() * instances.len()) {
            if self.is_ready(&part.name).await {
                return Some(part.name.clone());
            }
        }
        None
    }

    /// Returns the instance that a call goes to, and its endpoint. If there are several instances, it is the next
    /// ready one in turn, as a load balancer would choose.
    pub(crate) async fn instance_for(&self, service: &str) -> Option<(String, Arc<Endpoint>)> {
        if service == TARGET {
            return Some((TARGET.to_owned(), Arc::clone(self.endpoints.get(TARGET)?)));
        }
        let service = Service::ALL.into_iter().find(|known| known.name() == service)?;
        // A single instance is called without a probe: there is no choice, and a call to an instance that is down shows
        // the outage.
        let several = self.stack.instances(service).len() > 1;
        let part = if several { self.ready_instance(service).await } else { self.instance(service) }?;
        let endpoint = self.endpoint(&part);
        Some((part, endpoint))
    }

    /// Returns the name of the first instance of a service.
    pub(super) fn instance(&self, service: Service) -> Option<String> {
        self.stack.instances(service).first().map(|part| part.name.clone())
    }

    pub(crate) fn endpoint(&self, part: &str) -> Arc<Endpoint> {
        Arc::clone(self.endpoints.get(part).expect("a target is one of the endpoints"))
    }

    /// Returns true if a part reports that it is ready.
    pub async fn is_ready(&self, part: &str) -> bool {
        self.page(part, READYZ_PATH, None).await.0 == Some(200)
    }

    /// Gets a page of a part. Returns the status and the JSON.
    pub async fn page(&self, part: &str, path: &str, token: Option<&str>) -> (Option<u16>, Value) {
        let Some(part) = self.stack.part(part) else { return (None, Value::Null) };
        let mut request = self.pages.get(format!("{}{path}", part.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        match request.send().await {
            Ok(reply) => {
                let status = reply.status().as_u16();
                (Some(status), reply.json().await.unwrap_or_default())
            }
            Err(_) => (None, Value::Null),
        }
    }
}

/// A worker of the final read. It never ends early, because [`READ_BACK_DEADLINE`] ends the whole final read.
struct ReadBackWorker<'a> {
    stage: &'a Stage<'a>,
}

impl RecordReader for ReadBackWorker<'_> {
    async fn read(&mut self, process: u32, id: Arc<str>) -> bool {
        let writer = (process as usize).checked_sub(1);
        // The guard must end before `actor` is called, which locks the grants again.
        let grant = {
            let grants = self.stage.grants.lock();
            writer.and_then(|at| grants.get(at).cloned())
        };
        if let Some(grant) = grant {
            let mut reader = self.stage.final_reader(grant);
            for _ in 0..READ_BACK_ATTEMPTS {
                let reply = reader.call("get_memory", json!({ "id": &*id })).await;
                // Many reads at once reach the limit of a second; that of a day is not waited for.
                if reply.header("retry-after") != Some("1") {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        true
    }
}
