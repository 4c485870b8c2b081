//! The proxies on the edges of a stack. They run in this process, so their rules end with it.

use super::StackError;
use super::tls_tunnel::TlsTunnel;
use crate::plan::trust::Trust;
use chaos_proxy::toxic::Latency;
use chaos_proxy::{Guard, Options, Proxy, Rule, RuleDirection, Tap, Toxic};
use parking_lot::Mutex;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// Deadline for an address of a target to accept a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct EdgeProxies {
    proxies: Mutex<Vec<Proxied>>,
}

struct Proxied {
    from: String,
    to: String,
    tapped: bool,
    proxy: Arc<Proxy>,
    /// The rule that delays every reply, if the topology has one. Dropping the guard would remove the rule.
    _slow: Option<Guard>,
    /// What encrypts the bytes behind the proxy, if the server needs TLS. Dropping it closes its connections.
    _tunnel: Option<TlsTunnel>,
}

pub(super) struct ProxiedEdge<'a> {
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    /// URL of the called part, `http://host:port` or `redis://host:port`.
    pub(super) url: &'a str,
    /// Where the called part is, if it is a target.
    pub(super) target_address: Option<TargetAddress>,
    pub(super) tapped: bool,
    /// The address of this machine that the calling part can reach.
    pub(super) listen: IpAddr,
    /// Milliseconds by which replies are delayed.
    pub(super) slow_ms: Option<u64>,
    /// Seed of the run, which decides the random choices of the proxy.
    pub(super) seed: u64,
}

/// Where a target is. Its host is never resolved again.
pub(super) struct TargetAddress {
    pub(super) host: String,
    pub(super) addresses: Vec<SocketAddr>,
    /// Who may sign its certificate; `None` without TLS.
    pub(super) trust: Option<Trust>,
}

impl EdgeProxies {
    /// Starts a proxy on an edge. Returns its URL, which the calling part uses.
    pub(super) async fn put(&self, edge: ProxiedEdge<'_>) -> Result<String, StackError> {
        let ProxiedEdge { from, to, url, target_address, tapped, listen, slow_ms, seed } = edge;
        let unreachable = || {
            let why = format!("`{to}` at `{url}` cannot have a proxy: its address cannot be resolved on this machine");
            StackError::start(from, why)
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(unreachable)?;
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
        let tunnel = match &target_address {
            Some(TargetAddress { host, addresses, trust: Some(trust) }) => {
                let opened = TlsTunnel::open(host, addresses.clone(), trust.config()).await;
                Some(opened.map_err(|error| StackError::start(from, error))?)
            }
            Some(_) | None => None,
        };
        // Resolved once: the proxy keeps the address, and a part keeps its own when it is started again.
        let upstream: SocketAddr = match (&tunnel, &target_address) {
            (Some(tunnel), _) => tunnel.address(),
            (None, Some(target_address)) => open_one(&target_address.addresses).await.ok_or_else(unreachable)?,
            (None, None) => {
                let mut addresses = tokio::net::lookup_host(authority).await.map_err(|_| unreachable())?;
                addresses.next().ok_or_else(unreachable)?
            }
        };
        // The clients speak plain HTTP with the proxy, so that its rules see requests.
        let scheme = if tunnel.is_some() { "http" } else { scheme };
        // The system may choose the port, although it is in the range of outgoing connections (see `ports.rs`): unlike
        // a part, a proxy is never started again at its port.
        let options = Options { seed, tap: tapped, host: listen, port: 0 };
        let proxy = Proxy::start_with(&format!("{from} to {to}"), upstream, options).await;
        let proxy = Arc::new(proxy.map_err(|error| StackError::start(from, error))?);
        let slash = if path.is_empty() { "" } else { "/" };
        let address = format!("{scheme}://{}{slash}{path}", proxy.address());
        // Only towards the client, so that each call is delayed once and not twice.
        let late =
            slow_ms.map(|by| Toxic::Latency(Latency { delay: Duration::from_millis(by), jitter: Duration::ZERO }));
        let slow = late.map(|toxic| proxy.add(Rule::new(toxic).towards(RuleDirection::Client))).transpose();
        let slow = slow.map_err(|error| StackError::start(from, error))?;
        self.lock().push(Proxied {
            from: from.to_owned(),
            to: to.to_owned(),
            tapped,
            proxy,
            _slow: slow,
            _tunnel: tunnel,
        });
        Ok(address)
    }

    /// Returns the proxy on the edge from one part to another; `None` if the edge is direct.
    pub(super) fn between(&self, from: &str, to: &str) -> Option<Arc<Proxy>> {
        let proxies = self.lock();
        proxies.iter().find(|edge| edge.from == from && edge.to == to).map(|edge| Arc::clone(&edge.proxy))
    }

    /// Returns the recorded exchanges on the edge from one part to another; `None` if it is not tapped.
    pub(super) fn tap(&self, from: &str, to: &str) -> Option<Tap> {
        let proxies = self.lock();
        proxies.iter().find(|edge| edge.tapped && edge.from == from && edge.to == to).map(|edge| edge.proxy.tap())
    }

    pub(super) async fn close(&self) {
        let proxies = std::mem::take(&mut *self.lock());
        for edge in proxies {
            edge.proxy.clear();
            // If a fault still references the proxy, it closes with the last reference.
            if let Some(proxy) = Arc::into_inner(edge.proxy) {
                proxy.close().await;
            }
        }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Vec<Proxied>> {
        self.proxies.lock()
    }
}

/// Returns the first address that accepts a connection or, if none does, the first: `localhost` often has two, and a server listens on one.
async fn open_one(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    for address in addresses {
        let connecting = tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(address)).await;
        if connecting.is_ok_and(|connected| connected.is_ok()) {
            return Some(*address);
        }
    }
    addresses.first().copied()
}

#[cfg(test)]
mod tests {
    use super::open_one;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn the_address_that_accepts_a_connection_is_used() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = {
            let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
            other.local_addr().unwrap()
        };
        assert_eq!(open_one(&[closed, open]).await, Some(open));
        assert_eq!(open_one(&[closed]).await, Some(closed), "the run reports that it cannot be reached");
        assert_eq!(open_one(&[]).await, None);
    }
}
