//! A running stack on any backend. Its parts start in waves: a wave begins when every part of the wave before it is
//! ready. The waves are stopped in reverse order.

pub mod labelled;
pub mod owned;
pub mod process;
pub mod process_id;
pub mod reaper;
pub mod state;
pub mod undo;
pub mod undo_log;
pub mod view;

mod control;
mod docker;
mod edge_proxy;
mod error;
mod external;
mod fixture;
mod ports;
mod postgres;
mod ready;
pub(crate) mod restart_part;
mod runtime;
mod target;
mod tls_tunnel;
mod wiring;

pub use control::{Ended, ProgramEnd};
pub use error::StackError;
pub use fixture::Fixture;
pub use ready::log_tail;

use crate::plan::Backend;
use crate::plan::reach::ResolvedHost;
use crate::plan::run_dir;
use crate::plan::target::TARGET;
use crate::plan::topology::{CLIENT, EdgeMode, Part, PartKind, Topology};
use crate::plan::trust::Trust;
use crate::stack::undo_log::UndoLog;
use crate::stack::view::{Event, View};
use edge_proxy::{EdgeProxies, ProxiedEdge, TargetAddress};
use futures::future::try_join_all;
use mcp_contracts::{Service, env};
use parking_lot::Mutex;
use runtime::PartRuntime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Deadline for a part to become ready.
pub const START_DEADLINE: Duration = Duration::from_secs(30);
/// Deadline for a part to exit after SIGTERM. Then it is killed. Twice the default of `DRAIN_DEADLINE_MS`, after which
/// a service ends its drain.
pub const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// The default tag of the services' images.
pub const IMAGE_TAG: &str = "latest";

#[derive(Clone)]
pub struct StackRequest {
    pub backend: Backend,
    pub topology: Topology,
    /// Folder for data and logs, with the subfolders `data` and `logs`; all must exist.
    pub dir: PathBuf,
    /// The key that signs tokens.
    pub secret: String,
    /// The program of the harness. The programs of the services are in the same folder.
    pub executable: PathBuf,
    /// True if the stack stays running when the harness ends.
    pub detached: bool,
    /// Files and databases that are provided to the services before they start.
    pub fixtures: Vec<Fixture>,
    /// Tag of the services' images; used by the docker backend only.
    pub image_tag: String,
    /// Seed of the run, for the random choices of the proxies.
    pub seed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningPart {
    /// Name of the part in the topology.
    pub name: String,
    pub kind: PartKind,
    /// The base URL of a service, the MCP endpoint of a target, `redis://…`, or `postgres://…` without a login.
    pub url: String,
    /// Id of the process, if it is visible from this machine.
    pub pid: Option<u32>,
    /// Start of that process, in clock ticks since boot.
    pub started: Option<u64>,
    /// Id of the container, if the part runs in one.
    pub container: Option<String>,
    /// Path of the log; `None` if the harness did not start the part.
    pub log: Option<PathBuf>,
    /// How the services reach a Redis by TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsAccess>,
}

/// How services connect to a Redis with TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsAccess {
    /// `rediss://…`
    pub url: String,
    /// File with the certificate of the issuer.
    pub issuer: PathBuf,
}

pub struct Stack {
    request: StackRequest,
    parts: Mutex<Vec<RunningPart>>,
    runtime: Box<dyn PartRuntime>,
    proxies: EdgeProxies,
    /// URL of the proxy between the clients and a part, by the name of the part.
    entrances: Mutex<BTreeMap<String, String>>,
    http: reqwest::Client,
    /// The undo log, which also has the parts, so that the reaper or `harness chaos recover` ends them if the harness
    /// dies; `None` if the parts outlive the harness.
    undo_log: Option<Arc<UndoLog>>,
}

