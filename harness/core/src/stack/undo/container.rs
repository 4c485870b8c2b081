//! What was done to a container: it was paused, or its limits were changed.

use super::UndoError;
use crate::stack::labelled;
use bollard::Docker;
use bollard::models::ContainerUpdateBody;
use serde::{Deserialize, Serialize};

/// No limit, as the daemon is told; 0 would mean no change.
pub(crate) const UNLIMITED: i64 = -1;
/// More memory than any machine has, and more still with what is swapped out: an update of memory takes no other word for no limit.
const ALL_MEMORY: i64 = 1 << 60;
const ALL_SWAP: i64 = 1 << 61;

/// A container as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerUndo {
    /// Its identity.
    pub container: String,
    /// Whether it was paused.
    pub paused: bool,
    /// Microseconds of a core in each period of 100 ms that it had, -1 without a limit; absent where that was not changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<i64>,
    /// Bytes of memory that it had, -1 without a limit; absent where that was not changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
    /// Bytes of memory and of what is swapped out that it had together; absent and -1 as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_swap: Option<i64>,
}

impl ContainerUndo {
    /// Restores nothing yet.
    pub(crate) const fn of(container: String) -> Self {
        Self { container, paused: false, cpu_quota: None, memory: None, memory_swap: None }
    }

    pub(super) async fn restore(&self) -> Result<(), UndoError> {
        let docker = labelled::connect().await.map_err(UndoError::new)?;
        let Some(state) = self.state(&docker).await? else { return Ok(()) };
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

    /// How it is; nothing where it is gone.
    async fn state(&self, docker: &Docker) -> Result<Option<bollard::models::ContainerState>, UndoError> {
        match docker.inspect_container(&self.container, None).await {
            Ok(found) => Ok(found.state),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(UndoError::new(error)),
        }
    }
}
