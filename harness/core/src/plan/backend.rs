//! The backends that run a stack, and why one cannot run a topology.

use super::reach::Reach;
use super::target::Target;
use mcp_contracts::Service;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
        /// Hosts that the user allows in addition to loopback and the container network of the harness.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<String>,
    },
    /// One server that is not part of this product.
    Target(Box<Target>),
}

impl Backend {
    /// Returns the value of `--backend`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Docker => "docker",
            Self::External { .. } => "external",
            Self::Target(_) => "target",
        }
    }

    /// Returns the target; `None` if the stack is one of this product.
    pub fn target(&self) -> Option<&Target> {
        match self {
            Self::Target(target) => Some(target),
            Self::Process | Self::Docker | Self::External { .. } => None,
        }
    }

    /// Returns true if the harness did not start the stack, so that it can neither stop nor change a part.
    pub fn is_external(&self) -> bool {
        match self {
            Self::External { .. } => true,
            Self::Target(target) => target.start.is_none(),
            Self::Process | Self::Docker => false,
        }
    }

    /// Returns the reasons why this backend cannot run the topology, one line each.
    pub(super) fn problems(&self, topology: &super::topology::Topology) -> Vec<String> {
        let (urls, hosts) = match self {
            Self::Process => return Vec::new(),
            Self::Docker => return self.unsupported(topology.needs_processes()),
            Self::Target(target) => return target.problems(),
            Self::External { urls, hosts } => (urls, hosts),
        };
        let mut problems = self.unsupported(topology.needs_own_stack());
        let services = topology.services().into_iter().map(Service::name);
        let missing = services.filter(|service| !urls.contains_key(*service));
        problems.extend(
            missing.map(|service| {
                format!("the URL of `{service}` is missing; add `--url {service}=http://127.0.0.1:PORT`")
            }),
        );
        let reach = Reach::to(hosts);
        problems.extend(urls.iter().filter_map(|(service, url)| refuse(&reach, service, url)));
        problems
    }

    fn unsupported(&self, needs: Vec<String>) -> Vec<String> {
        let backend = self.name();
        let problem = |need| format!("{need}, which `--backend {backend}` does not support; use `--backend process`");
        needs.into_iter().map(problem).collect()
    }
}

/// Returns why the harness refuses the URL of a service; `None` if it accepts it. When the run starts, the addresses of the host are checked as well.
fn refuse(reach: &Reach, service: &str, url: &str) -> Option<String> {
    // The services of a stack are reached without TLS: readiness and metrics as well as calls.
    if !url.starts_with("http://") {
        return Some(format!("`{url}` of `{service}` is not a URL such as `http://127.0.0.1:7420`"));
    }
    reach.precheck(url).err().map(|why| format!("the URL of `{service}`: {why}"))
}

#[cfg(test)]
mod tests {
    use super::refuse;
    use crate::plan::reach::Reach;

    #[test]
    fn load_is_sent_to_this_machine_only() {
        let none = Reach::default();
        for near in ["http://127.0.0.1:7420", "http://localhost:7420", "http://[::1]:7420"] {
            assert_eq!(refuse(&none, "memory", near), None, "{near}");
        }
        for far in ["http://192.0.2.7:7420", "http://memory.example:7420", "http://[2001:db8::1]:7420"] {
            let why = refuse(&none, "memory", far);
            assert!(why.is_some_and(|why| why.contains("is not this machine") && why.contains("`memory`")), "{far}");
        }
        for wrong in ["https://127.0.0.1:7420", "127.0.0.1:7420", "http://"] {
            let why = refuse(&none, "memory", wrong);
            assert!(why.is_some_and(|why| why.contains("is not a URL")), "{wrong}");
        }
    }

    #[test]
    fn a_host_on_the_list_is_accepted() {
        let listed = Reach::to(&["memory.example".to_owned(), "2001:db8::1".to_owned()]);
        for url in ["http://memory.example:7420", "http://[2001:db8::1]:7420"] {
            assert_eq!(refuse(&listed, "memory", url), None, "{url}");
        }
        assert!(refuse(&listed, "memory", "http://other.example:7420").is_some());
    }
}
