//! One round of the bench: starts a stack of its own, measures each kind of call beside the bare reply of the same service, and stops the stack.

use super::calls::{self, BenchCall, CALLS, CONNECTIONS, User};
use super::driver::{Amount, Connections, DriveError, Prepared};
use super::table::Price;
use crate::context::{Context, random_secret};
use crate::exit::{Exit, Failure};
use crate::view;
use harness_core::plan::Backend;
use harness_core::plan::topology::{PartKind, Topology};
use harness_core::run::RunError;
use harness_core::stack::{RunningPart, Stack, StackRequest};
use mcp_contracts::{Service, env};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Number of bare replies of all connections together.
const BARE_REPLIES: u64 = 20_000;
/// A batch ends after this time, even with fewer calls.
const PERIOD: Duration = Duration::from_secs(5);
/// Time for the memories that are stored before a round.
const FILL_PERIOD: Duration = Duration::from_secs(60);
/// One part in this number of the calls of a batch is made before it and not measured.
const WARM_UP: u64 = 20;
/// One connection makes one part in this number of the calls of all.
const ALONE: u64 = 10;
/// Deadline of every request, workflow and step. On a slow machine 100 workflows at a time take longer than the defaults allow, and a workflow that gave
/// up a step costs less. Below [`super::driver::LAST_REPLIES`].
const DEADLINE: Duration = Duration::from_secs(50);

/// The number of calls of a round.
#[derive(Clone, Copy)]
pub(super) enum Size {
    Whole,
    /// A hundredth: enough to see that each call gets its reply, and too few for figures.
    Check,
}

impl Size {
    const fn of(self, calls: u64) -> u64 {
        match self {
            Self::Whole => calls,
            Self::Check => calls / 100,
        }
    }
}

/// The result of one round.
pub(super) struct Round {
    pub(super) ready: Duration,
    /// The price of each of [`CALLS`], and that of the bare reply beside it.
    pub(super) prices: Vec<(Price, Price)>,
}

pub(super) async fn measure(context: &Context, size: Size) -> Result<Round, Failure> {
    let folder = std::env::temp_dir().join(format!("harness-bench-{}", uuid::Uuid::new_v4().simple()));
    let round = measure_in(&folder, context, size).await;
    let _ = std::fs::remove_dir_all(folder);
    round
}

async fn measure_in(folder: &Path, context: &Context, size: Size) -> Result<Round, Failure> {
    for sub in ["logs", "data"] {
        std::fs::create_dir_all(folder.join(sub))?;
    }
    let request = stack_request(folder, context);
    // Events in the output would be beside the one object of `--json`.
    let view = if context.output.json { view::silent() } else { Arc::clone(&context.view) };
    let start = Instant::now();
    let stack =
        Stack::start(&request, &view, &context.cancel).await.map_err(|error| Failure::from(RunError::from(error)))?;
    let ready = start.elapsed();
    let (parts, secret, cancel) = (stack.parts(), request.secret.clone(), context.cancel.clone());
    // A thread of its own with a runtime of one thread is the cheapest driver: no task moves between threads.
    let measured = tokio::task::spawn_blocking(move || drive(&parts, &secret, size, &cancel)).await;
    let stopped = stack.stop().await;
    let prices = measured.map_err(Failure::internal)??;
    stopped.map_err(Failure::internal)?;
    Ok(Round { ready, prices })
}

fn stack_request(folder: &Path, context: &Context) -> StackRequest {
    let deadline = DEADLINE.as_millis();
    // Without the limits of a plan, which would refuse a part of the calls.
    let topology = Topology::full().with_load_quotas().with_setting_everywhere(env::REQUEST_DEADLINE_MS, deadline);
    let topology = topology.with_setting(Service::Orchestrator, env::PEER_DEADLINE_MS, deadline);
    let topology = topology.with_setting(Service::Orchestrator, env::WORKFLOW_DEADLINE_MS, deadline);
    StackRequest {
        backend: Backend::Process,
        topology,
        dir: folder.to_owned(),
        secret: random_secret(),
        executable: context.executable.clone(),
        detached: false,
        fixtures: Vec::new(),
        image_tag: harness_core::stack::IMAGE_TAG.to_owned(),
        seed: 0,
    }
}

fn drive(
    parts: &[RunningPart],
    secret: &str,
    size: Size,
    cancel: &CancellationToken,
) -> Result<Vec<(Price, Price)>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            prices = prices(parts, secret, size) => prices,
            () = cancel.cancelled() => Err(Failure::new(Exit::Interrupted, "interrupted")),
        }
    })
}

