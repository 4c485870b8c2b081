//! A target that runs already: the harness neither starts, stops nor changes it.

use super::runtime::PartRuntime;
use super::{RunningPart, StackError};
use crate::plan::target::{TARGET, Target};
use crate::plan::topology::PartKind;

pub(super) struct RunningTarget {
    part: RunningPart,
}

impl PartRuntime for RunningTarget {
    fn running(&self) -> Option<Vec<RunningPart>> {
        Some(vec![self.part.clone()])
    }
}

impl RunningTarget {
    pub(super) fn of(target: &Target) -> Result<Self, StackError> {
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
        Ok(Self { part })
    }
}
