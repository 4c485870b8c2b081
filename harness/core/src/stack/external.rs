//! The external backend: a stack that the harness did not start. The harness checks that its parts are ready, and never
//! starts, stops or changes one.

use super::ready::{self, Readiness};
use super::runtime::PartRuntime;
use super::{RunningPart, StackError, StackRequest};
use crate::plan::topology::Part;
use std::collections::BTreeMap;

pub(super) struct External {
    parts: Vec<RunningPart>,
}

impl PartRuntime for External {
    fn running(&self) -> Option<Vec<RunningPart>> {
        Some(self.parts.clone())
    }
}

impl External {
    /// Fails if a part is not ready.
    pub(super) async fn check(
        request: &StackRequest,
        urls: &BTreeMap<String, String>,
        http: &reqwest::Client,
    ) -> Result<Self, StackError> {
        let mut parts = Vec::new();
        for (name, url) in urls {
            let is_it = |part: &&Part| part.kind.service().is_some_and(|service| service.name() == name);
            // The user may name more services than this run uses.
            let Some(part) = request.topology.parts.iter().find(is_it) else { continue };
            let url = url.trim_end_matches('/').to_owned();
            let unreachable = |why: String| StackError::Unreachable { part: name.clone(), url: url.clone(), why };
            match ready::readiness(http, part.kind, &url).await {
                Readiness::Ready => {}
                Readiness::NotReady(response) => return Err(unreachable(format!("it is not ready: {response}"))),
                Readiness::Silent(error) => return Err(unreachable(error)),
            }
            parts.push(RunningPart {
                name: name.clone(),
                kind: part.kind,
                url,
                pid: None,
                started: None,
                container: None,
                log: None,
            });
        }
        Ok(Self { parts })
    }
}
