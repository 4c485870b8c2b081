//! The docker backend: testcontainers on a network of the stack's own, published on 127.0.0.1 alone. Everything carries the stack's
//! label, so that the reaper finds it whatever happens to the harness.

use super::{RunningPart, StackError, StackRequest, free_port, log_tail, service_environment, tell_ready, wait_ready};
use crate::labelled::{self, LABEL};
use crate::reaper::{Reaper, start_time};
use crate::topology::{Part, PartKind};
use crate::view::View;
use bollard::Docker;
use bollard::models::{NetworkCreateRequest, PortBinding};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use testcontainers::core::logs::LogFrame;
use testcontainers::core::{IntoContainerPort, WaitFor, wait::LogWaitStrategy};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};

/// How long a container may take to end after it was asked to, in seconds.
const STOP_SECS: i32 = 10;
/// Pause between two questions whether a container has ended.
const ENDED_PAUSE: Duration = Duration::from_millis(200);
/// Port of Redis in its container.
const REDIS_PORT: u16 = 6379;

/// The containers of a stack and their network.
pub(super) struct Containers {
    docker: Docker,
    label: String,
    containers: Vec<ContainerAsync<GenericImage>>,
}

impl Containers {
    /// The label that everything of this stack carries.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) async fn stop(self) {
        for container in self.containers.into_iter().rev() {
            let _ = container.stop_with_timeout(Some(STOP_SECS)).await;
            let _ = container.rm().await;
        }
        let _ = labelled::remove_from(&self.docker, &self.label).await;
    }

    pub(super) fn leave(self) {
        // Dropping a handle removes its container.
        self.containers.into_iter().for_each(std::mem::forget);
    }
}

pub(super) async fn start(
    request: &StackRequest,
    reaper: Option<&Reaper>,
    view: &Arc<dyn View>,
) -> Result<(Vec<RunningPart>, Containers), StackError> {
    let docker = labelled::connect().await?;
    for part in &request.topology.parts {
        let (name, tag) = image(part);
        let image = format!("{name}:{tag}");
        if docker.inspect_image(&image).await.is_err() {
            return Err(StackError::MissingImage { image });
        }
    }
    let label = format!("stack-{}", uuid::Uuid::new_v4().simple());
    if let Some(reaper) = reaper {
        reaper.watch_label(&label);
    }
    let mut started = Containers { docker: docker.clone(), label: label.clone(), containers: Vec::new() };
    match start_parts(request, &mut started, view).await {
        Ok(parts) => Ok((parts, started)),
        Err(error) => {
            started.stop().await;
            Err(error)
        }
    }
}

async fn start_parts(
    request: &StackRequest,
    started: &mut Containers,
    view: &Arc<dyn View>,
) -> Result<Vec<RunningPart>, StackError> {
    // A network of our own making carries our label; one that testcontainers makes would not.
    let network = NetworkCreateRequest {
        name: started.label.clone(),
        labels: Some(HashMap::from([(LABEL.to_owned(), started.label.clone())])),
        ..Default::default()
    };
    let failed = |part: &str, why: String| StackError::Start { part: part.to_owned(), why };
    started.docker.create_network(network).await.map_err(|error| failed("network", error.to_string()))?;
    let mut parts = Vec::new();
    for part in &request.topology.parts {
        let since = Instant::now();
        let port = free_port().map_err(|error| failed(&part.name, error.to_string()))?;
        let log = request.dir.join("logs").join(format!("{}.log", part.name));
        let container = container(request, part, &started.label, port, &log)?;
        let container = Box::pin(container.start())
            .await
            .map_err(|error| failed(&part.name, format!("{error}\n{}", log_tail(&log))))?;
        let id = container.id().to_owned();
        started.containers.push(container);
        let url = match part.kind {
            PartKind::Redis => format!("redis://127.0.0.1:{port}"),
            PartKind::Service(_) => {
                let url = format!("http://127.0.0.1:{port}");
                tokio::select! {
                    ready = wait_ready(&part.name, &url, Some(&log), || None) => ready?,
                    status = ended(&started.docker, &id) => {
                        return Err(StackError::Died { part: part.name.clone(), status, tail: log_tail(&log) });
                    }
                }
                url
            }
        };
        let pid = process_of(&started.docker, &id).await;
        parts.push(RunningPart {
            name: part.name.clone(),
            kind: part.kind,
            url,
            pid,
            started: pid.and_then(start_time),
            container: Some(id),
            log: Some(log),
        });
        tell_ready(view, &part.name, since);
    }
    Ok(parts)
}

fn container(
    request: &StackRequest,
    part: &Part,
    label: &str,
    port: u16,
    log: &Path,
) -> Result<ContainerRequest<GenericImage>, StackError> {
    use mcp_contracts::env;
    let (name, tag) = image(part);
    let inside = match part.kind {
        PartKind::Redis => REDIS_PORT,
        PartKind::Service(service) => service.default_port(),
    };
    let generic = GenericImage::new(name, tag).with_exposed_port(inside.tcp());
    let generic = match part.kind {
        PartKind::Redis => generic.with_wait_for(WaitFor::log(LogWaitStrategy::stdout("Ready to accept connections"))),
        PartKind::Service(_) => generic,
    };
    let file = std::fs::File::options().create(true).append(true).open(log);
    let file = file.map_err(|error| StackError::Start { part: part.name.clone(), why: error.to_string() })?;
    let file = Arc::new(Mutex::new(file));
    // The name on the network is the part's; on the machine it must not clash with another stack's.
    let mut container = generic
        .with_network(label)
        .with_container_name(format!("{}-{label}", part.name))
        .with_hostname(&part.name)
        .with_label(LABEL, label)
        .with_startup_timeout(super::START_DEADLINE)
        .with_log_consumer(move |frame: &LogFrame| {
            let _ = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(frame.bytes());
        });
    if let PartKind::Service(_) = part.kind {
        for (name, value) in service_environment(request, part) {
            container = container.with_env_var(name, value);
        }
        container = container.with_env_var(env::LISTEN_ADDR, format!("0.0.0.0:{inside}"));
        let redis = request.topology.parts.iter().find(|other| other.kind == PartKind::Redis);
        if let Some(redis) = redis {
            container = container.with_env_var(env::REDIS_URL, format!("redis://{}-{label}:{REDIS_PORT}", redis.name));
        }
        container = container.with_cap_drop("ALL").with_security_opt("no-new-privileges");
    }
    // A port of its own choosing would change with every restart; published on loopback alone.
    Ok(container.with_host_config_modifier(move |host| {
        let binding = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(port.to_string()) };
        host.publish_all_ports = Some(false);
        host.port_bindings = Some(HashMap::from([(format!("{inside}/tcp"), Some(vec![binding]))]));
    }))
}

fn image(part: &Part) -> (&'static str, &'static str) {
    match part.kind {
        PartKind::Redis => ("redis", "7"),
        PartKind::Service(service) => (service.binary(), "latest"),
    }
}

/// Returns when a container has ended, and says how.
async fn ended(docker: &Docker, id: &str) -> String {
    loop {
        let state = docker.inspect_container(id, None).await.ok().and_then(|container| container.state);
        if let Some(state) = state.filter(|state| state.running == Some(false)) {
            // What it wrote last is still on its way to the log.
            tokio::time::sleep(ENDED_PAUSE).await;
            return format!("exit code {}", state.exit_code.unwrap_or_default());
        }
        tokio::time::sleep(ENDED_PAUSE).await;
    }
}

async fn process_of(docker: &Docker, id: &str) -> Option<u32> {
    let state = docker.inspect_container(id, None).await.ok()?.state?;
    state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0)
}