/// A service as the driver sees it.
struct Measured<'a> {
    url: &'a str,
    address: &'a str,
    pid: u32,
}

async fn prices(parts: &[RunningPart], secret: &str, size: Size) -> Result<Vec<(Price, Price)>, Failure> {
    let mut services = BTreeMap::new();
    for part in parts {
        if let (PartKind::Service(service), Some(pid)) = (part.kind, part.pid) {
            let address = part.url.strip_prefix("http://").unwrap_or(&part.url);
            services.insert(service, Measured { url: &part.url, address, pid });
        }
    }
    let of = |service: Service| {
        services.get(&service).ok_or_else(|| Failure::internal(format!("{} is not running", service.name())))
    };
    let memory = of(Service::Memory)?;
    let users = User::create(secret, memory.url).await?;
    let driver = Driver { users, next: Arc::new(AtomicU64::new(0)), size };
    driver.fill(memory).await?;
    let mut prices = Vec::with_capacity(CALLS.len());
    for call in &CALLS {
        prices.push(driver.pair(call, of(call.service)?).await?);
    }
    Ok(prices)
}

/// What all batches of a round share.
struct Driver {
    users: Vec<User>,
    next: Arc<AtomicU64>,
    size: Size,
}

impl Driver {
    /// Stores the memories that are searched.
    async fn fill(&self, memory: &Measured<'_>) -> Result<(), Failure> {
        let failed = |error: DriveError| Failure::internal(format!("cannot store the memories to search: {error}"));
        let requests = self.users.iter().map(|user| calls::searched(user, memory.address)).collect();
        let amount = Amount { calls: self.size.of(calls::STORED), period: FILL_PERIOD };
        let mut connections = Connections::open(memory.address, requests, &self.next).await.map_err(failed)?;
        let stored = connections.run(amount).await.map_err(failed)?.times.len() as u64;
        if stored < amount.calls {
            let (all, seconds) = (amount.calls, FILL_PERIOD.as_secs());
            return Err(Failure::internal(format!("only {stored} of {all} memories were stored within {seconds} s")));
        }
        Ok(())
    }

    /// Measures a call, and the bare reply of its service directly before, so that both see the same state of the machine.
    async fn pair(&self, call: &BenchCall, service: &Measured<'_>) -> Result<(Price, Price), Failure> {
        let bare = vec![calls::bare(service.address); CONNECTIONS];
        let bare = self.price("bare reply", service, bare, BARE_REPLIES).await?;
        let requests = self.users.iter().map(|user| call.prepare(user, service.address)).collect();
        Ok((self.price(call.name, service, requests, call.calls).await?, bare))
    }

    async fn price(
        &self,
        name: &str,
        service: &Measured<'_>,
        requests: Vec<Prepared>,
        calls: u64,
    ) -> Result<Price, Failure> {
        let failed = |error: DriveError| Failure::internal(format!("{name}: {error}"));
        let alone = requests[..1].to_vec();
        let mut all = Connections::open(service.address, requests, &self.next).await.map_err(failed)?;
        all.run(self.amount(calls / WARM_UP)).await.map_err(failed)?;
        let before = cpu(service.pid)?;
        let batch = all.run(self.amount(calls)).await.map_err(failed)?;
        let cpu = cpu(service.pid)?.saturating_sub(before);
        // Closed first, because the other connection is measured alone.
        drop(all);
        let mut one = Connections::open(service.address, alone, &self.next).await.map_err(failed)?;
        one.run(self.amount(calls / ALONE / WARM_UP)).await.map_err(failed)?;
        let times = one.run(self.amount(calls / ALONE)).await.map_err(failed)?.times;
        Ok(Price {
            calls_per_s: batch.calls_per_s(),
            p50_ms: super::table::median(times.iter().map(|time| time.as_secs_f64() * 1e3)),
            cpu_us: cpu.as_secs_f64() * 1e6 / batch.times.len() as f64,
        })
    }

    const fn amount(&self, calls: u64) -> Amount {
        Amount { calls: self.size.of(calls), period: PERIOD }
    }
}

fn cpu(pid: u32) -> Result<Duration, Failure> {
    harness_core::observe::cpu_time(pid).ok_or_else(|| Failure::internal("the service has ended"))
}
