//! A target that runs already: the harness resolves its host once, and neither starts, stops nor changes it.

use super::runtime::PartRuntime;
use super::{RunningPart, StackError};
use crate::plan::reach::Reached;
use crate::plan::target::{TARGET, Target};
use crate::plan::topology::PartKind;

pub(super) struct RunningTarget {
    part: RunningPart,
    reached: Reached,
}

impl PartRuntime for RunningTarget {
    fn running(&self) -> Option<Vec<RunningPart>> {
        Some(vec![self.part.clone()])
    }

    fn reached(&self) -> Option<Reached> {
        Some(self.reached.clone())
    }
}

impl RunningTarget {
    /// Fails if the host must not be reached, or has no address. Whether the server answers is found out at the first contact.
    pub(super) async fn find(target: &Target) -> Result<Self, StackError> {
        let unreachable = |why| StackError::TargetOutOfReach { url: target.url.clone(), why };
        let reached = target.reach.resolve(&target.url).await.map_err(unreachable)?;
        let part = RunningPart {
            name: TARGET.to_owned(),
            kind: PartKind::Target,
            url: target.url.clone(),
            pid: None,
            started: None,
            container: None,
            log: None,
            tls: None,
        };
        Ok(Self { part, reached })
    }
}