/// The address of the proxies between processes, and of those between the clients and a part.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Stack {
    /// Starts a stack and waits until it is ready. If that fails, everything that was started is stopped.
    ///
    /// # Errors
    /// A part did not become ready; the error has the last lines of its log.
    pub async fn start(
        request: &StackRequest,
        view: &Arc<dyn View>,
        cancel: &CancellationToken,
    ) -> Result<Self, StackError> {
        // A detached stack outlives the harness, and an external one does not belong to it.
        let undo_log = match &request.backend {
            Backend::External { .. } => None,
            Backend::Target(target) if target.start.is_none() => None,
            Backend::Process | Backend::Docker | Backend::Target(_) => {
                (!request.detached).then(|| UndoLog::new(request.dir.join(run_dir::UNDO), &request.executable))
            }
        };
        // If this returns early, the guards of the parts are dropped, which ends the parts that have been started.
        tokio::select! {
            result = Box::pin(Self::start_on(request, undo_log, view)) => result,
            () = cancel.cancelled() => Err(StackError::Interrupted),
        }
    }

    async fn start_on(
        request: &StackRequest,
        undo_log: Option<Arc<UndoLog>>,
        view: &Arc<dyn View>,
    ) -> Result<Self, StackError> {
        let http = ready::http_client()?;
        let runtime: Box<dyn PartRuntime> = match &request.backend {
            Backend::Process => Box::new(process::Processes::new(undo_log.clone(), http.clone())),
            Backend::Target(target) if target.start.is_some() => {
                Box::new(process::Processes::new(undo_log.clone(), http.clone()))
            }
            Backend::Docker => Box::new(docker::Containers::prepare(request, undo_log.as_ref(), http.clone()).await?),
            Backend::External { urls, hosts } => {
                Box::new(external::External::check(request, urls, hosts, &http).await?)
            }
            Backend::Target(target) => Box::new(target::RunningTarget::find(target).await?),
        };
        let running = runtime.running();
        let (parts, entrances) = (Mutex::default(), Mutex::default());
        let stack = Self {
            request: request.clone(),
            parts,
            runtime,
            proxies: EdgeProxies::default(),
            entrances,
            http,
            undo_log,
        };
        if let Some(parts) = running {
            // Also a stack that the harness did not start may have proxies at its entrances: these need only this
            // process.
            for part in &parts {
                stack.open_entrance(part).await?;
            }
            *stack.lock() = parts;
            return Ok(stack);
        }
        let started = async {
            fixture::write_files(&request.dir, &request.topology, &request.fixtures)?;
            stack.start_waves(view).await
        };
        match started.await {
            Ok(()) => Ok(stack),
            Err(error) => {
                // The guards of the parts would end them too, but by SIGKILL, which leaves a service no time to drain. The
                // first error is the one to report.
                let _ = stack.end_parts().await;
                Err(error)
            }
        }
    }

    async fn start_waves(&self, view: &Arc<dyn View>) -> Result<(), StackError> {
        for wave in self.request.topology.waves() {
            let started = try_join_all(wave.into_iter().map(|part| self.start_part_of(part, view))).await?;
            self.lock().extend(started);
        }
        // The parts of a wave are ready in any order; the list has the order of the topology.
        let order = |part: &RunningPart| self.request.topology.parts.iter().position(|other| other.name == part.name);
        self.lock().sort_by_key(order);
        Ok(())
    }

    async fn start_part_of(&self, part: &Part, view: &Arc<dyn View>) -> Result<RunningPart, StackError> {
        let since = Instant::now();
        let (mut addresses, mut issuer) = (Vec::new(), None);
        for edge in &part.edges {
            let Some(target) = self.part(&edge.to) else { continue };
            let secured = target.tls.as_ref().map(|tls| tls.url.clone());
            let address = if edge.mode.is_direct() {
                secured.unwrap_or_else(|| self.runtime.address(&target))
            } else {
                let ends = (part.name.as_str(), edge.to.as_str());
                let url = secured.unwrap_or_else(|| target.url.clone());
                self.through(ends, edge.mode, url, self.runtime.proxy_address()).await?
            };
            issuer = issuer.or(target.tls.map(|tls| tls.issuer));
            addresses.push((target.kind, address));
        }
        let mut environment = wiring::environment(&self.request, part, &addresses);
        if let Some(issuer) = issuer {
            environment.insert(env::REDIS_CA_FILE.to_owned(), issuer.display().to_string());
        }
        let running = self.runtime.start(&self.request, part, environment).await?;
        self.open_entrance(&running).await?;
        view.show(Event::PartReady { part: part.name.clone(), after: since.elapsed() });
        Ok(running)
    }

    /// Starts a proxy on an edge if its mode needs one. Returns the URL with which the calling part reaches `url`.
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
        // Only the clients are delayed, because the delay tests the thresholds of the gate, which bound what clients
        // measure.
        let slow_ms = if from == CLIENT { self.request.topology.part(to).and_then(|part| part.slow_ms) } else { None };
        let (target_address, seed) = (self.target_address(to, &url)?, self.request.seed);
        self.proxies.put(ProxiedEdge { from, to, url: &url, target_address, tapped, listen, slow_ms, seed }).await
    }

    /// Returns the address of a target, which was resolved once at the start; `None` for a part of this product, whose URL has the address.
    fn target_address(&self, to: &str, url: &str) -> Result<Option<TargetAddress>, StackError> {
        let Some((target, resolved_host)) =
            self.request.backend.target().zip(self.resolved_host()).filter(|_| to == TARGET)
        else {
            return Ok(None);
        };
        let trust = url.starts_with("https://").then(|| Trust::load(target.ca_file.as_deref())).transpose();
        let trust = trust.map_err(|error| StackError::start(to, error))?;
        Ok(Some(TargetAddress { host: resolved_host.host, addresses: resolved_host.addresses, trust }))
    }

    /// Puts a proxy between the clients and a part if the topology has one there.
    async fn open_entrance(&self, part: &RunningPart) -> Result<(), StackError> {
        let mode = self.request.topology.edge_mode(CLIENT, &part.name).unwrap_or_default();
        if !mode.is_direct() {
            let url = self.through((CLIENT, &part.name), mode, part.url.clone(), LOOPBACK).await?;
            self.entrances.lock().insert(part.name.clone(), url);
        }
        Ok(())
    }

    /// The parts that have been started, in the order of the topology.
    pub fn parts(&self) -> Vec<RunningPart> {
        self.lock().clone()
    }

    pub fn part(&self, name: &str) -> Option<RunningPart> {
        self.lock().iter().find(|part| part.name == name).cloned()
    }

    /// Returns the instances of a service, in the order of the topology.
    pub fn instances(&self, service: Service) -> Vec<RunningPart> {
        self.lock().iter().filter(|part| part.kind == PartKind::Service(service)).cloned().collect()
    }

    /// The request from which the stack was started.
    pub const fn request(&self) -> &StackRequest {
        &self.request
    }

    /// Returns the undo log that has the parts; `None` if the parts outlive the harness.
    pub(crate) const fn undo_log(&self) -> Option<&Arc<UndoLog>> {
        self.undo_log.as_ref()
    }

    /// Returns the label of the stack's containers; `None` on other backends.
    pub fn label(&self) -> Option<&str> {
        self.runtime.label()
    }

    /// Returns the addresses of the target, which were resolved once; `None` if the stack is one of this product.
    pub fn resolved_host(&self) -> Option<ResolvedHost> {
        self.runtime.resolved_host()
    }

    /// Returns the MCP endpoints by part name. If a proxy is between the clients and a part, the endpoint is the
    /// proxy's.
    pub fn endpoints(&self) -> BTreeMap<String, String> {
        let entrances = self.entrances.lock();
        let parts = self.lock();
        let services = parts.iter().filter(|part| part.kind.serves_clients());
        let endpoint = |part: &RunningPart| {
            let base = entrances.get(&part.name).unwrap_or(&part.url);
            // The URL of a target is its endpoint.
            let path = if part.kind == PartKind::Target { "" } else { mcp_contracts::service::MCP_PATH };
            (part.name.clone(), format!("{base}{path}"))
        };
        services.map(endpoint).collect()
    }

    /// Stops the parts in reverse order, then ends the reaper.
    ///
    /// # Errors
    /// Something of the stack is left. The reaper tries again to remove it.
    pub async fn stop(self) -> Result<(), StackError> {
        let ended = self.end_parts().await;
        // The last handle of the log waits for the reaper to exit, which would block this thread of the runtime.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
        ended
    }

    async fn end_parts(&self) -> Result<(), StackError> {
        // The proxies close after the parts, because the calls that a part finishes during its shutdown pass through them.
        let ended = self.runtime.stop(&self.request.topology.waves()).await;
        self.proxies.close().await;
        ended
    }

    /// Gives up the parts without stopping them. Only a detached stack has no undo log that would end them.
    pub fn detach(self) {
        self.runtime.detach();
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Vec<RunningPart>> {
        self.parts.lock()
    }
}
