//! The external backend: a stack that the harness did not start. Its parts are only asked whether they are ready.

use super::runtime::PartRuntime;
use super::{RunningPart, StackError, StackRequest};
use crate::plan::topology::Part;
use mcp_contracts::service::READYZ_PATH;
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
            let Some(part) = request.topology.parts.iter().find(is_it) else { continue };
            let url = url.trim_end_matches('/').to_owned();
            let unreachable = |why: String| StackError::Unreachable { part: name.clone(), url: url.clone(), why };
            let reply = http.get(format!("{url}{READYZ_PATH}")).send().await;
            let reply = reply.map_err(|error| unreachable(error.without_url().to_string()))?;
            if !reply.status().is_success() {
                let (status, text) = (reply.status(), reply.text().await.unwrap_or_default());
                return Err(unreachable(format!("it answers {status}: {text}")));
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
