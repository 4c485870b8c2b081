//! A target: one MCP server of any maker and language, which the harness knows by its URL alone, or by the command that starts it. Nothing here
//! connects to it.

use super::bearer::BearerSource;
use super::reach::{Reach, without_secrets};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Name of the only part of the stack of a target.
pub const TARGET: &str = "target";
/// What the URL of a target that the harness starts has in place of the port.
pub const PORT_MARK: &str = "{{port}}";

/// A server that is not part of this product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The MCP endpoint, such as `https://staging.example/mcp`. If the harness starts the server, [`PORT_MARK`] stands for its port.
    pub url: String,
    /// Where the tokens of the clients come from. Each token stands for one organisation. Without a token all clients are of one organisation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<BearerSource>,
    /// PEM file with the certificates of the issuers; `None` for those that the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// What the user allows beyond loopback and the container network of the harness.
    #[serde(default)]
    pub reach: Reach,
    /// How the harness starts the server; `None` if it runs already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
}

/// How the harness starts a target, and when the target is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Program and arguments. [`PORT_MARK`] stands for the port, `{{data}}` for a folder of the run.
    pub command: Vec<String>,
    /// Working directory; `None` is that of the harness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// Environment variables with a value, and names of variables that are passed on (`None`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, Option<String>>,
    /// Path that must answer with a status below 500, such as `/health`. `None`: the server is ready when it lists its tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// Maximum time until the server is ready.
    pub deadline: Duration,
}

impl Target {
    /// Returns the port in the URL; `None` if [`PORT_MARK`] stands for it.
    pub(crate) fn fixed_port(&self) -> Option<u16> {
        let uri: http::Uri = self.url.parse().ok()?;
        Some(uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 }))
    }

    /// Returns the number of organisations: one for each token.
    pub fn organisations(&self) -> u32 {
        (self.tokens.len() as u32).max(1)
    }

    /// Returns the reasons why the target cannot be used, one line each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        match &self.start {
            None if self.url.contains(PORT_MARK) => problems.push(format!(
                "the URL `{}` of the target has `{PORT_MARK}`, which stands for the port of a server that the harness starts; \
                 add `[target.start]`, or write the port",
                without_secrets(&self.url)
            )),
            None => problems.extend(self.reach.precheck(&self.url).err()),
            Some(start) => {
                // Any port, because the braces of the mark are not allowed in a URL.
                let url = self.url.replace(PORT_MARK, "1");
                problems.extend(Reach::precheck_started(&url).err().map(|why| format!("the URL of the target: {why}")));
                if start.command.is_empty() {
                    problems.push("`target.start.command` is empty; it needs a program".to_owned());
                }
                // Else the path could continue the port, or name another host.
                if let Some(path) = start.ready.as_ref().filter(|path| !path.starts_with('/')) {
                    problems.push(format!("`target.start.ready` is `{path}`; it needs a path such as `/health`"));
                }
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::{Reach, Start, Target};
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn problems(url: &str, ready: Option<&str>) -> String {
        let start = Start {
            command: vec!["serve".to_owned()],
            directory: None,
            environment: BTreeMap::new(),
            ready: ready.map(str::to_owned),
            deadline: Duration::from_secs(1),
        };
        let reach = Reach::to(&["staging.example".to_owned()]);
        let target = Target { url: url.to_owned(), tokens: Vec::new(), ca_file: None, reach, start: Some(start) };
        target.problems().join("\n")
    }

    #[test]
    fn a_server_that_the_harness_starts_is_on_loopback() {
        for near in ["http://127.0.0.1:{{port}}/mcp", "http://localhost:{{port}}/mcp", "http://[::1]:8000/mcp"] {
            assert_eq!(problems(near, Some("/health")), "", "{near}");
        }
        for far in
            ["http://staging.example:{{port}}/mcp", "http://192.0.2.7:{{port}}/mcp", "http://memory:{{port}}/mcp"]
        {
            let why = problems(far, None);
            assert!(why.contains("is not loopback") && why.contains("[target.start]"), "{far}: {why}");
        }
        assert!(problems("http://127.0.0.1:{{port}}/mcp?key=a", None).contains("query"));
    }

    #[test]
    fn the_path_of_readiness_cannot_change_the_host() {
        for path in ["health", "@192.0.2.7/", "0/health", ""] {
            assert!(problems("http://127.0.0.1:{{port}}/mcp", Some(path)).contains("`target.start.ready`"), "{path}");
        }
    }
}
