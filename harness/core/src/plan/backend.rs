//! The backends that run a stack, and the addresses that the harness may send load to.

use super::target::Target;
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
        let reachable = Reachable { hosts, in_container: in_container() };
        problems.extend(urls.iter().filter_map(|(service, url)| reachable.refuse(service, url)));
        problems
    }

    fn unsupported(&self, needs: Vec<String>) -> Vec<String> {
        let backend = self.name();
        let problem = |need| format!("{need}, which `--backend {backend}` does not support; use `--backend process`");
        needs.into_iter().map(problem).collect()
    }
}

/// The hosts that the harness may send load to.
struct Reachable<'a> {
    /// The list in the settings.
    hosts: &'a [String],
    /// True if the harness runs in a container.
    in_container: bool,
}

impl Reachable<'_> {
    /// Returns why the harness refuses this URL; `None` if it accepts it. A wrong URL must not send load or faults to
    /// another machine.
    fn refuse(&self, service: &str, url: &str) -> Option<String> {
        let Some(host) = host_of(url) else {
            return Some(format!("`{url}` of `{service}` is not a URL such as `http://127.0.0.1:7420`"));
        };
        // In a container, such a name can be a neighbour on its network, for example `memory`. When the run starts, the
        // address of the name must be in that network. On any other machine, a name without a dot can be any machine of
        // the office.
        let neighbour = self.in_container
            && !host.contains(['.', ':'])
            && host.starts_with(|first: char| first.is_ascii_alphabetic());
        let allowed = is_loopback(host) || self.hosts.iter().any(|allowed| allowed == host) || neighbour;
        (!allowed).then(|| {
            format!(
                "`{host}` in the URL of `{service}` is not this machine; the harness sends load only to loopback, to its own \
                 container network, and to the hosts in `external.hosts` of `harness.toml`"
            )
        })
    }
}

/// Returns the host of an `http` URL.
pub(crate) fn host_of(url: &str) -> Option<&str> {
    let uri = url.parse::<http::Uri>().ok().filter(|uri| uri.scheme_str() == Some("http"))?;
    let host = uri.host()?;
    // Borrowed from `url`, because `uri` ends here.
    let start = url.find(host)?;
    // `Uri` keeps the brackets of an IPv6 address, and `IpAddr` does not accept them.
    Some(url[start..start + host.len()].trim_start_matches('[').trim_end_matches(']'))
}

pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns true if this process runs in a container: Docker and Podman create one of these files in each.
fn in_container() -> bool {
    ["/.dockerenv", "/run/.containerenv"].iter().any(|file| std::path::Path::new(file).exists())
}

#[cfg(test)]
mod tests {
    use super::Reachable;

    const OUTSIDE: Reachable<'_> = Reachable { hosts: &[], in_container: false };

    #[test]
    fn load_is_sent_to_this_machine_only() {
        for near in ["http://127.0.0.1:7420", "http://localhost:7420", "http://[::1]:7420"] {
            assert_eq!(OUTSIDE.refuse("memory", near), None, "{near}");
        }
        for far in [
            "http://192.0.2.7:7420",
            "http://memory.example:7420",
            "http://memory:7420",
            "http://[2001:db8::1]:7420",
            "http://3232235777:80",
        ] {
            let why = OUTSIDE.refuse("memory", far);
            assert!(why.is_some_and(|why| why.contains("is not this machine")), "{far}");
        }
        let why = OUTSIDE.refuse("memory", "https://127.0.0.1:7420");
        assert!(why.is_some_and(|why| why.contains("is not a URL")));
    }

    #[test]
    fn a_host_on_the_list_and_a_neighbour_of_the_container_are_accepted() {
        let hosts = ["memory.example".to_owned(), "2001:db8::1".to_owned()];
        let listed = Reachable { hosts: &hosts, in_container: false };
        for url in ["http://memory.example:7420", "http://[2001:db8::1]:7420"] {
            assert_eq!(listed.refuse("memory", url), None, "{url}");
        }
        assert!(listed.refuse("memory", "http://example:7420").is_some());
        let inside = Reachable { hosts: &[], in_container: true };
        assert_eq!(inside.refuse("memory", "http://memory:7420"), None);
        for far in ["http://memory.example:7420", "http://192.0.2.7:7420", "http://3232235777:80"] {
            assert!(inside.refuse("memory", far).is_some(), "{far}");
        }
    }
}
