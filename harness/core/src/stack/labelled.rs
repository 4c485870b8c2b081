//! Finds and removes everything in Docker that has the label of a stack.

use bollard::Docker;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions,
};
use std::collections::HashMap;
use std::time::Duration;

/// The key of the label on every container, network and volume of a stack. Its value names the stack.
pub const LABEL: &str = "harness.stack";
/// Deadline for the daemon to answer a ping.
const PING_DEADLINE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DockerError(String);

impl From<bollard::errors::Error> for DockerError {
    fn from(error: bollard::errors::Error) -> Self {
        Self(error.to_string())
    }
}

/// Connects to the daemon and pings it: without the ping, only the first request would show that no daemon is running.
///
/// # Errors
/// The daemon does not answer.
pub async fn connect() -> Result<Docker, DockerError> {
    let docker = Docker::connect_with_local_defaults()?;
    match tokio::time::timeout(PING_DEADLINE, docker.ping()).await {
        Ok(answer) => answer.map(|_| docker).map_err(DockerError::from),
        Err(_) => Err(DockerError(format!("no answer to a ping within {} s", PING_DEADLINE.as_secs()))),
    }
}

/// Removes every container, network and volume of a stack.
///
/// # Errors
/// Docker does not answer, or refuses.
pub async fn remove(label: &str) -> Result<(), DockerError> {
    remove_from(&connect().await?, label).await
}

/// As [`remove`], on an open connection.
///
/// # Errors
/// Docker does not answer, or something of the stack is left.
pub async fn remove_from(docker: &Docker, label: &str) -> Result<(), DockerError> {
    let Labelled { containers, networks, volumes } = list(docker, label).await?;
    let mut refusals = Vec::new();
    for id in containers {
        let remove = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        // Containers first, because Docker refuses to remove a network or a volume that a container uses. A removal
        // fails if the harness and its reaper remove the same object at the same time, so a refusal is an error only if
        // something is left.
        refusals.extend(docker.remove_container(&id, Some(remove)).await.err());
    }
    for id in networks {
        refusals.extend(docker.remove_network(&id).await.err());
    }
    for name in volumes {
        refusals.extend(docker.remove_volume(&name, None::<RemoveVolumeOptions>).await.err());
    }
    match refusals.first() {
        Some(refusal) if list(docker, label).await?.len() > 0 => {
            Err(DockerError(format!("something with the label `{LABEL}={label}` is left: {refusal}")))
        }
        Some(_) | None => Ok(()),
    }
}

/// Counts the containers, networks and volumes of a stack.
///
/// # Errors
/// Docker does not answer.
pub async fn count(label: &str) -> Result<usize, DockerError> {
    Ok(list(&connect().await?, label).await?.len())
}

struct Labelled {
    containers: Vec<String>,
    networks: Vec<String>,
    volumes: Vec<String>,
}

impl Labelled {
    const fn len(&self) -> usize {
        self.containers.len() + self.networks.len() + self.volumes.len()
    }
}

async fn list(docker: &Docker, label: &str) -> Result<Labelled, DockerError> {
    let filters = HashMap::from([("label", vec![format!("{LABEL}={label}")])]);
    // Without `all`, containers that have ended would not be listed.
    let all = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let containers = docker.list_containers(Some(all)).await?;
    let networks = docker.list_networks(Some(ListNetworksOptionsBuilder::new().filters(&filters).build())).await?;
    let volumes = docker.list_volumes(Some(ListVolumesOptionsBuilder::new().filters(&filters).build())).await?;
    Ok(Labelled {
        containers: containers.into_iter().filter_map(|container| container.id).collect(),
        networks: networks.into_iter().filter_map(|network| network.id).collect(),
        volumes: volumes.volumes.unwrap_or_default().into_iter().map(|volume| volume.name).collect(),
    })
}
