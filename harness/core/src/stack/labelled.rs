//! Everything in Docker that carries a stack's label: what is left of a stack is found and removed by it alone.

use bollard::Docker;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions,
};
use std::collections::HashMap;
use std::time::Duration;

/// Label of everything that the harness makes in Docker.
pub const LABEL: &str = "harness.stack";
/// How long the daemon may take to answer a ping.
const PING_DEADLINE: Duration = Duration::from_secs(5);

/// Docker does not answer, or refuses.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DockerError(String);

impl From<bollard::errors::Error> for DockerError {
    fn from(error: bollard::errors::Error) -> Self {
        Self(error.to_string())
    }
}

/// Connects to the daemon and asks whether it is there.
///
/// # Errors
/// It does not answer.
pub async fn connect() -> Result<Docker, DockerError> {
    let docker = Docker::connect_with_local_defaults()?;
    match tokio::time::timeout(PING_DEADLINE, docker.ping()).await {
        Ok(answer) => answer.map(|_| docker).map_err(DockerError::from),
        Err(_) => Err(DockerError("no answer to a ping".to_owned())),
    }
}

/// Removes every container, network and volume of a stack.
///
/// # Errors
/// Docker does not answer, or refuses.
pub async fn remove(label: &str) -> Result<(), DockerError> {
    remove_from(&connect().await?, label).await
}

/// The same on a connection that is there.
///
/// # Errors
/// Docker does not answer, or refuses.
pub async fn remove_from(docker: &Docker, label: &str) -> Result<(), DockerError> {
    let Labelled { containers, networks, volumes } = list(docker, label).await?;
    for id in containers {
        let remove = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let _ = docker.remove_container(&id, Some(remove)).await;
    }
    for id in networks {
        let _ = docker.remove_network(&id).await;
    }
    for name in volumes {
        let _ = docker.remove_volume(&name, None::<RemoveVolumeOptions>).await;
    }
    Ok(())
}

/// Counts the containers, networks and volumes that are left of a stack.
///
/// # Errors
/// Docker does not answer.
pub async fn left(label: &str) -> Result<usize, DockerError> {
    let left = list(&connect().await?, label).await?;
    Ok(left.containers.len() + left.networks.len() + left.volumes.len())
}

/// What carries a label.
struct Labelled {
    containers: Vec<String>,
    networks: Vec<String>,
    volumes: Vec<String>,
}

async fn list(docker: &Docker, label: &str) -> Result<Labelled, DockerError> {
    let filters = HashMap::from([("label", vec![format!("{LABEL}={label}")])]);
    let every = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let containers = docker.list_containers(Some(every)).await?;
    let networks = docker.list_networks(Some(ListNetworksOptionsBuilder::new().filters(&filters).build())).await?;
    let volumes = docker.list_volumes(Some(ListVolumesOptionsBuilder::new().filters(&filters).build())).await?;
    Ok(Labelled {
        containers: containers.into_iter().filter_map(|container| container.id).collect(),
        networks: networks.into_iter().filter_map(|network| network.id).collect(),
        volumes: volumes.volumes.unwrap_or_default().into_iter().map(|volume| volume.name).collect(),
    })
}
