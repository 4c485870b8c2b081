//! A running stack, wherever it runs: started wave by wave of its topology, ready when every part says so, stopped in reverse.

pub mod labelled;
pub mod process;
pub mod reaper;
pub mod state;
pub mod undo;
pub mod view;

pub(crate) mod again;
mod control;
mod docker;
mod error;
mod external;
mod given;
mod ports;
mod ready;
mod runtime;
mod ways;
mod wiring;

pub use control::Ended;
pub use error::StackError;
pub use given::Given;
pub use ready::log_tail;

use crate::plan::Backend;
use crate::plan::topology::{CLIENT, EdgeMode, Part, PartKind, Topology};
use crate::stack::reaper::Reaper;
use crate::stack::view::{Event, View};
use futures::future::try_join_all;
use mcp_contracts::Service;
use parking_lot::Mutex;
use runtime::PartRuntime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use ways::{Way, Ways};

/// How long a part may take from its start to ready.
pub const START_DEADLINE: Duration = Duration::from_secs(30);
/// How long a part may take to end after it was asked to.
pub const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// Tag of the services' images where nobody asks for another.
pub const IMAGE_TAG: &str = "latest";

/// What it takes to start a stack.
#[derive(Clone)]
pub struct StackRequest {
    /// Where it runs.
    pub backend: Backend,
    /// Its parts.
    pub topology: Topology,
    /// Folder for data and logs; must exist.
    pub dir: PathBuf,
    /// Key of tokens.
    pub secret: String,
    /// The harness's own program, next to which the services' are.
    pub executable: PathBuf,
    /// True leaves the stack running when the harness ends.
    pub detached: bool,
    /// What its services find in place.
    pub given: Vec<Given>,
    /// Tag of the services' images; only containers have any.
    pub image_tag: String,
    /// Seed of the run, which decides what the proxies on its ways choose.
    pub seed: u64,
}

/// A part that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningPart {
    /// Its name in the topology.
    pub name: String,
    /// What it is.
    pub kind: PartKind,
    /// Base URL of a service, or `redis://…`.
    pub url: String,
    /// Its process on this machine, if it has one that can be seen.
    pub pid: Option<u32>,
    /// Start of that process in clock ticks since boot.
    pub started: Option<u64>,
    /// Its container, if it runs in one.
    pub container: Option<String>,
    /// Where its log is.
    pub log: Option<PathBuf>,
}

/// A stack that is ready.
pub struct Stack {
    request: StackRequest,
    parts: Mutex<Vec<RunningPart>>,
    runtime: Box<dyn PartRuntime>,
    ways: Ways,
    /// Where callers find a part that has a proxy before it.
    entrances: Mutex<BTreeMap<String, String>>,
    asker: reqwest::Client,
    reaper: Option<Arc<Reaper>>,
}

