//! Undoes a fault on a container: resumes it, or restores its limits.

use super::UndoError;
use crate::stack::labelled;
use bollard::Docker;
use bollard::models::ContainerUpdateBody;
use serde::{Deserialize, Serialize};

/// The value that means no limit in an update of the CPU quota. 0 would mean no change.
pub(crate) const UNLIMITED: i64 = -1;
/// An update of memory has no value for no limit, so these stand for it: more than any machine has, 1 EiB, and 2 EiB
/// with swap.
const ALL_MEMORY: i64 = 1 << 60;
const ALL_SWAP: i64 = 1 << 61;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerUndo {
    /// Id of the container.
    pub container: String,
    /// True if the fault has paused the container.
    pub paused: bool,
    /// The CPU quota to restore, in microseconds per period of 100 ms. -1: no limit. `None`: the fault has not changed
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<i64>,
    /// The memory limit to restore, in bytes; -1 and `None` as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
    /// The limit of memory and swap together to restore, in bytes; -1 and `None` as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_swap: Option<i64>,
}

impl ContainerUndo {
    /// Returns an undo that restores nothing yet. The caller sets what to restore.
    pub(crate) const fn of(container: String) -> Self {
        Self { container, paused: false, cpu_quota: None, memory: None, memory_swap: None }
    }

    pub(super) async fn restore(&self) -> Result<(), UndoError> {
        let docker = labelled::connect().await.map_err(UndoError::new)?;
        let Some(state) = self.state(&docker).await? else { return Ok(()) };
        // Docker refuses to resume a container that is not paused, and this undo may be applied twice.
        if self.paused && state.paused == Some(true) {
            docker.unpause_container(&self.container).await.map_err(UndoError::new)?;
        }
        if self.cpu_quota.is_some() || self.memory.is_some() {
            let body = ContainerUpdateBody {
                cpu_quota: self.cpu_quota,
                memory: self.memory.map(|bytes| if bytes == UNLIMITED { ALL_MEMORY } else { bytes }),
                memory_swap: self.memory_swap.map(|bytes| if bytes == UNLIMITED { ALL_SWAP } else { bytes }),
                ..ContainerUpdateBody::default()
            };
            docker.update_container(&self.container, body).await.map_err(UndoError::new)?;
        }
        Ok(())
    }

    /// Returns the state of the container; `None` if it no longer exists.
    async fn state(&self, docker: &Docker) -> Result<Option<bollard::models::ContainerState>, UndoError> {
        match docker.inspect_container(&self.container, None).await {
            Ok(container) => Ok(container.state),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(UndoError::new(error)),
        }
    }
}
