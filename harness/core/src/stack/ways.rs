//! The proxies on the ways of a stack. They run in this process for as long as the stack does. If the process dies, every rule on them is gone.

use super::StackError;
use chaos_proxy::toxic::Latency;
use chaos_proxy::{Guard, Options, Proxy, Rule, Tap, Towards, Toxic};
use parking_lot::Mutex;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The proxies of a stack.
#[derive(Default)]
pub(super) struct Ways {
    proxies: Mutex<Vec<Proxied>>,
}

struct Proxied {
    from: String,
    to: String,
    tapped: bool,
    proxy: Arc<Proxy>,
    /// Keeps the rule that delays every reply, if the topology has such a rule.
    _slow: Option<Guard>,
}

/// A way that gets a proxy.
pub(super) struct Way<'a> {
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    /// The target, `http://host:port` or `redis://host:port`.
    pub(super) url: &'a str,
    pub(super) tapped: bool,
    /// An address of this machine that `from` can reach.
    pub(super) listen: IpAddr,
    /// Milliseconds by which replies are delayed.
    pub(super) slow_ms: Option<u64>,
    /// Seed of the run.
    pub(super) seed: u64,
}

impl Ways {
    /// Puts a proxy on a way. Returns the URL at which `from` reaches the proxy.
    pub(super) async fn put(&self, way: Way<'_>) -> Result<String, StackError> {
        let Way { from, to, url, tapped, listen, slow_ms, seed } = way;
        let unreachable = || {
            let why = format!("`{to}` at `{url}` cannot have a proxy: its address cannot be resolved on this machine");
            StackError::start(from, why)
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(unreachable)?;
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
        let mut addresses = tokio::net::lookup_host(authority).await.map_err(|_| unreachable())?;
        let upstream: SocketAddr = addresses.next().ok_or_else(unreachable)?;
        let options = Options { seed, tap: tapped, host: listen, port: 0 };
        let proxy = Proxy::start_with(&format!("{from} to {to}"), upstream, options).await;
        let proxy = Arc::new(proxy.map_err(|error| StackError::start(from, error))?);
        let slash = if path.is_empty() { "" } else { "/" };
        let address = format!("{scheme}://{}{slash}{path}", proxy.address());
        let late =
            slow_ms.map(|by| Toxic::Latency(Latency { delay: Duration::from_millis(by), jitter: Duration::ZERO }));
        let slow = late.map(|toxic| proxy.add(Rule::new(toxic).towards(Towards::Client))).transpose();
        let slow = slow.map_err(|error| StackError::start(from, error))?;
        self.lock().push(Proxied { from: from.to_owned(), to: to.to_owned(), tapped, proxy, _slow: slow });
        Ok(address)
    }

    /// The proxy on the way from one part to another, if there is one.
    pub(super) fn between(&self, from: &str, to: &str) -> Option<Arc<Proxy>> {
        let proxies = self.lock();
        proxies.iter().find(|way| way.from == from && way.to == to).map(|way| Arc::clone(&way.proxy))
    }

    /// The log of the way from one part to another; `None` if it is not tapped.
    pub(super) fn tap(&self, from: &str, to: &str) -> Option<Tap> {
        let proxies = self.lock();
        proxies.iter().find(|way| way.tapped && way.from == from && way.to == to).map(|way| way.proxy.tap())
    }

    pub(super) async fn close(&self) {
        let proxies = std::mem::take(&mut *self.lock());
        for way in proxies {
            way.proxy.clear();
            // A proxy that is still referenced ends with its last reference.
            if let Some(proxy) = Arc::into_inner(way.proxy) {
                proxy.close().await;
            }
        }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Vec<Proxied>> {
        self.proxies.lock()
    }
}
