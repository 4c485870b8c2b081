//! The backends that run a stack, and the addresses that the harness may send load to.

use mcp_contracts::Service;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Plain processes on this machine.
    Process,
    /// Containers on this machine.
    Docker,
    /// A stack that the harness did not start.
    External {
        /// Service name to base URL, such as `memory` to `http://127.0.0.1:7420`.
        urls: BTreeMap<String, String>,
    },
}

impl Backend {
    /// Returns the value of `--backend`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Docker => "docker",
            Self::External { .. } => "external",
        }
    }

    /// Returns the reasons why this backend cannot run the topology, one line each.
    pub(super) fn problems(&self, topology: &super::topology::Topology) -> Vec<String> {
        let Self::External { urls } = self else {
            let needs = if matches!(self, Self::Docker) { topology.needs_processes() } else { Vec::new() };
            return self.unsupported(needs);
        };
        let mut problems = self.unsupported(topology.needs_own_stack());
        let services = topology.services().into_iter().map(Service::name);
        let missing = services.filter(|service| !urls.contains_key(*service));
        problems.extend(
            missing.map(|service| {
                format!("the URL of `{service}` is missing; add `--url {service}=http://127.0.0.1:PORT`")
            }),
        );
        problems.extend(urls.iter().filter_map(|(service, url)| refuse_url(service, url)));
        problems
    }

    fn unsupported(&self, needs: Vec<String>) -> Vec<String> {
        let backend = self.name();
        let problem = |need| format!("{need}, which `--backend {backend}` does not support; use `--backend process`");
        needs.into_iter().map(problem).collect()
    }
}

/// Returns why the harness refuses this URL; `None` if it accepts it. A wrong URL must not send load or faults to another machine.
fn refuse_url(service: &str, url: &str) -> Option<String> {
    let parsed = url.parse::<http::Uri>().ok().filter(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
    let Some(uri) = parsed else {
        return Some(format!("`{url}` of `{service}` is not a URL such as `http://127.0.0.1:7420`"));
    };
    // `Uri` keeps the brackets of an IPv6 address, and `IpAddr` does not accept them.
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    // A host name without a dot can only be a container on the same network: no host of the internet has such a name.
    // It must begin with a letter, because a number is an IPv4 address in another notation.
    let container = !host.contains(['.', ':']) && host.starts_with(|first: char| first.is_ascii_alphabetic());
    (!loopback && !container).then(|| {
        format!("`{url}` of `{service}` is neither an address of this machine nor the name of a container; the harness sends load nowhere else")
    })
}

#[cfg(test)]
mod tests {
    use super::refuse_url;

    #[test]
    fn load_is_sent_to_this_machine_and_to_named_containers_only() {
        for near in ["http://127.0.0.1:7420", "http://localhost:7420", "http://[::1]:7420", "http://memory:7420"] {
            assert_eq!(refuse_url("memory", near), None, "{near}");
        }
        for far in
            ["http://192.0.2.7:7420", "http://memory.example:7420", "http://[2001:db8::1]:7420", "http://3232235777:80"]
        {
            assert!(refuse_url("memory", far).is_some_and(|why| why.contains("nowhere else")), "{far}");
        }
        let why = refuse_url("memory", "https://127.0.0.1:7420");
        assert!(why.is_some_and(|why| why.contains("is not a URL")));
    }
}