/// Where the proxies of processes listen, and those before callers.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Stack {
    /// Starts a stack and waits until it is ready. On an error nothing is left behind.
    ///
    /// # Errors
    /// Says which part failed, why, and what its log said last.
    pub async fn start(
        request: &StackRequest,
        view: &Arc<dyn View>,
        cancel: &CancellationToken,
    ) -> Result<Self, StackError> {
        // A stack that stays, or that the harness did not start, must not be ended with it.
        let reaper = match request.backend {
            Backend::Process | Backend::Docker if !request.detached => {
                let reaper = Reaper::start(&request.executable).map_err(|error| StackError::start("reaper", error))?;
                Some(Arc::new(reaper))
            }
            _ => None,
        };
        // On an early return the reaper is dropped without `release`, so it ends what has been started.
        tokio::select! {
            result = Box::pin(Self::start_on(request, reaper, view)) => result,
            () = cancel.cancelled() => Err(StackError::Interrupted),
        }
    }

    async fn start_on(
        request: &StackRequest,
        reaper: Option<Arc<Reaper>>,
        view: &Arc<dyn View>,
    ) -> Result<Self, StackError> {
        let asker = ready::asker()?;
        let runtime: Box<dyn PartRuntime> = match &request.backend {
            Backend::Process => Box::new(process::Processes::new(reaper.clone(), asker.clone())),
            Backend::Docker => Box::new(docker::Containers::prepare(request, reaper.as_deref(), asker.clone()).await?),
            Backend::External { urls } => Box::new(external::External::check(request, urls, &asker).await?),
        };
        let running = runtime.running();
        let (parts, entrances) = (Mutex::default(), Mutex::default());
        let stack = Self { request: request.clone(), parts, runtime, ways: Ways::default(), entrances, asker, reaper };
        if let Some(parts) = running {
            for part in &parts {
                stack.open_entrance(part).await?;
            }
            *stack.lock() = parts;
            return Ok(stack);
        }
        let started = async {
            given::write_files(&request.dir, &request.topology, &request.given)?;
            stack.start_waves(view).await
        };
        match started.await {
            Ok(()) => Ok(stack),
            Err(error) => {
                stack.end_parts().await;
                Err(error)
            }
        }
    }

    async fn start_waves(&self, view: &Arc<dyn View>) -> Result<(), StackError> {
        for wave in self.request.topology.waves() {
            let started = try_join_all(wave.into_iter().map(|part| self.start_part_of(part, view))).await?;
            self.lock().extend(started);
        }
        let order = |part: &RunningPart| self.request.topology.parts.iter().position(|other| other.name == part.name);
        self.lock().sort_by_key(order);
        Ok(())
    }

    async fn start_part_of(&self, part: &Part, view: &Arc<dyn View>) -> Result<RunningPart, StackError> {
        let since = Instant::now();
        let mut addresses = Vec::new();
        for edge in &part.edges {
            let Some(target) = self.part(&edge.to) else { continue };
            let address = if edge.mode.is_direct() {
                self.runtime.address(&target)
            } else {
                let way = (part.name.as_str(), edge.to.as_str());
                self.through(way, edge.mode, target.url.clone(), self.runtime.proxy_address()).await?
            };
            addresses.push((target.kind, address));
        }
        let environment = wiring::environment(&self.request, part, &addresses);
        let running = self.runtime.start(&self.request, part, environment).await?;
        self.open_entrance(&running).await?;
        view.show(Event::PartReady { part: part.name.clone(), after: since.elapsed() });
        Ok(running)
    }

    /// Puts on a way what its mode says; the answer is where those at its beginning find `url`.
    async fn through(
        &self,
        (from, to): (&str, &str),
        mode: EdgeMode,
        url: String,
        listen: IpAddr,
    ) -> Result<String, StackError> {
        let tapped = match mode {
            EdgeMode::Direct => return Ok(url),
            EdgeMode::Proxied => false,
            EdgeMode::Tapped => true,
        };
        let slow_ms = if from == CLIENT { self.request.topology.part(to).and_then(|part| part.slow_ms) } else { None };
        self.ways.put(Way { from, to, url: &url, tapped, listen, slow_ms, seed: self.request.seed }).await
    }

    /// Puts on the way from callers to a part what the topology says.
    async fn open_entrance(&self, part: &RunningPart) -> Result<(), StackError> {
        let mode = self.request.topology.way(CLIENT, &part.name).unwrap_or_default();
        if !mode.is_direct() {
            let url = self.through((CLIENT, &part.name), mode, part.url.clone(), LOOPBACK).await?;
            self.entrances.lock().insert(part.name.clone(), url);
        }
        Ok(())
    }

    /// Its parts as they are now.
    pub fn parts(&self) -> Vec<RunningPart> {
        self.lock().clone()
    }

    /// A part by its name, as it is now.
    pub fn part(&self, name: &str) -> Option<RunningPart> {
        self.lock().iter().find(|part| part.name == name).cloned()
    }

    /// The instances of a service, in order.
    pub fn instances(&self, service: Service) -> Vec<RunningPart> {
        self.lock().iter().filter(|part| part.kind == PartKind::Service(service)).cloned().collect()
    }

    /// What it was made from.
    pub const fn request(&self) -> &StackRequest {
        &self.request
    }

    /// Who ends its parts when the harness is gone; nobody where they stay.
    pub(crate) const fn reaper(&self) -> Option<&Arc<Reaper>> {
        self.reaper.as_ref()
    }

    /// The label of its containers, if it has any.
    pub fn label(&self) -> Option<&str> {
        self.runtime.label()
    }

    /// MCP endpoint by part name: its proxy, where there is one on the way from callers to it.
    pub fn endpoints(&self) -> BTreeMap<String, String> {
        let entrances = self.entrances.lock();
        let parts = self.lock();
        let services = parts.iter().filter(|part| part.kind != PartKind::Redis);
        let endpoint = |part: &RunningPart| {
            let base = entrances.get(&part.name).unwrap_or(&part.url);
            (part.name.clone(), format!("{base}{}", mcp_contracts::service::MCP_PATH))
        };
        services.map(endpoint).collect()
    }

    /// Stops it in reverse order and strikes it from the reaper's list.
    pub async fn stop(self) {
        self.end_parts().await;
        if let Some(reaper) = self.reaper {
            let _ = tokio::task::spawn_blocking(move || reaper.release()).await;
        }
    }

    async fn end_parts(&self) {
        self.runtime.stop(&self.request.topology.waves()).await;
        self.ways.close().await;
    }

    /// Leaves it running.
    pub fn leave(self) -> Vec<RunningPart> {
        let parts = self.parts();
        self.runtime.leave();
        parts
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Vec<RunningPart>> {
        self.parts.lock()
    }
}
