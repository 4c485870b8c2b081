//! A target that runs already: the harness resolves its host once, and neither starts, stops nor changes it.

use super::runtime::PartRuntime;
use super::{RunningPart, StackError};
use crate::plan::reach::ResolvedHost;
use crate::plan::target::{TARGET, Target};
use crate::plan::topology::PartKind;

pub(super) struct RunningTarget {
    part: RunningPart,
    resolved_host: ResolvedHost,
}

impl PartRuntime for RunningTarget {
    fn running(&self) -> Option<Vec<RunningPart>> {
        Some(vec![self.part.clone()])
    }

    fn resolved_host(&self) -> Option<ResolvedHost> {
        Some(self.resolved_host.clone())
    }
}

impl RunningTarget {
    /// Fails if the host must not be reached, or has no address. Whether the server answers is found out at the first contact.
    pub(super) async fn find(target: &Target) -> Result<Self, StackError> {
        let unreachable = |why| StackError::TargetOutOfReach { url: target.url.clone(), why };
        let resolved_host = target.reach.resolve(&target.url).await.map_err(unreachable)?;
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
        Ok(Self { part, resolved_host })
    }
}
