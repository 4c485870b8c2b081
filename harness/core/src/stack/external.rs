//! The external backend: a stack that the harness did not start. The harness checks that its parts are the right
//! services, within reach and ready, and never starts, stops or changes one.

use super::ready::{self, Readiness};
use super::runtime::PartRuntime;
use super::{RunningPart, StackError, StackRequest};
use crate::plan::reach::Reach;
use crate::plan::topology::Part;
use mcp_contracts::Service;
use mcp_contracts::service::{VERSION_PATH, VersionInfo};
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
    /// Fails if a part is out of reach, is another service, or is not ready.
    pub(super) async fn check(
        request: &StackRequest,
        urls: &BTreeMap<String, String>,
        hosts: &[String],
        http: &reqwest::Client,
    ) -> Result<Self, StackError> {
        let (mut parts, reach) = (Vec::new(), Reach::to(hosts));
        for (name, url) in urls {
            let is_it = |part: &&Part| part.kind.service().is_some_and(|service| service.name() == name);
            // The user may name more services than this run uses.
            let Some(part) = request.topology.parts.iter().find(is_it) else { continue };
            let url = url.trim_end_matches('/').to_owned();
            let Some(service) = part.kind.service() else { continue };
            let unreachable = |why: String| StackError::Unreachable { part: name.clone(), url: url.clone(), why };
            // The plan has refused names by the list alone; here their addresses are known.
            reach.resolve(&url).await.map_err(unreachable)?;
            match ready::readiness(http, part.kind, &url).await {
                Readiness::Ready => {}
                Readiness::NotReady(response) => return Err(unreachable(format!("it is not ready: {response}"))),
                Readiness::Silent(error) => return Err(unreachable(error)),
            }
            // A wrong port would send the load to another service, which answers every call with an error.
            is_service(http, service, &url).await.map_err(|why| StackError::WrongService {
                part: name.clone(),
                url: url.clone(),
                why,
            })?;
            parts.push(RunningPart {
                name: name.clone(),
                kind: part.kind,
                url,
                pid: None,
                started: None,
                container: None,
                log: None,
                tls: None,
            });
        }
        Ok(Self { parts })
    }
}

/// Fails if `/version` does not name the service.
async fn is_service(http: &reqwest::Client, service: Service, url: &str) -> Result<(), String> {
    let silent = |error: reqwest::Error| format!("`{VERSION_PATH}` gives no answer: {}", error.without_url());
    let response = http.get(format!("{url}{VERSION_PATH}")).send().await.map_err(silent)?;
    if !response.status().is_success() {
        return Err(format!("`{VERSION_PATH}` answers with status {}", response.status().as_u16()));
    }
    let text = response.text().await.map_err(silent)?;
    let name = serde_json::from_str::<VersionInfo>(&text).map(|version| version.name);
    match name {
        Ok(name) if name == service.binary() => Ok(()),
        Ok(name) => Err(format!("it is `{name}`")),
        Err(_) => Err(format!("its answer to `{VERSION_PATH}` is not that of a service")),
    }
}

#[cfg(test)]
mod tests {
    use super::is_service;
    use mcp_contracts::Service;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinSet;

    /// Serves one reply, as long as the task exists, and returns the URL.
    async fn answering(reply: &'static str) -> (String, JoinSet<()>) {
        let mut tasks = JoinSet::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tasks.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(reply.as_bytes()).await;
        });
        (url, tasks)
    }

    #[tokio::test]
    async fn only_the_named_service_is_accepted() {
        let http = crate::stack::ready::http_client().unwrap();
        for (reply, expected) in [
            ("{\"name\":\"mcp-memory\",\"version\":\"1\",\"protocols\":[]}", None),
            ("{\"name\":\"mcp-patterns\",\"version\":\"1\",\"protocols\":[]}", Some("it is `mcp-patterns`")),
            ("<html>", Some("is not that of a service")),
        ] {
            let text =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{reply}", reply.len());
            let (url, _tasks) = answering(text.leak()).await;
            let result = is_service(&http, Service::Memory, &url).await;
            match expected {
                None => assert_eq!(result, Ok(())),
                Some(why) => assert!(result.unwrap_err().contains(why), "{reply}"),
            }
        }
        let (url, _tasks) = answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        assert!(is_service(&http, Service::Memory, &url).await.unwrap_err().contains("status 404"));
    }
}
