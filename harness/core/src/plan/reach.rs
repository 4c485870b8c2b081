//! Which machines the harness may send load and faults to, and how much of it. A wrong URL must not reach another machine, so everything beyond
//! loopback and the harness's own container network has to be listed by the user, and some addresses are refused even then.

mod address;
mod caps;
mod network;

pub use caps::Caps;

use http::Uri;
use network::Network;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Deadline for resolving the name of a host.
const RESOLVE_DEADLINE: Duration = Duration::from_secs(5);
/// Maximum number of addresses of a name. A name with more is a mistake, and each address has to be printed.
const MAX_ADDRESSES: usize = 32;

/// What the user allows beyond loopback and the harness's own container network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Names or addresses without a port, as in the URL.
    pub hosts: Vec<String>,
    /// Bounds on a load beyond loopback.
    pub caps: Caps,
}

/// A URL whose host may be reached, with the addresses that every later connection uses. Serialized with the plan: the addresses are resolved once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedHost {
    /// Host as in the URL, in lower case. An IPv6 address has no brackets.
    pub host: String,
    /// At least one, with the port of the URL.
    pub addresses: Vec<SocketAddr>,
    /// True if every address is loopback.
    pub is_loopback: bool,
}

impl std::fmt::Display for ResolvedHost {
    /// Writes the host and its addresses, for the line that is printed before a load: `staging.example (192.0.2.7:443)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        write!(f, "{} ({})", self.host, addresses.join(", "))
    }
}

impl Reach {
    /// Allows these hosts, with the default bounds.
    pub fn to(hosts: &[String]) -> Self {
        Self { hosts: hosts.to_vec(), caps: Caps::default() }
    }

    /// Resolves the host of a URL once, and checks every address.
    ///
    /// # Errors
    /// Returns why the harness sends nothing there: the text is not an `http` or `https` URL, its host is neither loopback nor in the container network
    /// nor listed, it cannot be resolved, or one of its addresses is never reached.
    pub async fn resolve(&self, url: &str) -> Result<ResolvedHost, String> {
        let (host, port) = parse(url)?;
        self.check_name(&host, in_container())?;
        let lookup = tokio::time::timeout(RESOLVE_DEADLINE, tokio::net::lookup_host((host.as_str(), port)));
        let addresses = match lookup.await {
            Ok(Ok(addresses)) => addresses.take(MAX_ADDRESSES + 1).collect(),
            Ok(Err(error)) => return Err(format!("`{host}` cannot be resolved: {error}")),
            Err(_) => {
                return Err(format!("`{host}` cannot be resolved: no answer within {} s", RESOLVE_DEADLINE.as_secs()));
            }
        };
        self.check(&host, addresses, &network::own())
    }

    /// Returns the reasons why this load may not be sent to a host, one line each. Loopback has no bounds.
    pub fn problems(&self, resolved_host: &ResolvedHost, workload: &super::workload::Workload) -> Vec<String> {
        if resolved_host.is_loopback { Vec::new() } else { self.caps.problems(&resolved_host.host, workload) }
    }

    /// Returns the reasons why a load of `users` for `length` at `rate` calls per second may not be sent to a host, one line each.
    pub fn exceeded(&self, resolved_host: &ResolvedHost, users: u32, length: Duration, rate: f64) -> Vec<String> {
        if resolved_host.is_loopback {
            Vec::new()
        } else {
            self.caps.exceeded(&resolved_host.host, users, length, Some(rate))
        }
    }

    /// Checks what is known before a name is resolved: the URL and the list. Nothing is sent, not even a query for the name.
    ///
    /// # Errors
    /// See [`Reach::resolve`].
    pub(super) fn precheck(&self, url: &str) -> Result<(), String> {
        let (host, _) = parse(url)?;
        self.check_name(&host, in_container())
    }

    /// Checks the URL of a server that the harness starts: its host is loopback, whatever the user allows, because the process runs here.
    ///
    /// # Errors
    /// The text is not an `http` or `https` URL, or its host is another machine.
    pub(super) fn precheck_started(url: &str) -> Result<(), String> {
        let (host, _) = parse(url)?;
        if is_loopback_name(&host) {
            return Ok(());
        }
        Err(format!(
            "`{host}` is not loopback, and a server that the harness starts runs on this machine; write `127.0.0.1`, or remove `[target.start]` if \
             the server runs already"
        ))
    }

