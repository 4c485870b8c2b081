//! The docker backend: each part is a container on a network that only this stack uses. Ports are published on
//! 127.0.0.1 only. Containers, network and volumes have the label of the stack; if the harness dies, the reaper removes
//! everything with this label.

mod container;
mod life;

use super::ports::port_of;
use super::ready::{log_tail, wait_ready};
use super::runtime::{Action, PartRuntime};
use super::{Ended, RunningPart, START_DEADLINE, STOP_DEADLINE, StackError, StackRequest, fixture};
use crate::plan::topology::{Part, PartKind};
use crate::stack::labelled::{self, LABEL};
use crate::stack::process_id::start_time;
use crate::stack::undo::Undo;
use crate::stack::undo_log::{UndoGuard, UndoLog};
use bollard::Docker;
use bollard::models::{NetworkCreateRequest, VolumeCreateRequest};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage};

/// Port of Redis in its container.
const REDIS_PORT: u16 = 6379;

pub(super) struct Containers {
    docker: Docker,
    http: reqwest::Client,
    label: String,
    /// The address of this machine on the network; the proxies between containers listen there (decision 0018).
    gateway: IpAddr,
    containers: Mutex<BTreeMap<String, PartContainer>>,
    /// Removes everything with the label if the harness dies; `None` if the stack outlives the harness.
    undo: Mutex<Option<UndoGuard>>,
}

struct PartContainer {
    container: ContainerAsync<GenericImage>,
    running: RunningPart,
    /// True if the container was started again. The log consumer of testcontainers follows only the first start, so the
    /// log file lacks the output of later ones until the stack ends.
    again: bool,
}

impl PartRuntime for Containers {
    fn start<'r>(
        &'r self,
        request: &'r StackRequest,
        part: &'r Part,
        environment: BTreeMap<String, String>,
    ) -> Action<'r, RunningPart> {
        Box::pin(async move {
            let port = port_of(part)?;
            let log = request.dir.join("logs").join(format!("{}.log", part.name));
            let wanted = container::request(request, part, (&self.label, self.gateway), port, environment, &log)?;
            let started = Box::pin(wanted.start()).await;
            let container =
                started.map_err(|error| StackError::start(&part.name, format!("{error}\n{}", log_tail(&log))))?;
            let id = container.id().to_owned();
            let url = match part.kind {
                PartKind::Redis => format!("redis://127.0.0.1:{port}"),
                PartKind::Postgres => return Err(container::no_image(part)),
                PartKind::Service(_) | PartKind::Target => format!("http://127.0.0.1:{port}"),
            };
            let mut running = RunningPart {
                name: part.name.clone(),
                kind: part.kind,
                url,
                pid: None,
                started: None,
                container: Some(id),
                log: Some(log),
                tls: None,
            };
            // Inserted before the part is ready, so that `stop` also ends a part that never becomes ready.
            let container = PartContainer { container, running: running.clone(), again: false };
            self.lock().insert(part.name.clone(), container);
            self.settle(&mut running).await?;
            Ok(running)
        })
    }

    fn start_again<'r>(&'r self, _request: &'r StackRequest, name: &'r str) -> Action<'r, RunningPart> {
        Box::pin(async move {
            let (id, mut running) = self.find(name, "started")?;
            if life::process(&self.docker, &id).await.is_some() {
                return Err(StackError::control(name, "started", "it is running already"));
            }
            let started = self.docker.start_container(&id, None).await;
            started.map_err(|error| StackError::control(name, "started", error))?;
            if let Some(container) = self.lock().get_mut(name) {
                container.again = true;
            }
            self.settle(&mut running).await?;
            Ok(running)
        })
    }

    fn kill<'r>(&'r self, name: &'r str) -> Action<'r, ()> {
        Box::pin(async move {
            life::end(&self.docker, name, &self.running_id(name, "killed").await?, "SIGKILL").await.map(drop)
        })
    }

    fn terminate<'r>(&'r self, name: &'r str) -> Action<'r, Ended> {
        Box::pin(
            async move { life::end(&self.docker, name, &self.running_id(name, "stopped").await?, "SIGTERM").await },
        )
    }

    fn pause<'r>(&'r self, name: &'r str) -> Action<'r, ()> {
        Box::pin(async move {
            let id = self.running_id(name, "paused").await?;
            self.docker.pause_container(&id).await.map_err(|error| StackError::control(name, "paused", error))
        })
    }

    fn resume<'r>(&'r self, name: &'r str) -> Action<'r, ()> {
        Box::pin(async move {
            let id = self.running_id(name, "resumed").await?;
            self.docker.unpause_container(&id).await.map_err(|error| StackError::control(name, "resumed", error))
        })
    }

    fn log<'r>(&'r self, part: &'r RunningPart) -> Action<'r, String> {
        Box::pin(async move {
            let (id, _) = self.find(&part.name, "queried for its log")?;
            let log = life::log(&self.docker, &id).await;
            log.map_err(|error| StackError::control(&part.name, "queried for its log", error))
        })
    }

    fn stop<'r>(&'r self, waves: &'r [Vec<&'r Part>]) -> Action<'r, ()> {
        Box::pin(async move {
            let mut containers = std::mem::take(&mut *self.lock());
            for wave in waves.iter().rev() {
                let ending = wave.iter().filter_map(|part| containers.remove(&part.name));
                futures::future::join_all(ending.map(|container| self.end(container))).await;
            }
            // Removes the network, the volumes, and any container that still exists.
            labelled::remove_from(&self.docker, &self.label).await?;
            let undo = self.undo.lock().take();
            if let Some(undo) = undo {
                // Everything is removed. If Docker fails between these two, the entry stays and the reaper tries again.
                let _ = undo.undo().await;
            }
            Ok(())
        })
    }

    fn detach(self: Box<Self>) {
        // The destructor of a handle would remove its container.
        std::mem::take(&mut *self.lock()).into_values().for_each(|container| std::mem::forget(container.container));
    }

    fn label(&self) -> Option<&str> {
        Some(&self.label)
    }

    fn address(&self, part: &RunningPart) -> String {
        let host = container::host(&self.label, &part.name);
        match part.kind {
            PartKind::Redis => format!("redis://{host}:{REDIS_PORT}"),
            PartKind::Service(service) => format!("http://{host}:{}", service.default_port()),
            PartKind::Postgres | PartKind::Target => part.url.clone(),
        }
    }

    fn proxy_address(&self) -> IpAddr {
        self.gateway
    }
}