    fn check_name(&self, host: &str, in_container: bool) -> Result<(), String> {
        if let Ok(ip) = host.parse::<IpAddr>()
            && let Some(why) = address::never_reached(ip)
        {
            return Err(never_reached_message(host, ip, why));
        }
        // In a container, such a name can be a neighbour on its network, for example `memory`; its address is checked later. On any other machine, a
        // name without a dot can be any machine of the office.
        let is_neighbour =
            in_container && !host.contains(['.', ':']) && host.starts_with(|first: char| first.is_ascii_alphabetic());
        if is_loopback_name(host) || self.is_listed(host) || is_neighbour {
            return Ok(());
        }
        Err(format!(
            "`{host}` is not this machine; the harness sends load only to loopback, to its own container network, and to the hosts that \
             `--allow-host` or `hosts` in `[reach]` of `harness.toml` names"
        ))
    }

    fn check(&self, host: &str, addresses: Vec<SocketAddr>, networks: &[Network]) -> Result<ResolvedHost, String> {
        if addresses.is_empty() {
            return Err(format!("`{host}` has no address"));
        }
        if addresses.len() > MAX_ADDRESSES {
            return Err(format!("`{host}` has more than {MAX_ADDRESSES} addresses"));
        }
        // One forbidden address is enough: which address a connection takes is not in the hands of the user.
        for address in &addresses {
            if let Some(why) = address::never_reached(address.ip()) {
                return Err(never_reached_message(host, address.ip(), why));
            }
        }
        let is_near = |ip: IpAddr| ip.to_canonical().is_loopback();
        if !self.is_listed(host) {
            let allowed = |ip: IpAddr| match is_loopback_name(host) {
                true => is_near(ip),
                false => networks.iter().any(|network| network.has(ip)),
            };
            if let Some(outside) = addresses.iter().map(SocketAddr::ip).find(|ip| !allowed(*ip)) {
                let place = if is_loopback_name(host) { "loopback" } else { "the container network of the harness" };
                return Err(format!("the address {outside} of `{host}` is not in {place}, and `{host}` is not listed"));
            }
        }
        let is_loopback = addresses.iter().all(|address| is_near(address.ip()));
        Ok(ResolvedHost { host: host.to_owned(), addresses, is_loopback })
    }

    fn is_listed(&self, host: &str) -> bool {
        self.hosts.iter().any(|listed| normal_host(listed) == host)
    }
}

fn never_reached_message(host: &str, ip: IpAddr, why: &str) -> String {
    format!("the address {ip} of `{host}` is never reached: it is {why}")
}

/// Returns the host of an `http` or `https` URL in its normal form, and the port.
fn parse(url: &str) -> Result<(String, u16), String> {
    let shown = without_secrets(url);
    let wrong = |why: &str| format!("`{shown}` is not a URL such as `http://127.0.0.1:7420`: {why}");
    let uri: Uri = url.parse().map_err(|error| wrong(&format!("{error}")))?;
    let port = match uri.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return Err(wrong("it does not begin with `http://` or `https://`")),
    };
    let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
    if authority.as_str().contains('@') {
        return Err(
            "a URL with a user name or a password is refused; a token comes from a variable or a file".to_owned()
        );
    }
    // The URL is stored with the plan and printed in reports, so it must not have a secret.
    if uri.query().is_some() {
        return Err("a URL with a query is refused, because it is stored and printed and a query may have a key; pass a token with `--bearer-env` or \
                    `--bearer-file`"
            .to_owned());
    }
    let host = normal_host(authority.host());
    if host.is_empty() { Err(wrong("it names no host")) } else { Ok((host, authority.port_u16().unwrap_or(port))) }
}

/// Returns a URL for a message: without a user name, a password and the query, which may be secrets.
pub(crate) fn without_secrets(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = plain.split_once("://").map_or(("", plain), |(scheme, rest)| (scheme, rest));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let scheme = if plain.contains("://") { format!("{scheme}://") } else { String::new() };
    format!("{scheme}{host}{path}")
}

/// Names are equal in any case and with a final dot. `Uri` keeps the brackets of an IPv6 address, and `IpAddr` does not accept them.
fn normal_host(host: &str) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(ip) => ip.to_string(),
        Err(_) => bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase(),
    }
}

/// Returns the host of a URL if it is another machine: neither loopback nor, in a container, a neighbour whose name has no dot.
///
/// # Errors
/// The text is not an `http` or `https` URL.
pub fn another_machine(url: &str) -> Result<Option<String>, String> {
    let (host, _) = parse(url)?;
    let is_near = is_loopback_name(&host) || in_container() && !host.contains(['.', ':']);
    Ok((!is_near).then_some(host))
}

/// Returns true if a host is loopback by its name. Its addresses are checked as well, because a file of the system may map `localhost` elsewhere.
fn is_loopback_name(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Returns true if this process runs in a container: Docker and Podman create one of these files in each.
fn in_container() -> bool {
    ["/.dockerenv", "/run/.containerenv"].iter().any(|file| std::path::Path::new(file).exists())
}

#[cfg(test)]
mod tests;