impl Containers {
    /// Checks that the images exist, and creates the network and the volumes.
    pub(super) async fn prepare(
        request: &StackRequest,
        undo_log: Option<&Arc<UndoLog>>,
        http: reqwest::Client,
    ) -> Result<Self, StackError> {
        let docker = labelled::connect().await?;
        // Checked first: testcontainers would pull a missing image and report the error of the registry.
        for part in &request.topology.parts {
            let (name, tag) = container::image(request, part)?;
            let image = format!("{name}:{tag}");
            if docker.inspect_image(&image).await.is_err() {
                return Err(StackError::MissingImage { image });
            }
        }
        let label = format!("stack-{}", uuid::Uuid::new_v4().simple());
        // Before anything with the label exists, so that nothing remains if the harness dies while it creates it.
        let must_remove = || Undo::RemoveLabelled { label: label.clone() };
        let undo = undo_log.map(|log| log.must_undo(must_remove())).transpose();
        let undo = undo.map_err(|error| StackError::start("network", error))?;
        // testcontainers could create the network too, but would not set the label.
        let labels = HashMap::from([(LABEL.to_owned(), label.clone())]);
        let failed = |what: &str, error: bollard::errors::Error| StackError::start(what, error);
        let network = NetworkCreateRequest { name: label.clone(), labels: Some(labels.clone()), ..Default::default() };
        docker.create_network(network).await.map_err(|error| failed("network", error))?;
        let network = docker.inspect_network(&label, None).await.map_err(|error| failed("network", error))?;
        let gateway = container::gateway(network).map_err(|why| StackError::start("network", why))?;
        for data in container::shared_data(&request.topology) {
            let name = Some(container::volume(&label, data));
            let volume = VolumeCreateRequest { name, labels: Some(labels.clone()), ..Default::default() };
            docker.create_volume(volume).await.map_err(|error| failed("volume", error))?;
        }
        Ok(Self { docker, http, label, gateway, containers: Mutex::default(), undo: Mutex::new(undo) })
    }

    /// Waits until a part is ready or has ended. If it is ready, records its process.
    async fn settle(&self, running: &mut RunningPart) -> Result<(), StackError> {
        let id = running.container.clone().unwrap_or_default();
        let log = running.log.clone().unwrap_or_default();
        // Both waits run at once: `wait_ready` alone would wait for a container that has ended until its deadline.
        tokio::select! {
            ready = wait_ready(&self.http, (&running.name, running.kind, &running.url), &log, || None) => ready?,
            status = life::ended(&self.docker, &id) => {
                return Err(StackError::Died { part: running.name.clone(), status, tail: log_tail(&log) });
            }
        }
        // `None` if the process is not visible here, for example because the daemon runs in a virtual machine.
        running.pid = life::process(&self.docker, &id).await.filter(|pid| life::is_of_container(*pid, &id));
        running.started = running.pid.and_then(start_time);
        if let Some(container) = self.lock().get_mut(&running.name) {
            container.running = running.clone();
        }
        Ok(())
    }

    async fn end(&self, PartContainer { container, running, again }: PartContainer) {
        // Docker sends SIGKILL itself after this time.
        let seconds = i32::try_from(STOP_DEADLINE.as_secs()).unwrap_or(i32::MAX);
        // A paused container does not receive the signal. The call fails if the container is not paused.
        let _ = self.docker.unpause_container(container.id()).await;
        let _ = container.stop_with_timeout(Some(seconds)).await;
        if let Some(log) = running.log.filter(|_| again)
            && let Ok(text) = life::log(&self.docker, container.id()).await
        {
            let _ = std::fs::write(log, text);
        }
        let _ = container.rm().await;
    }

    async fn running_id(&self, name: &str, what: &'static str) -> Result<String, StackError> {
        let (id, _) = self.find(name, what)?;
        match life::process(&self.docker, &id).await {
            Some(_) => Ok(id),
            None => Err(StackError::control(name, what, "it is not running")),
        }
    }

    fn find(&self, name: &str, what: &'static str) -> Result<(String, RunningPart), StackError> {
        let containers = self.lock();
        let part = containers.get(name).ok_or_else(|| StackError::control(name, what, "there is no such part"))?;
        Ok((part.container.id().to_owned(), part.running.clone()))
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, BTreeMap<String, PartContainer>> {
        self.containers.lock()
    }
}
